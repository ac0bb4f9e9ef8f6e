"""Lists of any length: a farm whose things are there many times."""

import re
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table, exists, insert, literal, select
from sqlalchemy import delete as delete_all
from sqlalchemy.orm import Session

from entrepot.db import new_id, now
from entrepot.events.models import Delivery, Event, Notification, Webhook
from entrepot.files.models import PublishedFile, Storage
from entrepot.identity import ApiKey, AuditEntry, Membership, Project, User
from entrepot.identity.models import ConsoleSession
from entrepot.jobs import Idle
from entrepot.lineage import Run
from entrepot.locks import Lock
from entrepot.pipeline.models import (
    Analysis,
    Channel,
    Cleaner,
    Feeder,
    Gate,
    ImportedFile,
    Importer,
    QuarantinedFile,
    ScriptVersion,
    SilenceWatch,
)
from entrepot.requests.models import DataRequest
from entrepot.rows.models import Location, Material, ModelDefinition, ResultSet, Row, Site
from entrepot.series.models import Series, SeriesHead
from entrepot.works import archive, queue
from entrepot.works.document import Document
from entrepot.works.models import Archived, Work
from tests.support.examples import Farm

_AT_ONCE = 5000


@dataclass(frozen=True)
class Kind:
    """A list: its path in the document, the table of its things, and in what each of many copies of one differs."""

    path: str
    model: Any
    differs: Callable[[int], Mapping[str, Any]]
    #: How many are made otherwise, and one is deleted.
    deposit: Callable[[Session, Sequence[Document]], object] | None = None
    remove: Callable[[str], object] | None = None
    #: The field that tells one from the others, and its column.
    shown: str = "id"
    column: str = "id"
    #: Which of the table's is copied, where not any is of this list.
    copied: Mapping[str, Any] = field(default_factory=dict)
    #: Whether these are none of the list's themselves: what is copied next hangs on them.
    beneath: bool = False

    @property
    def is_bound(self) -> bool:
        """Whether such things refer to others of their organization alone."""
        return any(
            "organization_id" in one.column_keys
            for one in self.model.__table__.foreign_key_constraints
            if len(one.column_keys) > 1
        )

    def key(self, one: Mapping[str, Any]) -> str:
        """Return what tells one from the others of the list."""
        return str(one[self.shown])

    def address(self, farm: Farm) -> str:
        """Return where the list of a farm is."""
        ids = {**farm.ids, "kind": "materials"}
        return "/api/v1" + re.sub(r"\{(\w+?)(?:_id)?\}", lambda found: ids[found[1]], self.path)


def _named(number: int) -> dict[str, Any]:
    return {"id": new_id(), "name": f"many {number:07d}"}


def _key() -> dict[str, Any]:
    return {"id": new_id(), "token_sha256": secrets.token_hex(32)}


def _work(number: int) -> dict[str, Any]:
    work = {"pipeline": "many", "parameters": {}, "site": "local", "user": "ada", "status": "success"}
    return work | {"id": f"{number:024x}"}


def _path(number: int) -> dict[str, Any]:
    return {"path": f"many {number:07d}.csv"}


def _numbered(column: str) -> Callable[[int], Mapping[str, Any]]:
    return lambda number: {"id": 1000 + number, column: f"many {number:07d}", "slug": f"many-{number}"}


