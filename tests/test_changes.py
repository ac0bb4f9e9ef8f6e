"""What is new: a file a change, with a name that says of which kind, out of which a release makes its section."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "changes"
CONFIGURED = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["towncrier"]
KINDS = {one["directory"]: one["name"] for one in CONFIGURED["type"]}
NAME = re.compile(rf"(\d+|\+[a-z0-9]+(-[a-z0-9]+)*)\.({'|'.join(KINDS)})(\.\d+)?\.md")


def towncrier(*arguments: str, folder: Path = ROOT) -> str:
    command: list[str | Path] = [Path(sys.executable).parent / "towncrier", *arguments, "--dir", folder]
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_each_change_says_its_kind_and_is_a_sentence_in_the_draft() -> None:
    draft = towncrier("build", "--draft")
    for file in FOLDER.iterdir():
        if file.name != "README.md":
            assert NAME.fullmatch(file.name), f"{file.name}: see changes/README.md"
            text = file.read_text().strip()
            assert re.match(r"[^#*\-\s]", text), f"{file.name}: sentences, no heading and no list"
            assert text.splitlines()[0] in draft, file.name


def test_names_of_no_kind_are_found() -> None:
    assert NAME.fullmatch("142.fixed.md")
    assert NAME.fullmatch("+csv-of-runs.added.md")
    for name in ("142.md", "142.feature.md", "csv-of-runs.added.md", "+csv of runs.added.md", "142.fixed.txt"):
        assert not NAME.fullmatch(name), name


def test_its_page_tells_of_every_kind() -> None:
    assert re.findall(r"^\| `(\w+)` \|", (FOLDER / "README.md").read_text(), re.MULTILINE) == list(KINDS)


def test_a_release_makes_a_section_of_them_and_keeps_what_was_there(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "CHANGELOG.md", "src/entrepot/__init__.py", "changes/README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "changes" / "142.fixed.md").write_text("Means of a day count\neach hour once.\n")
    (tmp_path / "changes" / "+csv-of-runs.added.md").write_text("Runs can be had as CSV: `entrepot runs list`.\n")
    towncrier("build", "--yes", "--version", "9.8.7", "--date", "2031-02-03", folder=tmp_path)
    made = (tmp_path / "CHANGELOG.md").read_text()
    before, after = (ROOT / "CHANGELOG.md").read_text().split(CONFIGURED["start_string"])
    assert made.startswith(before)
    assert made.endswith(after.lstrip("\n"))
    section = made.removeprefix(before).removesuffix(after.lstrip("\n")).removeprefix(CONFIGURED["start_string"])
    assert section.split("\n\n")[0].strip() == "## 9.8.7 — 2031-02-03"
    assert section.index("### Added") < section.index("entrepot runs list") < section.index("### Fixed")
    assert "- Means of a day count\n  each hour once. (#142)" in section
    assert [file.name for file in (tmp_path / "changes").iterdir()] == ["README.md"]
