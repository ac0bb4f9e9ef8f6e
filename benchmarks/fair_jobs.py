"""How long one project waits for what another has asked for: `python benchmarks/fair_jobs.py [--postgres URL]`.

A server of its own gets 300 imports of 5 s and two endless scripts in one project; then another project asks for one
import, and a webhook and a mail are due. Aims: the import done within 15 s, webhook and mail within 10 s.
"""

import argparse
import os
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import orjson
from common import Http, answers, daemon, eventually, free_port

ENTREPOT = Path(sys.executable).parent / "entrepot"
SLOW = """
import time

def parse(content_bytes, rel_path, **tools):
    time.sleep({seconds})
    import pandas as pd
    return pd.DataFrame({{'a': [1.0]}}, index=pd.DatetimeIndex(['2026-01-01']))
"""
BROKEN = """
def parse(content_bytes, rel_path, **tools):
    raise ValueError('no')
"""
IMPORTS, SECONDS = 300, 5


class Receiver(BaseHTTPRequestHandler):
    """Takes webhooks and says when."""

    at: float | None = None

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        Receiver.at = Receiver.at or time.monotonic()
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Smtp(socketserver.StreamRequestHandler):
    """Takes mails and says when."""

    at: float | None = None

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            word = line[:4].upper()
            if word == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                while self.rfile.readline().strip() != b".":
                    pass
                Smtp.at = Smtp.at or time.monotonic()
            self.wfile.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
            if word == b"QUIT":
                return


class Farm:
    """A project with importers."""

    def __init__(self, http: Http, organization: str, name: str) -> None:
        self.http = http
        self.id = self.post("oteams/projects/", {"organization": organization, "name": name, "comment": ""})["odata"]

    def post(self, path: str, body: Any) -> Any:
        return orjson.loads(self.http.send("POST", f"/ovbp/api/v2/{path}", orjson.dumps(body)) or b"null")

    def importer(self, data: Path, name: str, script: str) -> str:
        """Make an importer of one file, have it run, and return the id of that job."""
        gate = self.post("odata/gates/", {"project": self.id, "name": name, "comment": ""})
        folder = data / "gates" / gate["id"]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "a.csv").write_text("a\n")
        body = {"project": self.id, "name": name, "comment": "", "gate": gate["id"], "parse_script": script}
        importer = self.post("odata/importers/", body)
        return str(self.post(f"odata/importers/{importer['id']}/action/", {"name": "run"})["id"])


def waited(what: str, aim: float, done: Callable[[], bool], began: float) -> None:
    """Print how long something took."""
    eventually(done, 600)
    seconds = time.monotonic() - began
    print(f"{what:<30} {seconds:6.1f} s   (aim {aim:.0f} s: {'met' if seconds <= aim else 'MISSED'})", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--postgres", help="URL of an empty database; by default SQLite.")
    options = parser.parse_args()
    hooks = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    mails = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp)
    for server in (hooks, mails):
        threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        "ENTREPOT_WEBHOOK_ALLOWED_NETWORKS": '["127.0.0.0/8"]',
        "ENTREPOT_SMTP_HOST": "127.0.0.1",
        "ENTREPOT_SMTP_PORT": str(mails.server_address[1]),
        "ENTREPOT_SMTP_TLS": "off",
        "ENTREPOT_MAIL_DELAY_SECONDS": "0",
        **({"ENTREPOT_DATABASE_URL": options.postgres} if options.postgres else {}),
    }
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder) / "data", environment, hooks.server_address[1])


def measure(data: Path, environment: dict[str, str], hook_port: int) -> None:
    """Start a server, load it, and see how long another waits."""
    port, everything = free_port(), os.environ | environment
    made = orjson.loads(run([str(ENTREPOT), "init", "--data-dir", str(data), "--organization", "O", "--admin",
                             "a@example.org", "--json"], everything))  # fmt: skip
    command = [str(ENTREPOT), "serve", "--data-dir", str(data), "--port", str(port), "--no-ftp"]
    with daemon(command, data.parent / "log", lambda: answers(port, "/health"), everything):
        http = Http(port, {"authorization": f"Token {made['token']}", "content-type": "application/json"})
        organization = orjson.loads(http.send("GET", "/ovbp/api/v2/oteams/organizations/"))["data"][0]["id"]
        mails = ["email=a@example.org", "mail_notices=true"]
        run([str(ENTREPOT), "users", "set", "a@example.org", *mails, "--data-dir", str(data)], everything)
        loud, quiet = Farm(http, organization, "loud"), Farm(http, organization, "quiet")
        for number in range(2):
            loud.importer(data, f"endless {number}", SLOW.format(seconds=10_000))
        for number in range(IMPORTS):
            loud.importer(data, f"import {number}", SLOW.format(seconds=SECONDS))
        print(f"{IMPORTS} imports of {SECONDS} s and two endless ones wait or run")
        body = {"url": f"http://127.0.0.1:{hook_port}/", "types": ["importer"]}
        http.send("POST", "/api/v1/webhooks", orjson.dumps(body))
        http.send("PATCH", f"/ovbp/api/v2/odata/projects/{quiet.id}/", b'{"mail_alerts_activated": true}')
        Receiver.at = Smtp.at = None
        began = time.monotonic()
        task = quiet.importer(data, "only", SLOW.format(seconds=0))

        def ended() -> bool:
            state = orjson.loads(http.send("GET", f"/api/v1/jobs/{task}"))
            return state["ended_at"] is not None

        waited("another project's import", 15, ended, began)
        finished = time.monotonic()
        waited("its webhook", 10, lambda: Receiver.at is not None, finished)
        broken = time.monotonic()
        quiet.importer(data, "broken", BROKEN)
        waited("mail on a run that failed", 15 + 10, lambda: Smtp.at is not None, broken)


def run(command: list[str], environment: dict[str, str]) -> bytes:
    """Run a command and return what it printed."""
    return subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    main()
