"""What rows refer to: analyses, sites and locations that exist in their organization."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot.rows import checks, storage
from entrepot.rows.models import Location, RowAnalysis, Site

NAMES = ("analysis", "site", "location")


@dataclass(frozen=True)
class References:
    """Analyses by id with name and lock, titles of sites and locations."""

    analyses: Mapping[int, tuple[str, bool]]
    sites: Mapping[int, str]
    locations: Mapping[int, str]

    def missing(self, row: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return the errors of a row's references to what does not exist."""
        kinds: tuple[Mapping[int, Any], ...] = (self.analyses, self.sites, self.locations)
        return {
            name: [checks.no_such(key)]
            for name, known in zip(NAMES, kinds, strict=True)
            if (key := row[f"{name}_id"]) is not None and key not in known
        }

    def slug(self, row: Mapping[str, Any]) -> str:
        """Return the slug of a row that has its id."""
        site = self.sites[row["site_id"]] if row["site_id"] else "none"
        location = self.locations[row["location_id"]] if row["location_id"] else "none"
        analysis_id = row["analysis_id"]
        names = map(storage.slugify, (site, location, self.analyses[analysis_id][0]))
        return "_".join([*names, str(analysis_id), storage.slugify(row["short_description"]), str(row["id"])])


def references(session: Session, organization_id: str, rows: Iterable[Mapping[str, Any]]) -> References:
    """Return what these rows refer to, as far as it exists."""
    wanted: dict[str, set[int]] = {name: set() for name in NAMES}
    for row in rows:
        for name in NAMES:
            if (key := row[f"{name}_id"]) is not None:
                wanted[name].add(key)
    analyses: dict[int, tuple[str, bool]] = {}
    for chunk in storage.chunks(sorted(wanted["analysis"])):
        query = select(RowAnalysis.id, RowAnalysis.name, RowAnalysis.locked).where(
            RowAnalysis.id.in_(chunk), RowAnalysis.organization_id == organization_id
        )
        analyses |= {id_: (name, locked) for id_, name, locked in session.execute(query)}
    sites = _titles(session, Site, organization_id, wanted["site"])
    return References(analyses, sites, _titles(session, Location, organization_id, wanted["location"]))


def _titles(session: Session, model: type[Site | Location], organization_id: str, ids: Iterable[int]) -> dict[int, str]:
    titles: dict[int, str] = {}
    for chunk in storage.chunks(sorted(ids)):
        query = select(model.id, model.title).where(model.id.in_(chunk), model.organization_id == organization_id)
        titles |= dict(session.execute(query).all())
    return titles
