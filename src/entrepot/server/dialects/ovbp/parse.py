"""Reading what clients send: bodies field by field, filters, pages and dates."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

import orjson
from starlette.datastructures import QueryParams

from entrepot.errors import InvalidInput

#: Most rows of a page. Clients go on by this many whatever they received, so it is never less.
PAGE = 200
LIST_MOST = 20_000
_INTEGER_MOST = 2**31 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Wrong(ValueError):
    """A value is not what is asked for; the message is the reason that clients get."""


#: Takes a value of JSON and returns it as the domain wants it, or raises :class:`Wrong`.
Check = Callable[[Any], Any]


@dataclass(frozen=True)
class Field:
    """What a field of a body may be.

    Attributes
    ----------
    check
        Its type.
    required
        Whether a record cannot be created without it.
    null
        Whether it may be null.
    fixed
        Whether it stays as it was when the record was created.
    ours
        What the domain calls it, where that is another word.
    words
        By the wire's word for a value, the domain's, where values are words.
    kept
        Whether it says nothing to the domain, which keeps it and gives it back.
    default
        What is given back of what was never given.
    """

    check: Check
    required: bool = False
    null: bool = False
    fixed: bool = False
    ours: str = ""
    words: Mapping[str, str] = field(default_factory=dict)
    kept: bool = False
    default: Any = None

    def read(self, value: Any) -> Any:
        """Return the value as the domain wants it, or raise :class:`Wrong`."""
        if value is None:
            if self.null:
                return None
            raise Wrong("This field may not be null.")
        found = self.check(value)
        return self.words.get(found, found) if self.words else found

    def shown(self, value: Any) -> Any:
        """Return the wire's word for a value of the domain."""
        return next((wire for wire, ours in self.words.items() if ours == value), value)


Spec = Mapping[str, Field]


def created(body: Mapping[str, Any], spec: Spec) -> dict[str, Any]:
    """Return the fields of a record that is to be created; what the spec does not know is ignored."""
    missing = {name: ["This field is required."] for name, each in spec.items() if each.required and name not in body}
    return _read(body, spec, missing)


def changed(body: Mapping[str, Any], spec: Spec) -> dict[str, Any]:
    """Return the fields of a record that are to change; what the spec does not know is ignored."""
    return _read(body, {name: each for name, each in spec.items() if not each.fixed}, {})


