"""Forms made of the models of the interface: the same fields, words and rules, filled with what was typed before."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import AwareDatetime, BaseModel, ValidationError
from pydantic.fields import FieldInfo

from entrepot.errors import EntrepotError, InvalidInput

ModelT = TypeVar("ModelT", bound=BaseModel)
_CODE, _AREA = 100_000, 1000
_WHOLE = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class Entry:
    """A field of a form.

    Attributes
    ----------
    name, label, value
        How it is sent, what is written beside it, and what it holds.
    kind
        ``text``, ``secret``, ``area``, ``code``, ``check`` or ``choice``.
    choices
        Values and texts to choose from; of a text, what is proposed.
    hint, wrong
        What it means, and why it was refused.
    """

    name: str
    label: str
    value: str = ""
    kind: str = "text"
    choices: Sequence[tuple[str, str]] = ()
    hint: str = ""
    wrong: str = ""


def entries(
    model: type[BaseModel], names: Iterable[str], typed: Mapping[str, str], error: EntrepotError | None = None
) -> list[Entry]:
    """Return fields of a model as those of a form, with what was typed and what was wrong with it."""
    wrong = wrongs(error)
    return [_entry(name, _field(model, name), typed, wrong.get(name, "")) for name in names]


def wrongs(error: EntrepotError | None) -> dict[str, str]:
    """Return what was wrong with each field; the parts of one are told at the whole."""
    found: dict[str, str] = {}
    for name, reasons in (error.fields if isinstance(error, InvalidInput) else {}).items():
        whole, _, part = name.partition(".")
        text = " ".join(reasons)
        found[whole] = f"{found.get(whole, '')} {part}: {text}".strip() if part else text
    return found


def typed_of(shown: BaseModel, names: Iterable[str]) -> dict[str, str]:
    """Return what a form of a thing holds before anybody types."""
    return {name: _text(getattr(shown, _attribute(type(shown), name))) for name in names}


def defaults(model: type[BaseModel], names: Iterable[str]) -> dict[str, str]:
    """Return what a form of a new thing holds before anybody types."""
    fields = {name: _field(model, name) for name in names}
    return {
        name: "" if one.is_required() else _text(one.get_default(call_default_factory=True))
        for name, one in fields.items()
    }


def read(model: type[ModelT], names: Iterable[str], typed: Mapping[str, str], **fixed: Any) -> ModelT:
    """Return what the fields of a form say, as the interface would take it.

    Raises
    ------
    InvalidInput
        Names the fields at fault.
    """
    given = {name: _value(_field(model, name), typed[name]) for name in names if name in typed}
    return checked(model, given | fixed)


def checked(model: type[ModelT], given: Mapping[str, Any]) -> ModelT:
    """Return a model of what is given; InvalidInput names the fields at fault."""
    try:
        return model.model_validate(given)
    except ValidationError as error:
        fields: dict[str, list[str]] = {}
        for one in error.errors():
            name = ".".join(
                str(part) for part in one["loc"] if isinstance(part, int) or str(part) in given or "[" not in str(part)
            )
            fields.setdefault(name or "form", []).append(f"{one['msg']}.")
        raise InvalidInput(fields=fields) from None


def _attribute(model: type[BaseModel], name: str) -> str:
    return name if name in model.model_fields else f"{name}_"


def _field(model: type[BaseModel], name: str) -> FieldInfo:
    return model.model_fields[_attribute(model, name)]


def _entry(name: str, field: FieldInfo, typed: Mapping[str, str], wrong: str) -> Entry:
    kind, choices = _kind(field)
    label = name.replace("_", " ").capitalize()
    # Written for readers of JSON, who have no empty field.
    hint = (field.description or "").replace("`", "").replace("null:", "empty:").replace("Null:", "Empty:")
    return Entry(name, label, typed.get(name, ""), kind, choices, hint, wrong)


def _kind(field: FieldInfo) -> tuple[str, Sequence[tuple[str, str]]]:
    parts = _parts(field.annotation)
    for part in parts:
        values = get_args(part) if get_origin(part) is Literal else ()
        if isinstance(part, type) and issubclass(part, StrEnum):
            values = tuple(part)
        if values:
            nothing = [("", "as usual")] if type(None) in parts else []
            return "choice", [*nothing, *((str(value), str(value).replace("_", " ")) for value in values)]
    if bool in parts:
        return "check", ()
    longest = max(
        (getattr(one, "max_length", None) or 0 for one in [*field.metadata, *_metadata(field.annotation)]), default=0
    )
    if str not in parts:
        return ("area" if {dict, list} & set(map(get_origin, parts)) else "text"), ()
    return "code" if longest > _CODE else "area" if longest > _AREA else "text", ()


def _parts(annotation: Any) -> list[Any]:
    """Return what a union is of, without what is annotated; of anything else, itself."""
    if get_origin(annotation) is Annotated:
        return _parts(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [part for one in get_args(annotation) for part in _parts(one)]
    return [annotation]


def _metadata(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        first, *others = get_args(annotation)
        return [*others, *_metadata(first)]
    if get_origin(annotation) in (Union, UnionType):
        return [found for one in get_args(annotation) for found in _metadata(one)]
    return []


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.12g}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return "\n".join(f"{key}: {one}" for key, one in value.items())
    if isinstance(value, list):
        return "\n".join(map(str, value))
    return str(value)


def _value(field: FieldInfo, text: str) -> Any:
    """Return what was typed as the model takes it."""
    parts = _parts(field.annotation)
    if type(None) in parts and not text.strip():
        return None
    if any(get_origin(part) is dict for part in parts):
        return _pairs(text)
    if any(get_origin(part) is list for part in parts):
        return list(filter(None, map(str.strip, text.splitlines())))
    if int in parts and str in parts and _WHOLE.fullmatch(text.strip()):
        return int(text)
    if datetime in parts or AwareDatetime in parts:
        return instant(text)
    # What people type into a number or a step, they may well paste with blanks around it.
    return text if str in parts and bool not in parts else text.strip()


def _pairs(text: str) -> dict[str, str]:
    found = {}
    for line in filter(str.strip, text.splitlines()):
        key, colon, value = line.partition(":")
        if not colon:
            raise InvalidInput.field("labels", f"Write {line.strip()[:80]!r} as key: value, one a line.")
        found[key.strip()] = value.strip()
    return found


def instant(text: str) -> datetime | str:
    """Return the instant that a text names, in UTC where it has no zone; what is none stays as it is."""
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        return text
    return found if found.tzinfo else found.replace(tzinfo=UTC)