def kinds(farm: Farm, most: int = 200) -> list[Kind]:
    """Return every kind of list of a farm, to be made at most so long, in this order."""
    ids, began, principal = farm.ids, now(), farm.api.principal
    of_gates, of_importers, of_users = ([new_id() for _ in range(most)] for _ in range(3))

    def later(name: str, number: int) -> dict[str, Any]:
        return {name: began + timedelta(milliseconds=number)}

    home = farm.api.settings.data_dir / "gates" / ids["gate"]

    def put(_: Session, new: Sequence[Mapping[str, Any]]) -> None:
        for one in new:
            (home / one["path"]).touch()

    def versions(path: str, id_: str) -> Kind:
        return Kind(
            path,
            ScriptVersion,
            lambda n: {"id": new_id(), "version": n + 2},
            shown="version",
            column="version",
            copied={"generator_id": id_},
        )

    return [
        Kind("/projects", Project, _named),
        Kind("/gates", Gate, _named),
        Kind("/feeders", Gate, lambda n: {"name": f"fed {n:07d}", "id": of_gates[n]}, beneath=True),
        Kind("/feeders", Feeder, lambda n: {"id": new_id(), "gate_id": of_gates[n], "source_id": new_id()}),
        Kind("/importers", Importer, _named),
        Kind("/cleaners", Importer, lambda n: {"name": f"cleaned {n:07d}", "id": of_importers[n]}, beneath=True),
        Kind("/cleaners", Cleaner, lambda number: _named(number) | {"importer_id": of_importers[number]}),
        Kind("/channels", Channel, lambda number: _named(number) | {"raw": f"raw {number}"}),
        Kind("/analyses", Analysis, _named),
        Kind("/series", Series, _named),
        Kind("/runs", Run, lambda number: {"id": new_id()} | later("started_at", number)),
        Kind("/notifications", Notification, lambda _: {"id": new_id()}),
        Kind("/watches", SilenceWatch, lambda number: {"id": new_id(), "series_name": f"many {number}"}),
        Kind("/files", PublishedFile, lambda _: {"id": new_id()}),
        Kind("/requests", DataRequest, lambda _: {"id": new_id()}),
        Kind("/storages", Storage, lambda _: {"id": new_id(), "own": False}),
        Kind("/webhooks", Webhook, lambda _: {"id": new_id()}),
        Kind(
            "/webhooks/{webhook_id}/deliveries",
            Delivery,
            lambda number: later("created_at", number),
            shown="created_at",
            column="created_at",
        ),
        Kind(
            "/importers/{importer_id}/files",
            ImportedFile,
            lambda number: {"path": f"many/{number:07d}.csv"},
            shown="path",
            column="path",
        ),
        versions("/importers/{importer_id}/versions", ids["importer"]),
        versions("/analyses/{analysis_id}/versions", ids["analysis"]),
        versions("/channels/{channel_id}/versions", ids["channel"]),
        Kind("/gates/{gate_id}/files", None, _path, put, lambda path: (home / path).unlink(), "path"),
        Kind("/gates/{gate_id}/quarantine", QuarantinedFile, lambda _: {"id": new_id()}),
        Kind(
            "/runs/idle",
            Idle,
            lambda n: {"id": new_id(), "key": f"generator:{new_id()}"} | later("ended_at", n),
            shown="last_job",
        ),
        Kind(
            "/keys", ApiKey, lambda n: {"id": new_id(), "token_sha256": secrets.token_hex(32)} | later("created_at", n)
        ),
        Kind("/audit", AuditEntry, lambda _: {"id": new_id()}),
        Kind("/sessions", ConsoleSession, lambda n: _key() | later("created_at", n)),
        Kind("/members", User, lambda n: {"id": of_users[n], "login": f"many {n:07d}"}, beneath=True),
        Kind("/members", Membership, lambda n: {"user_id": of_users[n], "login": f"many {n:07d}"}, column="user_id"),
        Kind("/locks", Lock, lambda number: {"id": new_id(), "target": str(10_000 + number)}),
        Kind("/sites", Site, _numbered("name")),
        Kind("/locations", Location, _numbered("name")),
        Kind("/model-definitions", ModelDefinition, _numbered("name")),
        Kind("/result-sets", ResultSet, _numbered("name")),
        Kind("/rows", Row, _numbered("name")),
        Kind("/parts/{kind}", Material, lambda number: {"id": 1000 + number}),
        Kind("/works", Work, _work, lambda session, new: queue.deposit(session, principal, new, keep_ids=True)),
        Kind("/archive", Archived, _work, lambda session, new: archive.deposit(session, principal, new)),
        Kind("/events", Event, lambda number: {"id": new_id(), "sequence": 10_000 + number}),
    ]