def _read(body: Mapping[str, Any], spec: Spec, problems: dict[str, list[str]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    kept: dict[str, Any] = {}
    for name, each in spec.items():
        if name in body:
            try:
                (kept if each.kept else values)[each.ours or name] = each.read(body[name])
            except Wrong as error:
                problems[name] = [str(error)]
    if problems:
        raise InvalidInput(fields=problems)
    return values | ({"kept": kept} if kept else {})


def shown(record: Any, spec: Spec, *names: str) -> dict[str, Any]:
    """Return fields of a record by their names on the wire; by default all that do not name another record."""
    found = {}
    for name in names or [name for name, each in spec.items() if not each.fixed]:
        each = spec[name]
        kept = each.kept and record.kept.get(name, each.default)
        found[name] = kept if each.kept else each.shown(getattr(record, each.ours or name))
    return found


def naming(spec: Spec) -> AbstractContextManager[None]:
    """Say of what the domain finds invalid inside which field of the wire it is."""
    return renaming({each.ours: name for name, each in spec.items() if each.ours})


@contextmanager
def renaming(names: Mapping[str, str]) -> Iterator[None]:
    """Say of what the domain finds invalid inside, by its names, what the wire calls it."""
    try:
        yield
    except InvalidInput as error:
        if not error.fields.keys() & names.keys():
            raise
        raise type(error)(fields={names.get(name, name): why for name, why in error.fields.items()}) from error


def text(value: Any) -> str:
    """Read text."""
    if not isinstance(value, str):
        raise Wrong("This must be text.")
    if "\0" in value:
        raise Wrong("This may not contain null characters.")
    return value


def boolean(value: Any) -> bool:
    """Read a boolean."""
    if not isinstance(value, bool):
        raise Wrong("This must be true or false.")
    return value


def integer(value: Any) -> int:
    """Read a number that counts something; spreadsheets may give it a decimal point."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise Wrong("This must be a whole number.")
    if not 0 <= value <= _INTEGER_MOST:
        raise Wrong(f"This must be between 0 and {_INTEGER_MOST}.")
    return value


def key(value: Any) -> int:
    """Read the key of a series, a number or its text; what no key can be is given as one that there is not."""
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    if isinstance(value, bool) or not isinstance(value, int):
        raise Wrong("This must be a whole number.")
    return value if 0 <= value < 2**63 else 0


def steps(value: Any) -> int | str:
    """Read a number of steps or a frequency."""
    return text(value) if isinstance(value, str) else integer(value)


def identifier(value: Any) -> str:
    """Read a reference to a record: its id, or an object that has one."""
    return text(value.get("id") if isinstance(value, dict) else value)


def anything(value: Any) -> Any:
    """Read any JSON that a database can keep."""
    if b"\\u0000" in orjson.dumps(value):
        raise Wrong("This may not contain null characters.")
    return value


def list_of(check: Check) -> Check:
    """Return the check of a list whose members, not more than databases take at once, pass another."""

    def check_list(value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise Wrong("This must be a list.")
        if len(value) > LIST_MOST:
            raise Wrong(f"This may have at most {LIST_MOST} members.")
        return [check(member) for member in value]

    return check_list


def one_of(*choices: str) -> Check:
    """Return the check of a text that is one of these."""

    def check_choice(value: Any) -> str:
        if value not in choices:
            raise Wrong(f"This must be one of: {', '.join(choices)}.")
        return str(value)

    return check_choice


def word_of(words: Mapping[str, str]) -> Field:
    """Return a field whose values are words, those of the domain by those of the wire."""

    def check_word(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise Wrong(f"{str(value)[:40]!r} is not one of {', '.join(words)}.")
        return value

    return Field(check_word, words=words)


def day(value: Any) -> date:
    """Read a date."""
    try:
        return date.fromisoformat(text(value))
    except ValueError:
        raise Wrong("This must be a date such as 2012-01-31.") from None


def moment(value: Any) -> datetime:
    """Read an ISO 8601 date or time, with a ``T`` or a space, with or without an offset."""
    try:
        return datetime.fromisoformat(text(value).strip())
    except ValueError:
        raise Wrong("This must be a date or time such as 2012-01-31T06:00:00.") from None


def microseconds(value: datetime) -> int:
    """Return microseconds since 1970 of a time, one without an offset being in the clock that is spoken of."""
    since = (value if value.tzinfo else value.replace(tzinfo=UTC)) - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


class Page(NamedTuple):
    """Which rows of a list are asked for."""

    offset: int
    limit: int


def page(query: QueryParams) -> Page:
    """Read ``start`` and ``length``; no page is longer than :data:`PAGE`."""
    return Page(_parameter(query, "start", count, 0), min(_parameter(query, "length", count, PAGE), PAGE))


def flag(query: QueryParams, name: str) -> bool | None:
    """Read a boolean of the query string, None when it is not given."""
    found: bool | None = _parameter(query, name, truth, None)
    return found


def count(value: str) -> int:
    """Read a whole number out of text."""
    if not (value.isascii() and value.isdigit() and len(value) < 20):
        raise Wrong(f"This must be a whole number between 0 and {_INTEGER_MOST}.")
    return integer(int(value))


def truth(value: str) -> bool:
    """Read a boolean out of text: Python's ``True`` and ``False``, and what others write for them."""
    known = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False, "": False}
    if value.lower() not in known:
        raise Wrong("This must be True or False.")
    return known[value.lower()]


def _parameter(query: QueryParams, name: str, read: Check, default: Any) -> Any:
    if (value := query.get(name)) is None:
        return default
    try:
        return read(value)
    except Wrong as error:
        raise InvalidInput.field(name, str(error)) from error


def filters(query: QueryParams, **columns: str) -> dict[str, Any]:
    """Read the filters of a list: for each column, the value of the parameter of that name, None when not given."""
    found = {column: query.get(name) for column, name in columns.items()}
    for column, value in found.items():
        if value is not None and "\0" in value:
            raise InvalidInput.field(columns[column], "This may not contain null characters.")
    return found
