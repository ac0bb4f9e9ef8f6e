# Made of aio/rows.py by `make sync-face`: change that one.
"""Sites and their locations, result sets and their rows."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from entrepot.client._http import Connection
from entrepot.client.comparing import differing
from entrepot.client.things import Collection, Record, Result, Thing

if TYPE_CHECKING:
    from entrepot.client.lineage import Explanation


class Location(Thing):
    """A place of a site, such as a turbine."""

    kinds = "locations"


class ModelDefinition(Thing):
    """A model of a site."""

    kinds = "model-definitions"


class Site(Thing):
    """A site, such as a wind farm."""

    kinds = "sites"

    @property
    def locations(self) -> Collection[Location]:
        """Its places."""
        return Collection(self.connection, Location, {"site": self.id})

    @property
    def models(self) -> Collection[ModelDefinition]:
        """Its model definitions."""
        return Collection(self.connection, ModelDefinition, {"site": self.id})


class Row(Result):
    """Two or three named vectors of one length, with their units."""

    kinds, kind = "rows", "row"

    def explain(self) -> "Explanation":
        """Return the runs that made it, with what each of them read, down to files."""
        from entrepot.client.lineage import Explanation

        found = self.connection.json("GET", f"/api/v1/lineage/row/{self.id}")
        return Explanation(found["items"])


class RowsPlot:
    """A plot of the rows of a result set, which the server draws."""

    def __init__(self, connection: Connection, asked: Record) -> None:
        self._connection, self._asked = connection, asked

    def save(self, file: Path | str) -> Path:
        """Save it as a page (``.html``) or a picture (``.png``)."""
        target = Path(file)
        asked = {**self._asked, "format": target.suffix.lstrip(".")}
        target.write_bytes((self._connection.request("GET", "/api/v1/rows/plot", params=asked)).content)
        return target


class ResultSet(Result):
    """Rows that belong together."""

    kinds, kind = "result-sets", "result_set"

    @property
    def rows(self) -> Collection[Row]:
        """Its rows, by name."""
        return Collection(self.connection, Row, {"result_set": self.id})

    def keep(self, rows: list[Record], *, dry_run: bool = False) -> list[Record]:
        """Keep rows: those whose name is there already are updated, the others made; all of them, or none.

        Parameters
        ----------
        rows
            Each with its ``name``, its ``columns`` (two or three, with ``name``, ``unit`` and ``values``) and, where it
            is about one, its ``location``.
        dry_run
            Only say what would become of each.

        Returns
        -------
        What became of each: ``id``, ``name`` and ``action``.
        """
        params = {"dry_run": True} if dry_run else None
        kept: list[Record] = self.connection.json(
            "POST", f"{self.path}/rows", body={"rows": rows}, params=params, once=True
        )
        return kept

    def plot(self, *, unit: str | None = None, title: str | None = None, kind: str | None = None) -> RowsPlot:
        """Return a plot of its rows, to be saved.

        Parameters
        ----------
        unit
            Of the values, which are converted.
        kind
            ``comparison``, ``histogram``, ``time_series`` or ``map``; by default what the rows say.
        """
        options = {"result_set": self.id, "unit": unit, "title": title, "kind": kind}
        return RowsPlot(self.connection, {name: value for name, value in options.items() if value is not None})


class ResultSets(Collection[ResultSet]):
    """Result sets of an organization."""

    def compare(self, *, unit: str | None = None, limit: int = 200, **asked: Any) -> Record:
        """Compare result sets, up to 1,000: which values differ, and how much; those that differ most first.

        Parameters
        ----------
        unit
            Into which vectors are converted that measure the same.
        limit
            Most values that are returned.
        asked
            Which: ``result_sets`` with their ids, or what :meth:`list` takes.
        """
        body = {name: value for name, value in asked.items() if value is not None} | {"limit": limit}
        if unit is not None:
            body["unit"] = [unit]
        found: Record = self._connection.json("POST", "/api/v1/result-sets/compare", body=body)
        return found

    def ensure(self, name: str, /, *, site: Site | str | None = None, model: str = "", **settings: Any) -> ResultSet:
        """Make one where there is none, and change what differs where there is.

        Its model definition is made, too, where its site has none of that name.
        """
        if isinstance(site, Site) and model:
            site.models.ensure(model)
        where = {"name": name, "site": site, "model": model or None}
        found = list(self.list(**where))
        if not found:
            return self.create(name, site=site, model=model, **settings)
        if changes := differing(found[0].record, settings):
            found[0].change(**changes)
        return found[0]
