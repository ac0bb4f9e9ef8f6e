"""The pages of docs/: their code runs and prints what they say, their links lead somewhere, and nothing is left out."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrepot.settings import Settings
from tests.support import warm
from tests.support.bound import bound
from tests.support.deadline import eventually

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
#: Pages whose code is run by a test of their own, which gives it what it needs.
ELSEWHERE = {
    "scaling.md": "tests/integration/server",
    "litestream.md": "tests/integration/server",
    "dialect-ovbp.md": "tests/conformance/ovbp",
    "dialect-owi.md": "tests/conformance/owi",
    "dialect-workflow.md": "tests/conformance/workflow",
    "dialect-ricloud.md": "tests/conformance/ricloud",
    "guide-ovbp.md": "tests/conformance/ovbp_sdk",
}
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$|^<!-- (setup)\n(.*?)^-->$", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[tuple[str, str]]:
    """Return the page's code with its languages, in order; a comment headed ``setup`` is shell code not shown."""
    found = BLOCK.findall(page.read_text())
    return [(language or "sh", code or hidden) for language, code, _, hidden in found]


class Reader:
    """Does what a page says, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **os.environ,
            "PATH": f"{warm.program().parent}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "ENTREPOT_PORT": "0",
            "ENTREPOT_FTP_PORT": "0",
        }

    def shell(self, code: str) -> None:
        serve = [line for line in code.splitlines() if line.startswith("entrepot serve")]
        before, _, after = code.partition(serve[0]) if serve else (code, "", "")
        self._run(before)
        if serve:
            self._serve(serve[0])
        self._run(after)

    def _run(self, code: str) -> None:
        script = f"set -e\n{code}\nexport -p > .environment"
        subprocess.run(["bash", "-c", script], cwd=self.folder, env=self.environment, check=True, timeout=120)
        exported = (self.folder / ".environment").read_text()
        for name, value in re.findall(r'^declare -x (ENTREPOT_\w+)="(.*)"$', exported, re.MULTILINE):
            self.environment[name] = value

    def _serve(self, line: str) -> None:
        data_dir = self.folder / re.findall(r"--data-dir (\S+)", line)[0]
        self.servers.append(subprocess.Popen([*bound(), *line.split()], cwd=self.folder, env=self.environment))
        state = data_dir / "run" / "serve.json"
        eventually(state.exists, 120)
        port = re.findall(r'"http_port": ?(\d+)', state.read_text())[0]
        self.environment["ENTREPOT_URL"] = f"http://127.0.0.1:{port}"

    def python(self, codes: list[str]) -> list[str]:
        """Run blocks one after the other in one interpreter and return what each printed."""
        marks = "\nprint('\\x1f', end='')\n".join(codes)
        done = subprocess.run(
            [sys.executable, "-c", marks], cwd=self.folder, env=self.environment, capture_output=True, timeout=240
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().split("\x1f")


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path)
    yield reader
    for server in reader.servers:
        server.terminate()
        server.wait(30)


@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name not in ELSEWHERE and blocks(page)], ids=lambda page: page.stem
)
def test_what_a_page_shows_works(page: Path, reader: Reader) -> None:
    codes: list[str] = []
    outputs: dict[int, str] = {}
    for language, code in blocks(page):
        match language:
            case "sh":
                reader.shell(code)
            case "python":
                codes.append(code)
            case "output":
                outputs[len(codes) - 1] = code
            case "toml" | "text" | "nginx" | "json" | "sql" | "mermaid":
                pass  # shown, not run
            case _:
                pytest.fail(f"nobody runs a block of {language}")
    if codes:
        printed = reader.python(codes)
        for number, expected in outputs.items():
            assert printed[number].strip() == expected.strip()


def test_pages_run_elsewhere_are_run_there() -> None:
    for name, folder in ELSEWHERE.items():
        if (ROOT / "docs" / name).exists() and blocks(ROOT / "docs" / name):
            assert any((ROOT / folder).rglob("test_*.py")), name


@pytest.mark.parametrize("page", [*PAGES, ROOT / "README.md"], ids=lambda page: page.stem)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if "://" not in target:
            assert (page.parent / target).exists(), target


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()
    for name, field in Settings.model_fields.items():
        assert f"`{name}`" in text, name
        assert field.description, name
        assert field.description in text, name
