"""The words of the command line: what has another name now says so, and every command shows how it is used."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

import entrepot
from entrepot.cli import app, yaml_files
from entrepot.cli.connection import door
from entrepot.cli.renamed import NEW_WORDS
from entrepot.client.connecting import keep_login, logins, logins_file
from entrepot.errors import InvalidInput

SOURCES = Path(entrepot.__file__).parent
PAGES = SOURCES.parent.parent / "docs"
#: How files end that examples name.
FILES = ("py", "csv", "json", "xlsx", "parquet", "pdf", "yaml", "zip", "gz", "html", "png")
#: What is administered on the server's own machine, and what has verbs of its own.
OTHERS = {"bans", "db", "export", "secret-key", "demo"}


def commands(group: Any, *words: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, *words, name)
        else:
            yield " ".join([*words, name]), command


TOP: Any = typer.main.get_command(app)
ALL = dict(commands(TOP))


@pytest.mark.parametrize("old", NEW_WORDS)
def test_an_old_name_works_and_says_the_new_one(old: str) -> None:
    done = CliRunner().invoke(app, [*old.split(), "--help"])
    assert done.exit_code == 0, done.output
    assert f"is `entrepot {NEW_WORDS[old]}` now" in done.stderr


def test_every_command_has_help_with_an_example_in_its_own_words() -> None:
    missing = [name for name, command in ALL.items() if f"entrepot {name}" not in (command.help or "")]
    assert not missing


@pytest.mark.parametrize("name", ALL)
def test_the_examples_of_a_command_are_used_as_it_is(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each example is parsed, with the files that it names; nothing is done."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENTREPOT_TOKEN", "ent_token")
    (examples,) = (line for line in (ALL[name].help or "").splitlines() if "Example" in line)
    found = [one for one in examples.split("`")[1::2] if one.startswith("entrepot ")]
    assert found
    for example in found:
        words = shlex.split(example.partition(" > ")[0].partition(" | ")[0])[1:]
        for word in words:
            path = tmp_path / word.lstrip("/")
            if word.endswith("/") or word == "exports":
                path.mkdir()
            elif word.count(".") == 1 and word.rpartition(".")[2] in FILES:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
        command, context = TOP, TOP.make_context("entrepot", [], resilient_parsing=True)
        while hasattr(command, "commands"):
            given = next(at for at, word in enumerate(words) if word in command.commands)
            command, words = command.commands[words[given]], words[:given] + words[given + 1 :]
        with command.make_context(command.name, words, parent=context):
            assert command.name == name.rpartition(" ")[2], example


def said() -> Iterator[tuple[Path, str]]:
    """Yield what the program's texts and the pages call commands, but for those that tell of former names."""
    for path in [*SOURCES.rglob("*.py"), *SOURCES.rglob("*.html"), *PAGES.rglob("*.md"), PAGES.parent / "README.md"]:
        text = path.read_text()
        if path.suffix == ".py":
            constants = (one.value for one in ast.walk(ast.parse(text)) if isinstance(one, ast.Constant))
            text = "\n".join(one for one in constants if isinstance(one, str))
        if not path.name.startswith("old_"):
            yield from ((path, match) for match in re.findall(r"\bentrepot ([a-z][a-z-]*(?: [a-z][a-z-]*)?)", text))


def test_nothing_tells_anybody_a_former_name() -> None:
    former = {name.partition(" ")[0] for name in NEW_WORDS}

    def is_former(name: str) -> bool:
        word, _, verb = name.partition(" ")
        group = TOP.commands.get(word)
        if group is None or group.hidden:
            return word in former
        return hasattr(group, "commands") and bool(verb) and not any(f"{one} ".startswith(f"{name} ") for one in ALL)

    found = list(said())
    assert len(found) > 300
    assert not {(str(path), name) for path, name in found if is_former(name)}


def test_no_command_speaks_the_wire_of_a_published_client() -> None:
    """Neither the commands nor what they call of the SDK know an address, or a module, of a dialect."""
    speaks = re.compile(r"""["'/](ovbp|owi|workflow|ricloud)/|entrepot\.client\.(ovbp|owi|workflow|ricloud)""")
    sources = [
        *(SOURCES / "cli").rglob("*.py"),
        *(SOURCES / "client").glob("*.py"),
        *(SOURCES / "client/aio").glob("*.py"),
    ]
    assert len(sources) > 80
    found = {
        f"{path.relative_to(SOURCES)}: {match.group()}"
        for path in sources
        for match in speaks.finditer(path.read_text())
    }
    assert found == set()


