"""What was old in a script: noted once a kind, with the line that said it."""

import sys

from entrepot.scripts.errors import MOST_NOTES, Note

_notes: dict[str, Note] = {}
_filename = ""


def begin(filename: str) -> None:
    """Begin to note for the script of this name."""
    global _filename  # noqa: PLW0603 - a process runs one script
    _filename = filename
    _notes.clear()


def note(old: str, now: str) -> None:
    """Note an old spelling that was served."""
    if old not in _notes and len(_notes) < MOST_NOTES:
        _notes[old] = {"line": _line(), "old": old[:100], "now": now[:100]}


def noted() -> list[Note]:
    """Return what was noted, in the order in which it was met."""
    return list(_notes.values())


def _line() -> int | None:
    frame = sys._getframe(1)  # noqa: SLF001 - there is no other way to it
    while frame is not None:
        if frame.f_code.co_filename == _filename:
            return frame.f_lineno
        frame = frame.f_back  # type: ignore[assignment]
    return None
