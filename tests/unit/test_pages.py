"""What pages and messages name is there, under that name: commands with options, native routes, settings, modules."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from starlette.routing import Match, Router

from entrepot.cli import app
from entrepot.db import Database
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for folder in (ROOT, *(ROOT / name for name in ("docs", "examples", "benchmarks", "src", "deploy", "changes")))
    for page in (folder.glob("*.md") if folder == ROOT else folder.rglob("*.md"))
    if page.name != "CHANGELOG.md"  # what it tells of was called so at its time
)
#: Variables of clients, which are no settings of a server.
CLIENTS = {"URL", "TOKEN", "TOKEN_FILE", "PROJECT", "DATA_DIR"}
TOP = typer.main.get_command(app)


def code(text: str) -> Iterator[str]:
    """Return the lines of a page's blocks, hidden ones too."""
    for block, hidden in re.findall(r"^```\w*\n(.*?)^```$|^<!-- setup\n(.*?)^-->$", text, re.MULTILINE | re.DOTALL):
        yield from (block or hidden).replace("\\\n", " ").splitlines()


def calls(text: str) -> Iterator[str]:
    """Return what follows `entrepot` in a text's code."""
    yield from re.findall(r"`entrepot (\w[^`]*)`", text)
    for line in code(text):
        yield from re.findall(r"(?:^\s*|\$\()entrepot (\w[^)]*)", re.split(r"\s#|\s\|\s", line)[0])


def wrong(call: str) -> str | None:
    """Return the word of a call that the command line does not know, or knows by another name."""
    command: Any = TOP
    options = {"--help"}
    for word in [*call.split(), None]:
        options.update(option for one in command.params for option in (*one.opts, *one.secondary_opts))
        if word is None or word.startswith("-") or not hasattr(command, "commands"):
            break
        if word not in command.commands:
            return word
        command = command.commands[word]
    return next((option for option in re.findall(r"(?<!\S)--[a-z-]+", call) if option not in options), None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages_call_commands_as_they_are_called(page: Path) -> None:
    found = {call: word for call in calls(page.read_text()) if (word := wrong(call))}
    assert found == {}


def test_messages_call_commands_as_they_are_called() -> None:
    sources = [path for pattern in ("*.py", "*.html") for path in (ROOT / "src").rglob(pattern)]
    # But for their first lines, in which modules of commands say what they hold.
    texts = {path.relative_to(ROOT).as_posix(): path.read_text().partition("\n")[2] for path in sources}
    found = {(name, call): word for name, text in texts.items() for call in calls(text) if (word := wrong(call))}
    assert {call: word for call, word in found.items() if "{" not in call[1]} == {}  # those are put together


def test_a_command_that_has_another_name_is_found() -> None:
    (call,) = calls("```sh\nexport KEY=$(entrepot token create --quiet --data-dir data ada)\n```\n")
    assert wrong(call) == "token"
    assert wrong("keys create --quiet --lost") == "--lost"
    assert wrong("keys create --quiet --data-dir data ada") is None


def test_pages_name_native_routes_that_there_are(tmp_path: Path) -> None:
    services = Services(Settings(data_dir=tmp_path), Database(f"sqlite:///{tmp_path / 'entrepot.db'}"))
    router: Router = create_app(services).router

    def served(method: str, path: str) -> bool:
        filled = re.sub(r"\{\w+\}|<[^>]+>", "1", path.partition("?")[0])
        scope = {"type": "http", "path": filled, "root_path": "", "method": method}
        wanted = (Match.FULL,) if method else (Match.FULL, Match.PARTIAL)
        return any(route.matches(scope)[0] in wanted for route in router.routes)

    named = [
        (page.name, method, path.rstrip(".,"))
        for page in PAGES
        for method, path in re.findall(r"(?:\b(GET|POST|PUT|PATCH|DELETE) )?(/api/v1/[^\s`\"')&]+)", page.read_text())
    ]
    assert len(named) > 30
    assert [one for one in named if not served(one[1], one[2])] == []
    services.close()


def test_pages_name_settings_that_there_are() -> None:
    names = set(Settings.model_fields)
    text = "\n".join(page.read_text() for page in PAGES)
    said = set(re.findall(r"`([a-z]+(?:_[a-z]+)+) = [^`]*`", text))
    for block in re.findall(r"^```toml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        said.update(re.findall(r"^(\w+) =", block, re.MULTILINE))
    said.update(name.lower() for name in set(re.findall(r"ENTREPOT_([A-Z_]*[A-Z])\b", text)) - CLIENTS)
    assert len(said) > 15
    assert said - names == set()


@pytest.mark.parametrize("page", sorted((ROOT / "docs").rglob("*.md")), ids=lambda page: page.stem)
def test_pages_name_modules_that_there_are(page: Path) -> None:
    named = set(re.findall(r"`([\w/]+/\w+\.py)`", page.read_text()))
    files = [
        path.relative_to(ROOT).as_posix()
        for folder in ("src", "tests", "tools", "examples", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
    ]
    assert [name for name in named if not any(f"/{file}".endswith(f"/{name}") for file in files)] == []
