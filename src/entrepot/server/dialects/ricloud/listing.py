"""Lists: newest first, by cursor, with filters by equality and by instant."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from starlette.datastructures import QueryParams

from entrepot.errors import InvalidInput
from entrepot.files.models import RemoteSource
from entrepot.server.endpoint import Call

DEFAULT_LIMIT, MOST = 10, 1000
_OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "gt": lambda column, value: column > value,
    "gte": lambda column, value: column >= value,
    "lt": lambda column, value: column < value,
    "lte": lambda column, value: column <= value,
}
_INSTANT_NAME = re.compile(r"(\w+?)(?:\[(\w+)\]|__(\w+))?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")

Record = dict[str, Any]


@dataclass(frozen=True)
class Listing:
    """One kind of list.

    Attributes
    ----------
    path
        Where it is, as lists say it.
    model
        The table; it has ``id``, ``organization_id`` and ``number``.
    render
        Returns records for rows.
    filters, instants
        Columns by the names of parameters: compared by equality, and as instants.
    states
        Those that ``state`` may be: what is misspelt would find nothing, for ever.
    extra
        More parameters: what each makes of its values.
    number
        The column that orders it, where that is another than ``number``.
    """

    path: str
    model: Any
    render: Callable[[Call, Sequence[Any]], list[Record]]
    filters: Mapping[str, Any] = field(default_factory=dict)
    instants: Mapping[str, Any] = field(default_factory=dict)
    states: tuple[str, ...] = ()
    extra: Mapping[str, Callable[[list[str]], Any]] = field(default_factory=dict)
    number: Any = None

    def answer(self, call: Call, *conditions: Any) -> Record:
        """Return the list that the query asks for, among the rows of the caller's organization."""
        model, query = self.model, call.query
        order = self.number if self.number is not None else model.number
        mine = call.principal.own(model)
        where = [mine, *conditions, *self._conditions(query)]
        _require_sources(call, query.getlist("source"))
        total = call.session.scalar(select(func.count()).select_from(model).where(*where)) or 0
        for name, newer in (("after_id", False), ("before_id", True)):
            if (given := query.get(name)) is not None:
                number = call.session.scalar(select(order).where(mine, model.id == given.replace("\0", "")))
                if number is None:
                    raise InvalidInput.field(name, "There is no such resource in this list.")
                where.append(order > number if newer else order < number)
        limit = _limit(query)
        statement = select(model).where(*where).order_by(order.desc()).limit(limit + 1)
        rows = call.session.scalars(statement).all()
        data = self.render(call, rows[:limit])
        return envelope(data, self.path, total=total, has_more=len(rows) > limit)

    def _conditions(self, query: QueryParams) -> list[Any]:
        conditions = []
        for name in dict.fromkeys(query):
            values = query.getlist(name)
            if any("\0" in value for value in values):
                raise InvalidInput.field(name[:100], "There is a null character in it.")
            matched = _INSTANT_NAME.fullmatch(name)
            base, operator = (matched[1], matched[2] or matched[3]) if matched else (name, None)
            if name in ("limit", "after_id", "before_id"):
                continue
            if name == "state" and self.states and not set(values) <= set(self.states):
                raise InvalidInput.field(name, f"One of {', '.join(self.states)}.")
            if name in self.filters:
                conditions.append(self.filters[name].in_(values))
            elif name in self.extra:
                conditions.append(self.extra[name](values))
            elif base in self.instants and (operator is None or operator in _OPERATORS):
                conditions += [_instant_condition(name, self.instants[base], operator, value) for value in values]
            else:
                raise InvalidInput.field(name[:100], "There is no such parameter.")
        return conditions


def _require_sources(call: Call, ids: list[str]) -> None:
    """Raise InvalidInput when a filter names a source that there is not."""
    wanted = set(ids)
    if wanted:
        found = select(RemoteSource.id).where(call.principal.own(RemoteSource), RemoteSource.id.in_(wanted))
        if wanted - set(call.session.scalars(found)):
            raise InvalidInput.field("source", "There is no such source.")


def envelope(data: list[Record], url: str, *, total: int | None = None, has_more: bool = False) -> Record:
    """Return a list as clients know it."""
    count = len(data) if total is None else total
    return {"resource": "list", "data": data, "has_more": has_more, "total_count": count, "url": url}


def _instant_condition(name: str, column: Any, operator: str | None, text: str) -> Any:
    start, width = parse_instant(name, text)
    if operator is not None:
        return _OPERATORS[operator](column, start)
    return (column >= start) & (column < start + width)


def parse_instant(name: str, text: str) -> tuple[datetime, timedelta]:
    """Return an instant and how much its text leaves open: a day, a second or a millisecond."""
    try:
        if _DATE.fullmatch(text):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=UTC), timedelta(days=1)
        instant = datetime.fromisoformat(text)
        instant = instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
        width = timedelta(milliseconds=1) if "." in text else timedelta(seconds=1)
        _ = instant + width
    except (ValueError, OverflowError):
        raise InvalidInput.field(name, "An instant such as 2020-02-29T11:59:15Z, or a date.") from None
    return instant, width


def _limit(query: QueryParams) -> int:
    text = query.get("limit", str(DEFAULT_LIMIT))
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MOST):
        raise InvalidInput.field("limit", f"From 1 to {MOST}.")
    return int(text)
