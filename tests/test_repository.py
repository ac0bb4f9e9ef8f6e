"""What holds for the repository as a whole: its locks, its tasks, and what it may not contain."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from trove_classifiers import classifiers

from tests.conformance.environments import CLIENTS, LOCKS

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "requirements" / "dev.txt"
# In pieces, so that this file is not a finding.
REGISTRIES = re.compile(
    rb"pypi\.(?:org|io)|python" + rb"hosted\.org|npm" + rb"js\.(?:com|org)|deb\.debian" + rb"\.org|crates" + rb"\.io"
)
LONGEST_FILE = 400


def _git(*arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=True).stdout


def _tracked() -> list[Path]:
    names = _git("ls-files", "-z", "--cached", "--others", "--exclude-standard").decode().split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def _pins(lock: Path) -> dict[str, list[Requirement]]:
    """Return the requirements of a lock by name; one name has several where the Python's version decides."""
    pins: dict[str, list[Requirement]] = {}
    for line in re.findall(r"^([a-z0-9][^\\\n]*)", lock.read_text(), re.MULTILINE):
        requirement = Requirement(line)
        pins.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return pins


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")
def test_no_file_names_a_package_registry() -> None:
    found = [str(path.relative_to(ROOT)) for path in _tracked() if REGISTRIES.search(path.read_bytes())]
    assert found == []


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")
def test_no_commit_message_names_a_package_registry() -> None:
    assert REGISTRIES.search(_git("log", "--format=%B")) is None


def test_the_pattern_finds_registries() -> None:
    assert REGISTRIES.search(b"--index-url https://" + b"pypi" + b".org/simple")
    assert REGISTRIES.search(b"https://files.python" + b"hosted.org/x")


@pytest.mark.parametrize("lock", [LOCK, *(LOCKS / f"{client}.txt" for client in CLIENTS)], ids=lambda lock: lock.name)
def test_locks_pin_exactly_with_hashes_and_without_addresses(lock: Path) -> None:
    text = lock.read_text()
    assert "://" not in text
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert blocks
    for block in blocks:
        assert re.match(r"[a-z0-9][a-z0-9._-]*==\S+( ; [^\\\n]+)? \\\n", block), block
        assert re.search(r"^    --hash=sha256:[0-9a-f]{64}", block, re.MULTILINE), block


def test_the_lock_satisfies_what_the_project_declares() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [
        *declared["project"]["dependencies"],
        *(one for extra in declared["project"]["optional-dependencies"].values() for one in extra),
        *declared["dependency-groups"]["dev"],
    ]
    wanted = [text for text in wanted if not text.startswith("entrepot[")]
    pins = _pins(LOCK)
    for text in wanted:
        requirement = Requirement(text)
        found = pins.get(canonicalize_name(requirement.name))
        assert found, f"{text} is not locked: run `make lock`"
        for pin in found:
            version = next(iter(pin.specifier)).version
            assert requirement.specifier.contains(version, prereleases=True), f"{text}, but {version} is locked"


def test_make_lists_every_task_and_the_readme_names_those_that_a_newcomer_needs() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tasks = re.findall(r"^  make (\S+)\s+\S", listed, re.MULTILINE)
    assert {"install", "demo", "test", "lint", "lock", "help"} <= set(tasks)
    readme = (ROOT / "README.md").read_text()
    for task in ("demo", "test"):
        assert f"make {task}" in readme


def test_ci_runs_the_very_commands_that_people_run() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111
    for command in ("make install", "make test", "make lint"):
        assert any(line.partition(" || ")[0] == command for line in script.splitlines())


def test_classifiers_are_known_and_name_the_versions_of_python_that_are_meant() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["classifiers"]) <= classifiers
    versions = [one.rpartition(" ")[2] for one in project["classifiers"] if "Python :: 3." in one]
    assert f">={versions[0]}" == project["requires-python"]


def test_hooks_before_a_commit_are_those_of_lint() -> None:
    hooks = re.findall(r"entry: (\S+/[\w-]+)", (ROOT / ".pre-commit-config.yaml").read_text())
    (recipe,) = re.findall(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {Path(hook).name for hook in hooks} == set(re.findall(r"\$\(BIN\)/(\S+)", recipe))
    assert all(hook.startswith(".venv/bin/") for hook in hooks)


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a clone")
@pytest.mark.parametrize("hook", ["check", "format --check"])
def test_hooks_leave_scripts_of_users_alone(hook: str) -> None:
    """Hooks name each file, those too that are data here."""
    files = [path for path in _tracked() if path.suffix == ".py"]
    ran = subprocess.run(
        [Path(sys.executable).parent / "ruff", *hook.split(), "--quiet", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout


def test_every_case_is_named_by_a_test() -> None:
    """Each folder of tests/cases stands for a kind of fault."""
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    cases = sorted(path.name for path in (ROOT / "tests" / "cases").iterdir() if path.is_dir())
    assert len(cases) >= 40
    assert [name for name in cases if f'"{name}"' not in tests] == []


def test_source_files_stay_short() -> None:
    # A migration is as long as there are tables.
    written = [path for path in (ROOT / "src").rglob("*.py") if "migrations/versions" not in path.as_posix()]
    lengths = {path: len(path.read_text().splitlines()) for path in written}
    too_long = {str(path.relative_to(ROOT)): length for path, length in lengths.items() if length > LONGEST_FILE}
    assert too_long == {}


def test_pictures_of_docs_are_shown_and_light() -> None:
    pictures = [*(ROOT / "docs" / "images").rglob("*.png")]
    shown = "".join(page.read_text() for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    assert [one.name for one in pictures if f"{one.relative_to(ROOT / 'docs')})" not in shown] == []
    assert sum(one.stat().st_size for one in pictures) < 2_500_000


def test_what_is_promised_names_tests_that_there_are() -> None:
    """docs/security.md."""
    promised = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", (ROOT / "docs" / "security.md").read_text())
    assert len(promised) > 50
    for file, test in promised:
        path = ROOT / (file if "/" in file else f"tests/attacks/{file}")
        assert path.is_file(), file
        assert not test or f"def {test}(" in path.read_text(), (file, test)


def test_each_incident_names_the_tests_that_cause_it_and_the_words_that_they_assert() -> None:
    """docs/operating.md."""
    functions = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        lines = path.read_text().splitlines()
        for node in ast.parse("\n".join(lines)).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                begin = min([node.lineno, *(one.lineno for one in node.decorator_list)])  # with its parameters
                functions[node.name] = "\n".join(lines[begin - 1 : node.end_lineno])
    told = (ROOT / "docs" / "operating.md").read_text()
    rows = [line.strip("|").split(" | ") for line in told.splitlines() if re.search(r"\| *`test_\w+`", line)]
    tables = re.findall(r"^\| one sees \|.*\n\|[-|]+\n((?:\|.*\n)+)", told, re.MULTILINE)
    assert len(rows) == sum(table.count("\n") for table in tables) > 15
    for row in rows:
        sees, *_, tests = row
        names = re.findall(r"`(test_\w+)`", tests)
        assert [name for name in names if name not in functions] == [], sees
        asserted = "".join(functions[name] for name in names)
        quoted = [words for words in re.findall(r"`([^`]+)`", sees) if not words.startswith("entrepot ")]
        assert [words for words in quoted if words not in asserted] == [], names
