"""Names as paths: `farm/scada` is the importer scada of the project farm; an id means the same everywhere."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from entrepot.errors import EntrepotError, NotFound

if TYPE_CHECKING:
    from entrepot.client.native import Client

Record = dict[str, Any]
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|[0-9]{1,12}")


@dataclass(frozen=True)
class Noun:
    """A kind of thing.

    Attributes
    ----------
    one, kinds
        What one is called, and where all are.
    within
        The noun that its path begins with, by its `kinds`; None: it stands alone.
    columns
        What of it is listed.
    key
        The field that names it.
    """

    one: str
    kinds: str
    within: str | None = None
    columns: tuple[str, ...] = ("name", "description")
    key: str = "name"


NOUNS = {
    noun.kinds: noun
    for noun in (
        Noun("project", "projects"),
        Noun(
            "gate", "gates", "projects", ("name", "project", "quarantine", "after_import", "quota_bytes", "quota_files")
        ),
        Noun("importer", "importers", "projects", ("name", "project", "gate", "active", "schedule", "last_run_at")),
        Noun("channel", "channels", "importers", ("raw", "name", "unit", "kind", "step", "clock", "active"), "raw"),
        Noun("cleaner", "cleaners", "projects", ("name", "project", "last_run_at")),
        Noun(
            "analysis", "analyses", "projects", ("name", "project", "step", "into", "active", "behind", "last_run_at")
        ),
        Noun("series", "series", "projects", ("name", "project", "unit", "first_at", "last_at", "count")),
        Noun("member", "members", None, ("login", "role", "email", "disabled"), "login"),
        Noun("key", "keys", None, ("id", "name", "user", "scopes", "expires_at", "revoked_at"), "name"),
        Noun("organization", "organizations", None, ("name", "description", "role"), "name"),
        Noun("site", "sites", None, ("name", "description", "active")),
        Noun("location", "locations", "sites", ("name", "site", "northing", "easting", "elevation")),
        Noun("model definition", "model-definitions", "sites", ("name", "site", "description")),
        Noun("result set", "result-sets", None, ("name", "site", "model", "location", "made_at", "locked")),
    )
}


def scope(client: "Client", noun: Noun, path: str | None) -> dict[str, str]:
    """Return what things of a kind belong to, by a path such as `farm`; none, where none is given."""
    if path is None or noun.within is None:
        return {}
    above = NOUNS[noun.within]
    return {above.one: str(find(client, above, path)["id"])}


def find(client: "Client", noun: Noun, path: str, project: str | None = None) -> Record:
    """Return the thing that a path or an id means.

    Raises
    ------
    NotFound
        There is none, with those that are alike; or there are several, with their ids.
    """
    if _ID.fullmatch(path):
        found: Record = client.connection.json("GET", f"/api/v1/{noun.kinds}/{path}")
        return found
    above, _, name = path.rpartition("/") if noun.within is not None else ("", "", path)
    within = scope(client, noun, above or (project if noun.within == "projects" else None))
    named = [one for one in _listed(client, noun, {noun.key: name, **within}) if one[noun.key] == name]
    if len(named) == 1:
        return named[0]
    if named:
        told = "; ".join(f"{one['id']} ({_place(one)})" for one in named[:10])
        raise EntrepotError(f"Several are named {path!r}: say which, by its path or its id: {told}.")
    raise NotFound(f"There is no {noun.one} {path!r}{_alike(client, noun, name, within)}.")


def _listed(client: "Client", noun: Noun, equal: dict[str, str]) -> list[Record]:
    return list(client.connection.pages(f"/api/v1/{noun.kinds}", **equal))


def _alike(client: "Client", noun: Noun, name: str, within: dict[str, str]) -> str:
    import difflib

    known = [str(one[noun.key]) for one in _listed(client, noun, within)]
    found = difflib.get_close_matches(name, known, 3, 0.5)
    return f": there is {', '.join(found)}" if found else ""


def _place(record: Record) -> str:
    places = (record.get(name) for name in ("project", "importer", "site", "result_set"))
    return next((f"in {one['name']}" for one in places if isinstance(one, dict)), "alone")
