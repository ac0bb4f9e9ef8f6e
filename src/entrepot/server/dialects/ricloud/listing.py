"""Lists: newest first, by cursor, with filters by equality and by instant."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, get_args

from starlette.datastructures import QueryParams

from entrepot.errors import InvalidInput
from entrepot.identity.records import Comparison, Page, Wanted, number_of, page
from entrepot.requests import sources
from entrepot.server.dialects.ricloud import names, parse
from entrepot.server.endpoint import Call

DEFAULT_LIMIT, MOST = 10, 1000
_COMPARISONS: tuple[Comparison, ...] = get_args(Comparison)
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
        What is listed.
    render
        Returns records for rows.
    filters, instants
        The parameters by which it is narrowed, in the words of the wire: by equality, and as instants.
    kinds
        Those filters whose values are words of the wire, too.
    known
        What a parameter may be: what is misspelt would find nothing, for ever.
    find
        The domain's own list, where there is one.
    """

    path: str
    model: Any
    render: Callable[[Call, Sequence[Any]], list[Record]]
    filters: Collection[str] = ()
    instants: Collection[str] = ("date_created",)
    kinds: Collection[str] = ()
    known: Mapping[str, Sequence[str]] = field(default_factory=dict)
    find: Callable[..., Page[Any]] | None = None

    def answer(self, call: Call, narrowed: Mapping[str, Sequence[str]] | None = None) -> Record:
        """Return the list that the query asks for, among the rows of the caller's organization.

        Parameters
        ----------
        narrowed
            What else the domain is asked for, unless the query names it.
        """
        query, session, principal = call.query, call.session, call.principal
        values, instants = self._asked(query)
        if sources.missing(session, principal, query.getlist("source")):
            raise InvalidInput.field("source", "There is no such source.")
        wanted = Wanted(
            {**(narrowed or {}), **values},
            instants,
            # Lists begin with what is newest: what comes after has lower numbers.
            above=self._number(call, "before_id"),
            below=self._number(call, "after_id"),
            limit=_limit(query),
        )
        if self.find is None:
            found = page(session, principal, self.model, wanted)
        else:
            found = self.find(session, principal, wanted)
        data = self.render(call, found.records)
        return envelope(data, self.path, total=found.total, has_more=found.has_more)

    def _number(self, call: Call, name: str) -> int | None:
        if (given := call.query.get(name)) is None:
            return None
        number = number_of(call.session, call.principal, self.model, given)
        if number is None:
            raise InvalidInput.field(name, "There is no such resource in this list.")
        return number

    def _asked(self, query: QueryParams) -> tuple[dict[str, list[str]], list[tuple[str, Comparison, datetime]]]:
        """Return what the query narrows the list by, as the domain calls it."""
        equal: dict[str, list[str]] = {}
        instants: list[tuple[str, Comparison, datetime]] = []
        for name in dict.fromkeys(query):
            values = query.getlist(name)
            if any("\0" in value for value in values):
                raise InvalidInput.field(name[:100], "There is a null character in it.")
            if name in ("limit", "after_id", "before_id"):
                continue
            if name in self.known and not set(values) <= set(self.known[name]):
                raise InvalidInput.field(name, f"One of {', '.join(self.known[name])}.")
            matched = _INSTANT_NAME.fullmatch(name)
            base, how = (matched[1], matched[2] or matched[3]) if matched else (name, None)
            if name in self.filters:
                equal[names.here(name)] = list(map(names.kind_here, values)) if name in self.kinds else values
            elif base in self.instants and (how is None or how in _COMPARISONS):
                for value in values:
                    instants += _compared(name, names.here(base), how, value)
            else:
                raise parse.AsSent.field(name[:100], "There is no such parameter.")
        return equal, instants


def envelope(data: list[Record], url: str, *, total: int | None = None, has_more: bool = False) -> Record:
    """Return a list as clients know it."""
    count = len(data) if total is None else total
    return {"resource": "list", "data": data, "has_more": has_more, "total_count": count, "url": url}


def _compared(name: str, attribute: str, how: Any, text: str) -> list[tuple[str, Comparison, datetime]]:
    start, width = parse_instant(name, text)
    return [(attribute, how, start)] if how else [(attribute, "gte", start), (attribute, "lt", start + width)]


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
