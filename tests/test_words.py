"""The words of a published client are its dialect's alone; what they are here, the glossary says."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = ROOT / "src" / "entrepot"
#: Who speaks the wire: the dialects, the SDKs that look like published clients, and the demo, which is told by them.
SPEAKERS = ("server/dialects/", "client/ovbp", "client/owi", "client/workflow", "client/ricloud", "cli/demo/")
#: Words that mean something else as well: an account of FTP, a key that may be seen, an old option of a command.
OURS_TOO = {"ftp_account", "is_visible", "crontab"}


def test_no_word_of_ovbpclient_is_outside_its_dialect() -> None:
    table = (
        (ROOT / "docs" / "glossary.md").read_text().split("## The dialect of `ovbpclient`", 1)[1].split("\n## ", 1)[0]
    )
    rows = re.findall(r"^\| (.+?) \| (.+?) \|$", table, re.MULTILINE)
    theirs = {word for left, _ in rows for word in re.findall(r"`(\w+)`", left)}
    ours = {word for _, right in rows for word in re.findall(r"`(\w+)`", right)}
    # Words of one part are English, too.
    words = {word for word in theirs - ours - OURS_TOO if "_" in word} | {
        "unitcleaner",
        "unitcleaners",
        "instantaneous",
    }
    assert len(words) > 50
    pattern = re.compile(rf"(?i)\b(?:{'|'.join(sorted(words))})\b")
    found = {
        f"{path.relative_to(SOURCES)}: {match}"
        for path in SOURCES.rglob("*.py")
        if not path.relative_to(SOURCES).as_posix().startswith(SPEAKERS)
        for match in pattern.findall(path.read_text())
    }
    assert found == set()
