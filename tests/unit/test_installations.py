"""What is installed is enough: the SDK on its base, the command line on its extra, and neither needs Linux."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINUX = ("fcntl", "grp", "pwd", "resource", "termios")
#: Distributions whose modules are named otherwise.
MODULES = {
    "argon2-cffi": "argon2", "google-re2": "re2", "prometheus-client": "prometheus_client", "psycopg": "psycopg",
    "pydantic-settings": "pydantic_settings", "pyopenssl": "OpenSSL", "pysqlite3-binary": "pysqlite3",
    "python-multipart": "multipart", "pyyaml": "yaml",
}  # fmt: skip
#: Of the SDK, what needs no extra.
SDK = (
    "entrepot.client.aio.native entrepot.client.connecting entrepot.client.errors entrepot.client.workflow "
    "entrepot.client.owi entrepot.client.ricloud"
)
#: What takes long to import, and no connection needs: of other libraries, and of Python.
HEAVY = (
    "rich click typer pygments markdown_it pydantic fastapi starlette sqlalchemy polars matplotlib pint tqdm anyio "
    "httpcore yaml asyncio difflib html multiprocessing concurrent unittest xml"
)
HIDE = """
import sys

hidden = set({hidden!r})

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

for name in list(sys.modules):
    if name.partition(".")[0] in hidden:
        del sys.modules[name]
sys.meta_path.insert(0, Hidden())
"""


def _named(requirements: list[str]) -> set[str]:
    names = {one.partition(">")[0].partition("[")[0] for one in requirements}
    return {MODULES.get(name, name.replace("-", "_")) for name in names} - {"entrepot"}


def _hidden(*extras: str, linux: bool = False) -> list[str]:
    """Return what is not there in an installation with these extras, with Linux' own modules or without."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    options = project["optional-dependencies"]
    there = _named(project["dependencies"]).union(*(_named(options[one]) for one in extras))
    return sorted(set(() if linux else LINUX).union(*map(_named, options.values())) - there)


def _run(code: str, *extras: str, linux: bool = False) -> subprocess.CompletedProcess[str]:
    text = HIDE.format(hidden=_hidden(*extras, linux=linux)) + code
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60)


def test_the_sdk_needs_its_base_alone_and_nothing_of_the_server() -> None:
    code = f"""
import entrepot
entrepot.connect, entrepot.connect_async, entrepot.NotFound
for name in {SDK!r}.split():
    __import__(name)
names = {{".".join(name.split(".")[:2]) for name in sys.modules if name.startswith("entrepot.")}}
assert names <= {{"entrepot.client", "entrepot.plots", "entrepot.bounds", "entrepot.units"}}, names
try:
    entrepot.connect("http://127.0.0.1:1", "token", timeout=1)
except entrepot.NoAnswer:
    print("no answer")
"""
    ran = _run(code)
    assert (ran.stdout, ran.stderr) == ("no answer\n", "")


def test_the_sdk_takes_little_time_beside_pandas() -> None:
    """In seconds of the processor, and the least of some: `benchmarks/imports.py` has more."""
    code = """
import time
import pandas
begun = time.process_time()
import entrepot
entrepot.connect
print(time.process_time() - begun)
"""
    assert min(float(_run(code).stdout) for _ in range(3)) < 0.15


def test_the_sdk_imports_nothing_heavy_that_is_installed_beside_it() -> None:
    """With everything installed: what one call needs is imported by that call."""
    code = f"""
import sys
import pandas
pandas_own = set(sys.modules)
import entrepot
entrepot.connect, entrepot.Client, entrepot.NotFound
import httpx
heavy = set({HEAVY!r}.split())
print(*sorted(heavy & {{name.partition(".")[0] for name in set(sys.modules) - pandas_own if sys.modules[name]}}))
print(httpx.main.__module__)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout == "\nhttpx\n"


def test_the_command_line_needs_its_extra_alone_and_nothing_of_the_server() -> None:
    code = """
sys.argv = ["entrepot", *{arguments!r}]
from entrepot.__main__ import main
try:
    main()
finally:
    names = {{".".join(name.split(".")[:2]) for name in sys.modules if name.startswith("entrepot.")}}
    own = {{f"entrepot.{{name}}" for name in ("client", "cli", "errors", "signals", "__main__")}}
    assert names <= own, names
"""
    for arguments in (["--help"], ["series", "list", "--help"], ["apply", "--help"]):
        ran = _run(code.format(arguments=arguments), "cli")
        assert (ran.returncode, "Usage" in ran.stdout) == (0, True), ran.stderr
    ran = _run(code.format(arguments=["projects", "list", "--url", "http://127.0.0.1:1", "--token", "x"]), "cli")
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: ")
    assert "Traceback" not in ran.stderr


def test_a_remote_worker_needs_the_command_line_alone_and_nothing_of_the_server() -> None:
    code = """
sys.argv = ["entrepot", "worker", "--url", "http://127.0.0.1:1", "--token", "x", "--trusted", "--until-idle"]
from entrepot.engines.working import RemoteWorker
RemoteWorker.run = lambda *_, **options: print(options) or 0
from entrepot.__main__ import main
main()
"""
    ran = _run(code, "cli", linux=True)
    assert (ran.returncode, ran.stdout) == (0, "{'until_idle': True}\n" + '{"done": 0}\n'), ran.stderr


def test_without_its_extra_the_command_line_says_what_to_install() -> None:
    ran = _run("sys.argv = ['entrepot', '--help']\nfrom entrepot.__main__ import main\nmain()")
    assert ran.returncode == 1
    assert ran.stderr.strip().endswith("pip install 'entrepot[cli]'")


@pytest.mark.parametrize("extra", ["cli", "ovbp", "worker", "plots", "polars", "server"])
def test_every_extra_is_part_of_the_server(extra: str) -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (own,) = (one for one in options["server"] if one.startswith("entrepot["))
    assert extra == "server" or extra in own
