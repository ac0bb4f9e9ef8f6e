"""The table of lookups: what ``name__icontains=x`` asks of a value, in Python, and in SQL where databases agree on it.

A lookup without SQL is answered in Python over the column: exact, and the same on every database.
"""

import functools
import math
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

import orjson
import re2
from sqlalchemy import ColumnElement, and_, func

Kind = Literal["integer", "number", "text", "flag", "instant", "date", "json"]
Test = Callable[[Any, Any], bool]

_FLAGS = {"true": True, "1": True, "false": False, "0": False}
#: Ids are 32 bits wide; beyond them nothing is found, and databases would complain.
_INT_LEAST, _INT_MOST = -(2**31), 2**31 - 1
_LOST_PLUS = re.compile(r"(?<=\d) (?=\d\d:?\d\d$)")
_REGEX_MOST = 1000


@dataclass(frozen=True)
class Lookup:
    """What a lookup does.

    Attributes
    ----------
    test
        Tells whether a stored value, not None, passes with an operand.
    json
        The same for JSON values, whose operands are :class:`Denoted`.
    kinds
        The kinds of fields that have it, beside JSON.
    sql
        The condition on a column, the same as ``test``; None where databases differ.
    operand
        How its text is read: as one value of the field's kind, several, two, as plain text, or true or false.
    """

    test: Test
    json: Test
    kinds: frozenset[Kind]
    sql: Callable[[ColumnElement[Any], Any], ColumnElement[bool]] | None = None
    operand: Literal["value", "values", "pair", "text", "pattern", "flag"] = "value"


@dataclass(frozen=True)
class Denoted:
    """What a text may stand for in JSON: itself, and the value that it spells."""

    text: str
    values: tuple[Any, ...]


def denoted(text: str) -> Denoted:
    """Return what a text may stand for: ``1`` is the text and the number, ``True`` the text and the boolean."""
    try:
        spelled = orjson.loads({"True": "true", "False": "false", "None": "null"}.get(text, text))
    except orjson.JSONDecodeError:
        return Denoted(text, (text,))
    return Denoted(text, (text, spelled))


def parse(kind: Kind, text: str) -> Any:
    """Return the value of a kind that a text spells; ValueError says what was expected."""
    match kind:
        case "integer":
            return min(max(_integer(text), _INT_LEAST), _INT_MOST)
        case "number":
            return _number(text)
        case "flag":
            if text.lower() not in _FLAGS:
                raise ValueError("Enter true or false.")
            return _FLAGS[text.lower()]
        case "instant":
            return parse_instant(text)
        case "date":
            return parse_instant(text).date()
        case "json":
            return denoted(text)
        case _:
            if "\0" in text:
                raise ValueError("Null characters are not allowed.")
            return text


def parse_instant(text: str) -> datetime:
    """Return the instant that a text in ISO 8601 means; without an offset it is UTC, without a time midnight."""
    text = text.strip()
    try:
        instant = datetime.fromisoformat(_LOST_PLUS.sub("+", text) if text.count(":") > 1 else text)
        return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("Enter a valid date and time.") from None


def operands(lookup: Lookup, kind: Kind, texts: Sequence[str]) -> list[Any]:
    """Return the operands that a repeated parameter gives; one of them suffices.

    Raises
    ------
    ValueError
        A text does not spell a value of the kind.
    """
    match lookup.operand:
        case "flag":
            return [parse("flag", text) for text in texts]
        case "pattern":
            return [_pattern(text) for text in texts]
        case "text":
            return [parse("json" if kind == "json" else "text", text) for text in texts]
        case "values":
            return [[parse(kind, text) for text in _listed(kind, texts)]]
        case "pair":
            parts = texts if len(texts) > 1 else texts[0].split(",")
            if len(parts) != 2:
                raise ValueError("Enter two values.")
            return [[parse(kind, part) for part in parts]]
        case _:
            return [parse(kind, text) for text in texts]


def regex(pattern: str, *, ignore_case: bool = False) -> Any:
    """Return the compiled pattern, of RE2: its time is linear in the text, whatever the pattern."""
    return _compiled(f"(?{'is' if ignore_case else 's'}){pattern}")


@functools.lru_cache(maxsize=256)
def _compiled(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    return re2.compile(pattern, options)


def _pattern(text: str) -> str:
    if len(text) > _REGEX_MOST:
        raise ValueError(f"A pattern may have at most {_REGEX_MOST} characters.")
    try:
        regex(text)
    except re2.error:
        raise ValueError("Enter a valid regular expression (without look-around and backreferences).") from None
    return text


def _integer(text: str) -> int:
    whole, _, fraction = text.strip().partition(".")
    # More digits than any id has, and Python would take its time over them.
    if len(whole) > 40 or fraction.strip("0"):
        raise ValueError("Enter a whole number.")
    try:
        return int(whole)
    except ValueError:
        raise ValueError("Enter a whole number.") from None


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("Enter a number.") from None
    if math.isnan(number):
        raise ValueError("Enter a number.")
    return number


def _listed(kind: Kind, texts: Sequence[str]) -> list[str]:
    if len(texts) > 1 and kind in ("text", "json"):
        return list(texts)
    parts = [part for text in texts for part in text.split(",")]
    # One text with a comma may be a list, or a single title that has a comma.
    return [*texts, *parts] if kind in ("text", "json") and len(parts) > 1 else parts


def text_of(value: Any) -> str | None:
    """Return the text of a scalar; None of anything else."""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, dict)):
        return None
    return orjson.dumps(value).decode()