def prepare(farm: Farm) -> None:
    """Give a farm what it does not have yet: a function, one delivery, a file in quarantine, a run in vain."""
    farm.api.ask("PATCH", f"/channels/{farm.ids['channel']}", json={"keep": "def fct(value):\n    return True"})
    farm.api.ask("GET", "/events")
    home = farm.api.settings.data_dir / "gates" / farm.ids["gate"]
    (home / "refused.csv").write_text("x")
    began = now()
    with farm.api.database.write() as session:
        refused = {"gate_id": farm.ids["gate"], "importer_id": farm.ids["importer"], "path": "b.csv", "size": 1}
        session.add(QuarantinedFile(**refused, stored="refused.csv", modified_at=began, run_id=farm.ids["run"]))
        of_user = {"user_id": farm.api.principal.user_id, "expires_at": began + timedelta(days=1)}
        session.add(ConsoleSession(token_sha256=secrets.token_hex(32), **of_user))
        of = {"organization_id": farm.ids["organization"], "project_id": farm.ids["project"], "number": 1, "count": 1}
        about = {"kind": "importer.import", "key": f"generator:{farm.ids['importer']}", "id": new_id(), **of}
        session.add(Idle(**about, since=began, created_at=began, ended_at=began))
        session.execute(delete_all(Delivery))  # of which some may be as old as others
        position = session.scalars(select(Event.number).limit(1)).one()
        session.add(Delivery(webhook_id=farm.ids["webhook"], event_number=position, object_key="x", status="delivered"))


def lists(farm: Farm) -> dict[str, list[str]]:
    """Return the lists of the OpenAPI document, by path, each with the names of its parameters."""
    document = farm.api.ask("GET", "/openapi.json")
    found = {}
    for path, item in document["paths"].items():
        answer = item.get("get", {}).get("responses", {}).get("200", {}).get("content", {}).get("application/json", {})
        schema = answer.get("schema", {})
        if "$ref" in schema:
            schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        if "next" in schema.get("properties", ()):
            parameters = item["get"].get("parameters", ())
            found[path.removeprefix("/api/v1")] = [one["name"] for one in parameters if one["in"] == "query"]
    return found


def common(farm: Farm, item: Mapping[str, Any], filters: Sequence[str]) -> Iterator[dict[str, str]]:
    """Yield the common filters that a list takes, each so that what is like an item of it matches."""
    if "project" in filters and item.get("project"):
        yield {"project": farm.ids["project"]}
    if "status" in filters:
        yield {"status": item["status"]}
    if "q" in filters:
        named = next(str(item[name]) for name in ("name", "login", "identifier") if item.get(name))
        yield {"q": named.split()[0][:4]}


def fill(session: Session, kind: Kind, count: int, first: int = 0, owner: str | None = None) -> None:
    """Copy one thing of a kind so many times, perhaps for another organization."""
    if kind.deposit is not None:
        for at in range(first, first + count, _AT_ONCE):
            kind.deposit(
                session, [dict(kind.differs(number)) for number in range(at, min(at + _AT_ONCE, first + count))]
            )
        return
    table: Table = kind.model.__table__
    made = dict(session.execute(select(table).filter_by(**kind.copied).limit(1)).mappings().one())
    others = {} if owner is None or "organization_id" not in table.c else {"organization_id": owner}
    if table.c.get("number") is not None and table.c.number.primary_key:
        made.pop("number")
    for at in range(first, first + count, _AT_ONCE):
        rows = (
            made | others | {name: value for name, value in kind.differs(number).items() if name in table.c}
            for number in range(at, min(at + _AT_ONCE, first + count))
        )
        session.execute(insert(table), list(rows))
    if kind.model is Series:
        heads = select(Series.number, literal(0), literal(0), literal(0)).where(
            ~exists().where(SeriesHead.series == Series.number)
        )
        session.execute(insert(SeriesHead).from_select(["series", "count", "width", "tail"], heads))


def _typed(kind: type, key: str) -> Any:
    return datetime.fromisoformat(key) if kind is datetime else kind(key)


def delete(session: Session, kind: Kind, key: str) -> None:
    """Delete one thing of a kind, by what tells it from the others."""
    if kind.remove is not None:
        kind.remove(key)
        return
    table: Table = kind.model.__table__
    column = table.c[kind.column]
    same = [table.c[name] == value for name, value in kind.copied.items()]
    session.execute(table.delete().where(column == _typed(column.type.python_type, key), *same))


def walk(farm: Farm, path: str, limit: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the pages of a list."""
    address: str | None = f"{path}?limit={limit}"
    while address is not None:
        page = farm.api.client.get(address).raise_for_status().json()
        yield page["items"]
        address = page["next"]
