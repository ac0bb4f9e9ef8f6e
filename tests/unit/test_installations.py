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


def _hidden(*extras: str) -> list[str]:
    """Return what is not there in an installation with these extras, on a machine without Linux' own modules."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    options = project["optional-dependencies"]
    there = _named(project["dependencies"]).union(*(_named(options[one]) for one in extras))
    return sorted({*LINUX}.union(*map(_named, options.values())) - there)


def _run(code: str, *extras: str) -> subprocess.CompletedProcess[str]:
    text = HIDE.format(hidden=_hidden(*extras)) + code
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


def test_the_command_line_needs_its_extra_alone_and_nothing_of_the_server() -> None:
    code = """
sys.argv = ["entrepot", *{arguments!r}]
from entrepot.__main__ import main
try:
    main()
finally:
    names = {{".".join(name.split(".")[:2]) for name in sys.modules if name.startswith("entrepot.")}}
    assert names <= {{"entrepot.client", "entrepot.cli", "entrepot.errors", "entrepot.__main__"}}, names
"""
    for arguments in (["--help"], ["series", "list", "--help"], ["apply", "--help"]):
        ran = _run(code.format(arguments=arguments), "cli")
        assert (ran.returncode, "Usage" in ran.stdout) == (0, True), ran.stderr
    ran = _run(code.format(arguments=["projects", "list", "--url", "http://127.0.0.1:1", "--token", "x"]), "cli")
    assert ran.returncode == 1
    assert ran.stderr.startswith("error: ")
    assert "Traceback" not in ran.stderr


def test_without_its_extra_the_command_line_says_what_to_install() -> None:
    ran = _run("sys.argv = ['entrepot', '--help']\nfrom entrepot.__main__ import main\nmain()")
    assert ran.returncode == 1
    assert ran.stderr.strip().endswith("pip install 'entrepot[cli]'")


@pytest.mark.parametrize("extra", ["cli", "ovbp", "worker", "plots", "polars", "server"])
def test_every_extra_is_part_of_the_server(extra: str) -> None:
    options = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (own,) = (one for one in options["server"] if one.startswith("entrepot["))
    assert extra == "server" or extra in own
