"""Which series are meant: by paths, names with * and ?, ids, and what they are of."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrepot.cli.paths import NOUNS, find
from entrepot.errors import NotFound

if TYPE_CHECKING:
    from entrepot.client.native import Client

Record = dict[str, Any]
Of = Annotated[
    str | None, typer.Option("--of", help="Only those of this importer, cleaner or analysis: `cleaner=scada`.")
]


def found_series(client: "Client", words: Sequence[str], project: str | None, of: str | None) -> list[Record]:
    """Return the series that words name (all, where there are none), in the order of the words.

    Raises
    ------
    NotFound
        A word names none.
    """
    known: dict[str | None, list[Record]] = {}

    def within(above: str | None) -> list[Record]:
        if above not in known:
            scope = {} if above is None else {"project": find(client, NOUNS["projects"], above)["id"]}
            listed = client.connection.pages("/api/v1/series", **scope)
            known[above] = [one for one in listed if of is None or of in (_maker(one), _maker(one).partition("=")[2])]
        return known[above]

    if not words:
        return sorted(within(project), key=_order)
    found: dict[str, Record] = {}
    for word in words:
        matching = {one["id"]: one for one in within(project) if one["id"] == word or fnmatchcase(one["name"], word)}
        if not matching and "/" in word:
            above, _, name = word.rpartition("/")
            matching = {one["id"]: one for one in within(above) if fnmatchcase(one["name"], name)}
        if not matching:
            raise NotFound(f"There is no series {word!r}{f' of {of}' if of else ''}.")
        found |= matching
    return sorted(found.values(), key=_order)


def labels(series: Sequence[Record]) -> list[str]:
    """Return what each series is of, such as `cleaner=scada`."""
    return [_maker(one) for one in series]


def _order(one: Record) -> int:
    """Return the place of a series: what an importer made comes before what was made of it."""
    return {"importer": 0, "cleaner": 1, "analysis": 2}.get((one["of"] or {}).get("kind", ""), 3)


def _maker(one: Record) -> str:
    of = one.get("of")
    return "" if of is None else f"{of['kind']}={of['name']}"