def same(left: Any, right: Any) -> bool:
    """Tell whether two JSON values are equal; unlike in Python, true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return bool(left == right)


def _contains(value: Any, wanted: Any) -> bool:
    """Tell whether a JSON value contains another, as PostgreSQL's ``@>`` does."""
    if isinstance(value, dict) and isinstance(wanted, dict):
        return all(key in value and _contains(value[key], item) for key, item in wanted.items())
    if isinstance(value, list):
        items = wanted if isinstance(wanted, list) else [wanted]
        return all(any(same(one, item) or _contains_nested(one, item) for one in value) for item in items)
    return same(value, wanted)


def _contains_nested(value: Any, wanted: Any) -> bool:
    return isinstance(value, (dict, list)) and isinstance(wanted, type(value)) and _contains(value, wanted)


def _json_contains(value: Any, given: Denoted) -> bool:
    if isinstance(value, str):
        return given.text in value
    if any(_contains(value, wanted) for wanted in given.values):
        return True
    if not isinstance(value, list) or "," not in given.text:
        return False
    parts = [denoted(part.strip()) for part in given.text.split(",")]
    return all(any(_contains(value, wanted) for wanted in part.values) for part in parts)


def _json_compare(compare: Callable[[Any, Any], bool]) -> Test:
    def test(value: Any, given: Denoted) -> bool:
        if isinstance(value, str):
            return compare(value, given.text)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return any(
            compare(value, one) for one in given.values if isinstance(one, (int, float)) and not isinstance(one, bool)
        )

    return test


def _text_test(compare: Callable[[str, str], bool]) -> tuple[Test, Test]:
    """Return a test of texts for columns, and for JSON."""

    def test(value: Any, given: str) -> bool:
        text = text_of(value)
        return text is not None and compare(text, given)

    return test, lambda value, given: test(value, given.text)


def _compare(compare: Callable[[Any, Any], Any]) -> Lookup:
    return Lookup(compare, _json_compare(compare), _ORDERED, compare)


def _text(compare: Callable[[str, str], bool], sql: Any = None) -> Lookup:
    test, json = _text_test(compare)
    return Lookup(test, json, _TEXTUAL, sql, "text")


def _folded(compare: Callable[[str, str], bool]) -> Lookup:
    return _text(lambda value, given: compare(value.casefold(), given.casefold()))


def _matches(*, ignore_case: bool) -> Lookup:
    def test(value: Any, pattern: str) -> bool:
        text = text_of(value)
        return text is not None and regex(pattern, ignore_case=ignore_case).search(text) is not None

    return Lookup(test, test, _TEXTUAL, None, "pattern")


def _sql_contains(column: ColumnElement[Any], given: str) -> ColumnElement[bool]:
    # LIKE ignores case on one of the databases.
    return func.replace(column, given, "") != column if given else column.is_not(None)


def _sql_starts(column: ColumnElement[Any], given: str) -> ColumnElement[bool]:
    return func.substr(column, 1, len(given)) == given if given else column.is_not(None)


def _sql_ends(column: ColumnElement[Any], given: str) -> ColumnElement[bool]:
    if not given:
        return column.is_not(None)
    length = func.length(column)
    return and_(length >= len(given), func.substr(column, length - len(given) + 1, len(given)) == given)


_ALL: frozenset[Kind] = frozenset({"integer", "number", "text", "flag", "instant", "date"})
_ORDERED: frozenset[Kind] = frozenset({"integer", "number", "text", "instant", "date"})
_TEXTUAL: frozenset[Kind] = frozenset({"integer", "text"})
_json_equal: Test = lambda value, given: any(same(value, one) for one in given.values)  # noqa: E731

LOOKUPS: dict[str, Lookup] = {
    "exact": Lookup(operator.eq, _json_equal, _ALL, operator.eq),
    "in": Lookup(
        lambda value, given: value in given,
        lambda value, given: any(_json_equal(value, one) for one in given),
        _ALL,
        lambda column, given: column.in_(given),
        "values",
    ),
    "gt": _compare(operator.gt),
    "gte": _compare(operator.ge),
    "lt": _compare(operator.lt),
    "lte": _compare(operator.le),
    "range": Lookup(
        lambda value, given: given[0] <= value <= given[1],
        lambda value, given: (
            _json_compare(operator.ge)(value, given[0]) and _json_compare(operator.le)(value, given[1])
        ),
        _ORDERED,
        lambda column, given: column.between(*given),
        "pair",
    ),
    "contains": Lookup(_text_test(lambda v, g: g in v)[0], _json_contains, _TEXTUAL, _sql_contains, "text"),
    "startswith": _text(str.startswith, _sql_starts),
    "endswith": _text(str.endswith, _sql_ends),
    "iexact": _folded(operator.eq),
    "icontains": _folded(operator.contains),
    "istartswith": _folded(str.startswith),
    "iendswith": _folded(str.endswith),
    "regex": _matches(ignore_case=False),
    "iregex": _matches(ignore_case=True),
    # A null never reaches a test: whoever calls one says first what becomes of it.
    "isnull": Lookup(
        lambda _, given: not given,
        lambda _, given: not given,
        _ALL,
        lambda column, given: column.is_(None) if given else column.is_not(None),
        "flag",
    ),
}

#: What can be asked of an instant before a lookup, all in UTC.
PARTS: dict[str, tuple[Kind, Callable[[datetime], int | date]]] = {
    "date": ("date", datetime.date),
    "year": ("integer", lambda instant: instant.year),
    "quarter": ("integer", lambda instant: (instant.month + 2) // 3),
    "month": ("integer", lambda instant: instant.month),
    "week": ("integer", lambda instant: instant.isocalendar().week),
    "day": ("integer", lambda instant: instant.day),
    "hour": ("integer", lambda instant: instant.hour),
    "minute": ("integer", lambda instant: instant.minute),
    "second": ("integer", lambda instant: instant.second),
}
