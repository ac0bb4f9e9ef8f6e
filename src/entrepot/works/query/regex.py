"""Regular expressions of queries, run by RE2: time is linear in the text whatever the pattern."""

import functools
import re
from typing import Any

import re2

from entrepot.errors import InvalidInput
from entrepot.works.query.nodes import Regex

MAX_LENGTH = 1000
MAX_MEMORY = 1 << 20

_ESCAPE_RUN = re.compile(r"\\Q.*?(?:\\E|$)|\\.", re.DOTALL)
_CLASS = re.compile(r"\[\^?\]?(?:\[:\w+:\]|\\.|[^\]\\])*\]", re.DOTALL)
_INLINE_FLAGS = re.compile(r"\(\?[a-zA-Z]*m[a-zA-Z]*(?:-\w*)?[:)]")
_PREFIX = re.compile(r"\^((?:[^\\.^$|?*+()\[\]{}]|\\[^\w\s])*)")
_END_OF_TEXT = r"(?:\n?\z)"


def parse(pattern: Any, options: Any) -> Regex:
    """Return the test of a pattern and its options (of ``imsx``), or raise InvalidInput."""
    if not isinstance(pattern, str):
        raise InvalidInput.field("$regex", "must be a string")
    if not isinstance(options, str):
        raise InvalidInput.field("$options", "must be a string")
    if unknown := set(options) - set("imsx"):
        raise InvalidInput.field("$options", f"has no option {min(unknown)!r}; there are i, m, s and x")
    if len(pattern) > MAX_LENGTH:
        raise InvalidInput.field("$regex", f"is longer than {MAX_LENGTH} characters")
    if "\0" in pattern:
        raise InvalidInput.field("$regex", "must not contain a NUL character")
    translated = _translate(
        pattern, multiline="m" in options or bool(_INLINE_FLAGS.search(pattern)), verbose="x" in options
    )
    flags = "".join(flag for flag in "ims" if flag in options)
    translated = f"(?{flags}){translated}" if flags else translated
    try:
        compiled(translated)
    except (re2.error, UnicodeEncodeError) as error:
        raise InvalidInput.field(
            "$regex",
            f"is not a regular expression of RE2, which has no look-around and no backreferences: {_reason(error)}",
        ) from None
    prefix, whole = ("", False) if flags or "x" in options or "(?" in pattern else _literal_prefix(pattern)
    return Regex(translated, prefix, whole)


@functools.lru_cache(maxsize=256)
def compiled(pattern: str) -> Any:
    """Return the compiled pattern."""
    options = re2.Options()
    options.max_mem = MAX_MEMORY
    options.log_errors = False
    options.never_capture = True
    return re2.compile(pattern, options)


def search(pattern: str, text: str) -> bool:
    """Tell whether the pattern is found in the text; a text that is not Unicode (lone surrogates) has no match."""
    try:
        return compiled(pattern).search(text) is not None
    except UnicodeEncodeError:
        return False


def _reason(error: Exception) -> str:
    reason = error.args[0] if error.args else error
    return reason.decode(errors="replace") if isinstance(reason, bytes) else str(reason)


def _translate(pattern: str, *, multiline: bool, verbose: bool) -> str:
    r"""Write a pattern of PCRE in RE2's words: ``$`` and ``\Z`` also match before a last newline, ``x`` is undone."""
    out, at = [], 0
    while at < len(pattern):
        char = pattern[at]
        token = _ESCAPE_RUN.match(pattern, at) or _CLASS.match(pattern, at)
        if token:
            text = token.group()
            out.append(_END_OF_TEXT if text == r"\Z" else text)
            at = token.end()
            continue
        at += 1
        if verbose and char == "#":
            newline = pattern.find("\n", at)
            at = len(pattern) if newline < 0 else newline + 1
        elif not (verbose and char.isspace()):
            out.append(_END_OF_TEXT if char == "$" and not multiline else char)
    return "".join(out)


def _literal_prefix(pattern: str) -> tuple[str, bool]:
    """Return the text that an anchored pattern starts with, and whether the pattern says no more."""
    found = _PREFIX.match(pattern)
    if found is None or _has_alternatives(pattern):
        return "", False
    body, rest = found.group(1), pattern[found.end() :]
    tokens = re.findall(r"\\.|.", body, re.DOTALL)
    if rest[:1] in {"?", "*", "{"} and tokens:
        tokens.pop()
    return "".join(token[-1] for token in tokens), not rest


def _has_alternatives(pattern: str) -> bool:
    return "|" in pattern or "\\Q" in pattern
