"""The published commands: run, audit, transfer, buckets, results."""

import subprocess
import sys
from pathlib import Path

from workflow_session import WORKSPACE, finish

from workflow.definitions.work import Work
from workflow.http.context import HTTPContext

COMMAND = Path(sys.executable).with_name("workflow")
http = HTTPContext(backends=["buckets", "results"])
notes = {}


def command(*arguments):
    run = subprocess.run([str(COMMAND), *arguments], capture_output=True, text=True, timeout=120)
    return run.stdout + run.stderr


def daemon(name):
    program = f"from workflow.daemons.{name} import {name} as d; print('OUTCOME', d.main(['--test-mode'], standalone_mode=False))"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    line = next((line for line in run.stdout.splitlines() if line.startswith("OUTCOME ")), run.stdout + run.stderr)
    return eval(line.removeprefix("OUTCOME ")) if line.startswith("OUTCOME ") else line


def work(pipeline, **fields):
    Work(pipeline=pipeline, site="local", user="me", **fields).deposit(http=http)


work("sample", function="workflow.examples.function.math", parameters={"alpha": 2, "beta": 8}, event=[7], tags=["x"])
work("sample", command=["python3", "-c", "print('hello')"])
work("sample", command=["false"], retries=1)
work("kept", function="workflow.examples.function.math")
notes["ls"] = command("buckets", "ls", "--details")
notes["ps"] = command("buckets", "ps", "sample", "-c", "3")
notes["run"] = command("run", "sample", "--site", "local", "--lives", "3", "--sleep", "1", "-w", str(WORKSPACE))
notes["done"] = http.buckets.view({"pipeline": "sample"}, {"status": True, "results": True, "attempt": True, "products": True})
notes["audit"] = daemon("audit")
notes["transfer"] = [daemon("transfer"), daemon("transfer")]
notes["archived"] = http.results.view("sample", {}, {"status": True, "event": True})
notes["results version"] = command("results", "version")
notes["results count"] = command("results", "count")
notes["results view"] = command("results", "view", "sample")
notes["rm"] = command("buckets", "rm", "kept", "-f")
notes["left"] = http.buckets.status()
finish(notes)
