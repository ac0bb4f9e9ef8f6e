"""Fields of documents: what they take, and what they make of it, as the published client's models do."""

import json
import os
from collections import deque
from collections.abc import Callable, ItemsView, Iterator, KeysView, Mapping, ValuesView
from dataclasses import dataclass
from typing import Any, ClassVar

from entrepot.client.workflow.exceptions import invalid

Check = Callable[[Any], Any]
#: Stands for a value that was not given.
UNSET: Any = object()
_EXTRA = "Extra inputs are not permitted"
_MOST = 2.0**63
_LISTS = (list, tuple, set, frozenset, deque, Iterator, KeysView, ValuesView, ItemsView)
_TRUTHS = {
    **dict.fromkeys(("0", "off", "f", "false", "n", "no"), False),
    **dict.fromkeys(("1", "on", "t", "true", "y", "yes"), True),
}


@dataclass(frozen=True)
class Field:
    """A field of a model.

    Attributes
    ----------
    check
        Returns what is kept of a value; raises ValueError for one that cannot be.
    default
        Returns what is kept where no value is given; None: one must be.
    plain
        Whether its text in a variable of the environment is its value, and no JSON.
    """

    check: Check
    default: Callable[[], Any] | None = None
    plain: bool = True


class Model:
    """Something whose attributes are checked when it is made, all of them, and whenever one is set.

    What is not given is taken from the variable of the environment that has its name, after a prefix.
    """

    _prefix: ClassVar[str | None] = None
    _fields: ClassVar[Mapping[str, Field]]
    #: Whether names that it has not are refused; else they are passed over.
    _is_closed: ClassVar[bool] = False

    def __init__(self, **given: Any) -> None:
        problems = {}
        if self._is_closed:
            problems = {name: (_EXTRA, value) for name, value in given.items() if name not in self._fields}
        for name in self._fields:
            try:
                self.__dict__[name] = self._checked(name, given.get(name, UNSET))
            except ValueError as error:
                problems[name] = (str(error), given.get(name))
        if problems:
            raise invalid(type(self).__name__, problems)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, checked."""
        if name in self._fields:
            try:
                value = self._checked(name, value)
            except ValueError as error:
                raise invalid(type(self).__name__, {name: (str(error), value)}) from None
        super().__setattr__(name, value)

    def _checked(self, name: str, value: Any) -> Any:
        field = self._fields[name]
        if value is not UNSET:
            return field.check(value)
        variable = f"{self._prefix}{name}".upper()
        said = next((said for key, said in os.environ.items() if key.upper() == variable), None)
        if self._prefix is not None and said is not None:
            return field.check(said if field.plain else json.loads(said))
        if field.default is None:
            raise ValueError("Field required")
        return field.default()


def text(value: Any) -> str:
    """Return a text."""
    if not isinstance(value, str):
        raise ValueError("must be a string")  # noqa: TRY004 - one kind of error for all that is wrong
    return value


def integer(value: Any) -> int:
    """Return a whole number, also of a text or of a number that is whole."""
    if isinstance(value, str):
        whole, _, zeros = value.strip().partition(".")
        value = whole if not zeros.strip("0") else value
    if isinstance(value, int | str) or (isinstance(value, float) and value.is_integer() and abs(value) < _MOST):
        try:
            return int(value)
        except ValueError:
            pass
    raise ValueError("must be a whole number")


def number(value: Any) -> float:
    """Return a number, also of a text."""
    if isinstance(value, int | float | str):
        try:
            return float(value)
        except ValueError:
            pass
    raise ValueError("must be a number")


def truth(value: Any) -> bool:
    """Return whether something is so, also of the words and numbers for it."""
    if isinstance(value, str) and value.lower() in _TRUTHS:
        return _TRUTHS[value.lower()]
    if isinstance(value, int | float) and value in (0, 1):
        return bool(value)
    raise ValueError("must be true or false")


def mapping(value: Any) -> dict[str, Any]:
    """Return a dictionary with texts for keys."""
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError("must be a dictionary whose keys are strings")
    return dict(value)


def list_of(check: Check) -> Check:
    """Return the check of lists of such elements."""

    def checked(value: Any) -> list[Any]:
        if not isinstance(value, _LISTS):
            raise ValueError("must be a list")  # noqa: TRY004
        return [check(one) for one in value]

    return checked


def optional(check: Check) -> Check:
    """Return the check of what may be None, too."""
    return lambda value: None if value is None else check(value)


def one_of(*words: str) -> Check:
    """Return the check of one of these words."""

    def checked(value: Any) -> Any:
        if not isinstance(value, str) or value not in words:
            raise ValueError(f"must be one of {list(words)}")
        return value

    return checked


def within(check: Check, least: float | None = None, most: float | None = None) -> Check:
    """Return the check of a number that has bounds."""

    def checked(value: Any) -> Any:
        found = check(value)
        if (least is not None and not found >= least) or (most is not None and not found <= most):
            bounds = [f"at least {least}"] * (least is not None) + [f"at most {most}"] * (most is not None)
            raise ValueError(f"must be {' and '.join(bounds)}")
        return found

    return checked
