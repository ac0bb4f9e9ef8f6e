"""Writes the SDK's sync face out of its async one, which is the one to change: ``python -m tools.sync_face``.

Each module of ``client/aio`` has a twin in ``client``, with the same words less `async` and `await`.
"""

import re
import subprocess
import sys
from pathlib import Path

CLIENT = Path(__file__).parents[1] / "src" / "entrepot" / "client"
_MADE = "# Made of aio/{name} by `make sync-face`: change that one.\n"
_WORDS = (
    (r"\basync (def|for|with)\b", r"\1"),
    (r"\bawait ", ""),
    (r"\bAsync(Iterator|Iterable|ExitStack|BaseTransport|Client)\b", r"\1"),
    (r"\basynccontextmanager\b", "contextmanager"),
    (r"\benter_async_context\b", "enter_context"),
    (r"\b(\.?)a(read|close|iter_raw)\(", r"\1\2("),
    (r"\b__a(enter|exit|iter)__\b", r"__\1__"),
    (r"\bimport asyncio\n", "import time\n"),
    (r"\basyncio\.sleep\b", "time.sleep"),
    (r"\bentrepot\.client\.aio\b", "entrepot.client"),
)


def twin(source: str, name: str) -> str:
    """Return the sync twin of an async module."""
    for pattern, words in _WORDS:
        source = re.sub(pattern, words, source)
    file = str(CLIENT / name)
    sorted_ = _ruff(
        "check", "--select", "I,UP028,C416", "--fix", "--unsafe-fixes", file, _MADE.format(name=name) + source
    )
    return _ruff("format", file, sorted_)


def _ruff(*arguments: str) -> str:
    *options, file, text = arguments
    command = [sys.executable, "-m", "ruff", *options, "-q", "--stdin-filename", file, "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout  # noqa: S603


def twins() -> dict[Path, str]:
    """Return the text of each module of the sync face."""
    modules = sorted((CLIENT / "aio").glob("*.py"))
    return {CLIENT / one.name: twin(one.read_text(), one.name) for one in modules if one.stem != "__init__"}


if __name__ == "__main__":
    for path, text in twins().items():
        path.write_text(text)
