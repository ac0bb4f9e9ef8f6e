"""Things of Entrepot's own interface: made, found, changed and deleted by the same verbs."""

import difflib
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar
from urllib.parse import quote

from entrepot.client._http import Connection
from entrepot.client.sources import Script, text_of

Record = dict[str, Any]
_ENDED = ("finished", "failed", "cancelled")
_POLL_SECONDS = 0.2


class RunFailed(RuntimeError):
    """A run did not end well.

    Attributes
    ----------
    run
        What the server says of it, with ``error`` and ``report``.
    """

    def __init__(self, run: Record) -> None:
        of = run["of"] or {"kind": "", "name": ""}
        super().__init__(f"The {run['action']} of {of['kind']} {of['name']} {run['status']}: {run['error'] or ''}")
        self.run = run


class Thing:
    """Something that the server has, as it was when it was last asked; the fields it shows are attributes.

    Parameters
    ----------
    record
        What the server shows of it.
    """

    kinds = ""  #: Where things of its kind are, such as ``gates``.

    def __init__(self, connection: Connection, record: Record) -> None:
        self.connection = connection
        self.record = record

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.record["id"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.record["name"])

    @property
    def path(self) -> str:
        """Its address below the server's."""
        return f"/api/v1/{self.kinds}/{self.id}"

    def __getattr__(self, name: str) -> Any:
        """Return a field that the server shows."""
        try:
            return self.__dict__["record"][name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no {name}") from None

    def __repr__(self) -> str:
        """Say what it is."""
        return f"{type(self).__name__}({self.name!r})"

    def change(self, **settings: Any) -> None:
        """Change settings; nothing is overwritten that somebody else changed since it was asked.

        Raises
        ------
        httpx.HTTPStatusError
            With status 412, somebody else changed it: find it again.
        """
        headers = {} if "version" not in self.record else {"if-match": f'"{self.record["version"]}"'}
        self.record = self.connection.json("PATCH", self.path, body=sent(settings), headers=headers)

    def refresh(self) -> None:
        """Ask the server for it again."""
        self.record = self.connection.json("GET", self.path)

    def delete(self) -> None:
        """Delete it, with what hangs on it."""
        self.connection.request("DELETE", self.path)


ThingT = TypeVar("ThingT", bound=Thing)


class Collection(Generic[ThingT]):
    """Things of one kind, perhaps of one project, gate or importer.

    Parameters
    ----------
    scope
        What those that are listed here belong to, and what is made here will.
    key
        The field that names one among them.
    """

    def __init__(
        self, connection: Connection, kind: type[ThingT], scope: Mapping[str, str] | None = None, key: str = "name"
    ) -> None:
        self._connection, self._kind, self._scope, self._key = connection, kind, dict(scope or {}), key

    def __iter__(self) -> Iterator[ThingT]:
        """Yield all of them by name, page by page."""
        yield from self.list()

    def __getitem__(self, name: str) -> ThingT:
        """Return the one of this name.

        Raises
        ------
        KeyError
            There is none; names that are alike are told.
        """
        found = self.get(name)
        if found is None:
            alike = difflib.get_close_matches(name, [each.record[self._key] for each in self], 3, 0.6)
            raise KeyError(name + (f" (there is {', '.join(alike)})" if alike else ""))
        return found

    def list(self, **equal: Any) -> "Iterator[ThingT]":
        """Yield those whose fields are these."""
        path = f"/api/v1/{self._kind.kinds}"
        for record in self._connection.pages(path, **self._scope, **equal):
            yield self._kind(self._connection, record)

    def get(self, name: str, /) -> ThingT | None:
        """Return the one of this name; None where there is none."""
        return next(self.list(**{self._key: name}), None)

    def create(self, name: str, /, **settings: Any) -> ThingT:
        """Make one."""
        body = {**self._scope, self._key: name, **sent(settings)}
        path = f"/api/v1/{self._kind.kinds}"
        return self._kind(self._connection, self._connection.json("POST", path, body=body, once=True))

    def ensure(self, name: str, /, **settings: Any) -> ThingT:
        """Make one where there is none, and change what differs where there is: a second time does nothing."""
        found = self.get(name)
        if found is None:
            return self.create(name, **settings)
        differing = {field: value for field, value in sent(settings).items() if differs(found.record.get(field), value)}
        if differing:
            found.change(**differing)
        return found


class Maker(Thing):
    """What runs: an importer, a cleaner or an analysis."""

    def run(self, *, again: bool = False, progress: bool = False) -> Record:
        """Run it, wait for its end, and return what became of it.

        Parameters
        ----------
        again
            Delete what it made, and make all of it anew.
        progress
            Show how far it is.

        Raises
        ------
        RunFailed
            It did not end well.
        """
        return run(self.connection, self.path, self.name, again=again, progress=progress)


class Channel(Thing):
    """How a raw series becomes a regular one."""

    kinds = "channels"


class Importer(Maker):
    """What reads the files of a gate into raw series."""

    kinds = "importers"

    @property
    def channels(self) -> Collection[Channel]:
        """How each of its raw series becomes a regular one, by the name of the raw series."""
        return Collection(self.connection, Channel, {"importer": self.id}, key="raw")


class Gate(Thing):
    """A folder of a project into which files come."""

    kinds = "gates"

    @property
    def importers(self) -> Collection[Importer]:
        """What reads its files."""
        return Collection(self.connection, Importer, {"project": self.record["project"]["id"], "gate": self.id})

    def upload(self, *files: Path | str, to: str = "/", progress: bool = False) -> int:
        """Send files, and folders with all that is in them; one that is there already is replaced.

        Parameters
        ----------
        to
            A folder of the gate; made where it is missing.
        progress
            Show how far it is.

        Returns
        -------
        How many files were sent.
        """
        found = [each for file in files for each in _below(Path(file))]
        for file, relative in _shown(found, self.name, progress=progress):
            path = "/".join([*(part for part in to.split("/") if part), relative])
            self.connection.send(
                "PUT",
                f"{self.path}/files/{quote(path)}",
                content=file.read_bytes(),
                content_type="application/octet-stream",
            )
        return len(found)


class Analysis(Maker):
    """What computes series and rows out of series, by a script."""

    kinds = "analyses"

    def run(self, *, again: bool = False, progress: bool = False, upstream: bool = False) -> Record:
        """Run it, wait for its end, and return what became of it.

        Parameters
        ----------
        upstream
            Have what it computes of imported, cleaned and computed first.
        """
        if upstream:
            for path, name in _upstream(self.connection, self.record, {}).items():
                run(self.connection, path, name, progress=progress)
        return super().run(again=again, progress=progress)


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


class Row(Thing):
    """Two or three named vectors of one length, with their units."""

    kinds = "rows"

    def files(self) -> dict[str, str]:
        """Return the files that it goes back to: the SHA-256 of each, by its path on the gate."""
        return _files(self.connection.json("GET", f"/api/v1/lineage/row/{self.id}"))


class ResultSet(Thing):
    """Rows that belong together."""

    kinds = "result-sets"

    @property
    def rows(self) -> Collection[Row]:
        """Its rows, by name."""
        return Collection(self.connection, Row, {"result_set": self.id})

    def plot(self, file: Path | str, *, unit: str | None = None, title: str | None = None) -> Path:
        """Have the server draw its rows, and save that as a page (``.html``) or a picture (``.png``).

        Parameters
        ----------
        unit
            Of the values, which are converted.
        """
        target = Path(file)
        options = {"unit": unit, "title": title, "format": target.suffix.lstrip(".")}
        params = {"analysis": self.id, **{name: value for name, value in options.items() if value is not None}}
        target.write_bytes(self.connection.request("GET", "/api/v1/rows/plot", params=params).content)
        return target


class ResultSets(Collection[ResultSet]):
    """Result sets of an organization."""

    def ensure(self, name: str, /, *, site: Site | str | None = None, model: str = "", **settings: Any) -> ResultSet:
        """Make one where there is none; its model definition too, where its site has none of that name."""
        if isinstance(site, Site) and model:
            site.models.ensure(model)
        found = self.get(name)
        return found if found is not None else self.create(name, site=site, model=model, **settings)


class Analyses(Collection[Analysis]):
    """Analyses of a project."""

    def create(self, name: str, /, **settings: Any) -> Analysis:
        """Make one; see :meth:`ensure`."""
        return super().create(name, **_computing(settings))

    def ensure(self, name: str, /, **settings: Any) -> Analysis:
        """Make one where there is none, and change what differs where there is.

        Parameters
        ----------
        settings
            ``inputs``: channels, series or names of series; ``outputs``: names; ``analyze`` and ``rows``: functions,
            files or texts, in place of a ``script``; ``into``: a result set, for rows; ``step``, ``clock`` and other
            settings of an analysis.
        """
        return super().ensure(name, **_computing(settings))


def run(connection: Connection, path: str, name: str, *, again: bool = False, progress: bool = False) -> Record:
    """Have what is at a path run, and wait for its end; RunFailed where it does not end well."""
    ran: Record = connection.json("POST", f"{path}/runs", body={"again": again}, once=True)
    with _bar(name, progress=progress) as bar:
        while ran["status"] not in _ENDED:
            time.sleep(_POLL_SECONDS)
            ran = connection.json("GET", f"/api/v1/runs/{ran['id']}")
            if ran["progress"]:
                bar.total, bar.n = ran["progress"]["total"] or None, ran["progress"]["done"]
                bar.refresh()
    if ran["status"] != "finished":
        raise RunFailed(ran)
    return ran


def sent(settings: Mapping[str, Any]) -> Record:
    """Return settings as they are sent: functions by their text, things by their id."""
    return {name: _sent(name, value) for name, value in settings.items()}


def differs(shown: Any, given: Any) -> bool:
    """Tell whether what a thing shows is not what is given; things are given by id or name."""
    if isinstance(shown, dict) and isinstance(given, str):
        return given not in (shown.get("id"), shown.get("name"))
    if isinstance(shown, list) and isinstance(given, list):
        return len(shown) != len(given) or any(map(_differ, shown, given))
    return bool(shown != given)


def _differ(shown: Any, given: Any) -> bool:
    if isinstance(shown, dict):
        wanted = {"series": given} if isinstance(given, str) and "series" in shown else given
        wanted = {"name": given} if isinstance(given, str) and "series" not in shown else wanted
        return any(differs(shown.get(field), value) for field, value in wanted.items())
    return bool(shown != given)


def _sent(name: str, value: Any) -> Any:
    if isinstance(value, Thing):
        return value.id
    if isinstance(value, Path) or callable(value):
        return text_of(**{"fct" if name in ("convert", "keep", "keep_rate", "custom") else name: value})
    return value


def _computing(settings: Mapping[str, Any]) -> Record:
    given = dict(settings)
    scripts: dict[str, Script | None] = {name: given.pop(name, None) for name in ("analyze", "rows")}
    if any(script is not None for script in scripts.values()):
        given["script"] = text_of(**scripts)
    if "inputs" in given:
        given["inputs"] = [_input(each) for each in given["inputs"]]
    return given


def _input(given: Any) -> Any:
    if isinstance(given, Channel):
        return {"series": given.name, "of": given.record["cleaner"]}
    return given.id if hasattr(given, "id") else given


def _upstream(connection: Connection, analysis: Record, found: dict[str, str]) -> dict[str, str]:
    """Return what an analysis computes of, by its path, what comes first before what comes of it."""
    for of in {each["of"]["id"]: each["of"] for each in analysis["inputs"] if each["of"]}.values():
        if of["kind"] == "importer":
            found.setdefault(f"/api/v1/importers/{of['id']}", of["name"])
        elif of["kind"] == "cleaner":
            cleaner = connection.json("GET", f"/api/v1/cleaners/{of['id']}")
            found.setdefault(f"/api/v1/importers/{cleaner['importer']['id']}", of["name"])
            found.setdefault(f"/api/v1/cleaners/{of['id']}", of["name"])
        else:
            other = connection.json("GET", f"/api/v1/analyses/{of['id']}")
            _upstream(connection, other, found)
            found.setdefault(f"/api/v1/analyses/{of['id']}", of["name"])
    return found


def _files(runs: Iterable[Record]) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in (each for run_ in runs for each in run_.get("inputs", ())):
        if one["kind"] == "gate file":
            found[one["id"].partition("/")[2]] = one["sha256"]
        found |= _files(one.get("made_by", ()))
    return found


def _below(file: Path) -> list[tuple[Path, str]]:
    if not file.is_dir():
        return [(file, file.name)]
    return [(each, each.relative_to(file).as_posix()) for each in sorted(file.rglob("*")) if each.is_file()]


def _shown(found: list[tuple[Path, str]], name: str, *, progress: bool) -> Iterable[tuple[Path, str]]:
    from tqdm import tqdm

    shown: Iterable[tuple[Path, str]] = tqdm(found, desc=name, unit="file", disable=not progress)
    return shown


def _bar(name: str, *, progress: bool) -> Any:
    from tqdm import tqdm

    return tqdm(desc=name, disable=not progress)
