"""What rows refer to: result sets, sites and locations that exist in their organization."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot.rows import checks, writing
from entrepot.rows.models import Location, ResultSet, Site

NAMES = ("result_set", "site", "location")


@dataclass(frozen=True)
class References:
    """Result sets by id with name and lock, names of sites and locations."""

    result_sets: Mapping[int, tuple[str, bool]]
    sites: Mapping[int, str]
    locations: Mapping[int, str]

    def missing(self, row: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return the errors of a row's references to what does not exist."""
        kinds: tuple[Mapping[int, Any], ...] = (self.result_sets, self.sites, self.locations)
        return {
            name: [checks.no_such(key)]
            for name, known in zip(NAMES, kinds, strict=True)
            if (key := row[f"{name}_id"]) is not None and key not in known
        }

    def slug(self, row: Mapping[str, Any]) -> str:
        """Return the slug of a row that has its id."""
        site = self.sites[row["site_id"]] if row["site_id"] else "none"
        location = self.locations[row["location_id"]] if row["location_id"] else "none"
        set_id = row["result_set_id"]
        names = map(writing.slugify, (site, location, self.result_sets[set_id][0]))
        return "_".join([*names, str(set_id), writing.slugify(row["name"]), str(row["id"])])


def references(session: Session, organization_id: str, rows: Iterable[Mapping[str, Any]]) -> References:
    """Return what these rows refer to, as far as it exists."""
    wanted: dict[str, set[int]] = {name: set() for name in NAMES}
    for row in rows:
        for name in NAMES:
            if (key := row[f"{name}_id"]) is not None:
                wanted[name].add(key)
    result_sets: dict[int, tuple[str, bool]] = {}
    for chunk in writing.chunks(sorted(wanted["result_set"])):
        query = select(ResultSet.id, ResultSet.name, ResultSet.locked).where(
            ResultSet.id.in_(chunk), ResultSet.organization_id == organization_id
        )
        result_sets |= {id_: (name, locked) for id_, name, locked in session.execute(query)}
    sites = _names(session, Site, organization_id, wanted["site"])
    return References(result_sets, sites, _names(session, Location, organization_id, wanted["location"]))


def _names(session: Session, model: type[Site | Location], organization_id: str, ids: Iterable[int]) -> dict[int, str]:
    names: dict[int, str] = {}
    for chunk in writing.chunks(sorted(ids)):
        query = select(model.id, model.name).where(model.id.in_(chunk), model.organization_id == organization_id)
        names |= dict(session.execute(query).all())
    return names