def test_nouns_are_plural_and_answer_the_same_verbs() -> None:
    groups = {name for name, command in TOP.commands.items() if hasattr(command, "commands")}
    assert all(name.endswith("s") for name in groups - OTHERS - {"secret-key"})
    for noun in ("projects", "gates", "feeders", "importers", "channels", "analyses", "sites", "locations",
                 "model-definitions", "result-sets", "parts", "users", "keys", "storages", "webhooks", "series",
                 "watches"):  # fmt: skip
        assert {f"{noun} {verb}" for verb in ("list", "show", "create", "set", "delete")} <= ALL.keys(), noun


def test_the_version_is_said() -> None:
    assert CliRunner().invoke(app, ["--version"]).stdout == f"entrepot {entrepot.__version__}\n"


def test_shells_can_complete_and_wrong_words_are_wrong_usage() -> None:
    assert "--install-completion" in CliRunner().invoke(app, ["--help"]).stdout
    asked = {"_ENTREPOT_COMPLETE": "complete_bash", "COMP_WORDS": "entrepot result-sets ", "COMP_CWORD": "2"}
    offered = CliRunner().invoke(app, [], env=asked, prog_name="entrepot").stdout.split()
    assert {"list", "show", "create", "set", "delete", "lock"} <= set(offered)
    assert CliRunner().invoke(app, ["gates", "lost"]).exit_code == 2


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return tmp_path


def test_what_login_keeps_is_for_its_owner_and_its_server_alone(home: Path) -> None:
    keep_login("https://a.example/", "of-a")
    keep_login("https://b.example", "of-b")
    assert logins_file().stat().st_mode & 0o777 == 0o600
    assert list(logins()) == ["https://b.example", "https://a.example"]
    assert door("http://127.0.0.1:8000", "") == ("https://b.example", "of-b")
    assert door("https://a.example", "") == ("https://a.example", "of-a")
    assert door("https://c.example", "given") == ("https://c.example", "given")
    with pytest.raises(typer.BadParameter, match="entrepot login"):
        door("https://c.example", "")
    keep_login("https://b.example", None)
    assert list(logins()) == ["https://a.example"]


def test_files_of_projects_are_read_with_care(tmp_path: Path) -> None:
    file = tmp_path / "farm.yaml"
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "parse.py").write_text("def parse(): ...\n")

    def read(text: str) -> dict[str, Any]:
        file.write_text(text)
        return yaml_files.read(file)

    found = read("project: 7\nimporters: {1: {parse: scripts/parse.py, plausible_from: 2014-03-01}}")
    assert found == {
        "project": 7,
        "importers": {"1": {"parse": "def parse(): ...\n", "plausible_from": "2014-03-01"}},
    }
    bomb = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    for text, reason in (
        ("project: a\nproject: b", "'project' is there twice"),
        ("- a", "holds no project"),
        ("a: [", "while parsing"),
        ("a: !!python/object/apply:os.system [true]", "could not determine a constructor"),
        (bomb, "too large"),
        ("a: &a {b: *a}", "too large"),
        ("importers: {a: {parse: ../secret.py}}", "is not beside the file"),
    ):
        with pytest.raises(InvalidInput, match=reason):
            read(text)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    file = {
        "project": "Farm",
        "description": "",
        "sites": {"Hill": {"locations": {"T/1": {}}}},
        "importers": {
            "scada": {"parse": "def parse(content):\n    return 1\n", "active": False,
                      "channels": {"a b": {"name": "x", "keep": "def fct(value):\n    return True\n"}}},
        },
        "analyses": {"Mean": {"script": "def analyze(frame):\n    return frame\n"}},
    }  # fmt: skip
    made = yaml_files.write(file, tmp_path)
    assert {one.relative_to(tmp_path).as_posix() for one in made} == {
        "farm.yaml", "scripts/importer_scada.py", "scripts/importer_scada_channels_a_b_keep.py",
        "scripts/analysis_Mean.py",
    }  # fmt: skip
    text = (tmp_path / "farm.yaml").read_text()
    assert "# what reads files into raw series" in text
    back = yaml_files.read(tmp_path / "farm.yaml")
    assert back == {key: value for key, value in file.items() if key != "description"}
    (tmp_path / "whole.yaml").write_text(yaml_files.written(file))
    assert yaml_files.read(tmp_path / "whole.yaml") == back
    assert "parse: |" in (tmp_path / "whole.yaml").read_text()
