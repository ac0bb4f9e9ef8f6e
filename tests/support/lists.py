"""Lists of any length: a farm whose things are there many times."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Table, insert, select
from sqlalchemy.orm import Session

from entrepot.db import new_id, now
from entrepot.events.models import Delivery, Event, Notification, Webhook
from entrepot.files.models import PublishedFile, StorageConfig
from entrepot.identity import ApiKey, Membership, Project, User
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
    SilenceWatch,
)
from entrepot.rows.models import Location, ModelDefinition, Row, RowAnalysis, Site
from entrepot.series.models import Series
from entrepot.works import archive, queue
from entrepot.works.document import Document
from entrepot.works.models import Archived, Work
from tests.support.examples import Farm

_AT_ONCE = 5000


@dataclass(frozen=True)
class Kind:
    """A list: where it is, the table of its things, and in what each of many copies of one differs."""

    path: str
    model: Any
    differs: Callable[[int], Mapping[str, Any]]
    #: How many are made otherwise, by their numbers.
    deposit: Callable[[Session, Sequence[Document]], object] | None = None


def _named(number: int) -> dict[str, Any]:
    return {"id": new_id(), "name": f"many {number:07d}"}


def _key() -> dict[str, Any]:
    return {"id": new_id(), "token_sha256": secrets.token_hex(32)}


def _work(number: int) -> dict[str, Any]:
    work = {"pipeline": "many", "parameters": {}, "site": "local", "user": "ada", "status": "success"}
    return work | {"id": f"{number:024x}"}


def _numbered(column: str) -> Callable[[int], Mapping[str, Any]]:
    return lambda number: {"id": 1000 + number, column: f"many {number:07d}", "slug": f"many-{number}"}


def kinds(farm: Farm, most: int = 200) -> list[Kind]:
    """Return every kind of list of a farm, to be at most so long; some need what is copied for those before them."""
    ids, began, principal = farm.ids, now(), farm.api.principal
    of_gates, of_importers, of_users = ([new_id() for _ in range(most)] for _ in range(3))

    def later(name: str, number: int) -> dict[str, Any]:
        return {name: began + timedelta(milliseconds=number)}

    return [
        Kind("/projects", Project, _named),
        Kind("/gates", Gate, lambda number: _named(number) | {"id": of_gates[number]}),
        Kind("/feeders", Feeder, lambda n: {"id": new_id(), "gate_id": of_gates[n], "source_id": new_id()}),
        Kind("/importers", Importer, lambda number: _named(number) | {"id": of_importers[number]}),
        Kind("/cleaners", Cleaner, lambda number: _named(number) | {"importer_id": of_importers[number]}),
        Kind("/channels", Channel, lambda number: _named(number) | {"raw": f"raw {number}"}),
        Kind("/analyses", Analysis, _named),
        Kind("/series", Series, _named),
        Kind("/runs", Run, lambda number: {"id": new_id()} | later("started", number)),
        Kind("/notifications", Notification, lambda _: {"id": new_id()}),
        Kind("/watches", SilenceWatch, lambda number: {"id": new_id(), "series_name": f"many {number}"}),
        Kind("/files", PublishedFile, lambda _: {"id": new_id()}),
        Kind("/storages", StorageConfig, lambda _: {"id": new_id(), "own": False}),
        Kind("/webhooks", Webhook, lambda _: {"id": new_id()}),
        Kind(f"/webhooks/{ids['webhook']}/deliveries", Delivery, lambda number: later("created_at", number)),
        Kind(f"/importers/{ids['importer']}/files", ImportedFile, lambda number: {"path": f"many/{number:07d}.csv"}),
        Kind(
            "/keys", ApiKey, lambda n: {"id": new_id(), "token_sha256": secrets.token_hex(32)} | later("created_at", n)
        ),
        Kind("/members", User, lambda number: {"id": of_users[number], "login": f"many {number:07d}"}),
        Kind("/members", Membership, lambda number: {"user_id": of_users[number]}),
        Kind("/locks", Lock, lambda number: {"id": new_id(), "target": str(10_000 + number)}),
        Kind("/sites", Site, _numbered("title")),
        Kind("/locations", Location, _numbered("title")),
        Kind("/model-definitions", ModelDefinition, _numbered("title")),
        Kind("/result-sets", RowAnalysis, _numbered("name")),
        Kind("/rows", Row, _numbered("short_description")),
        Kind("/works", Work, _work, lambda session, new: queue.deposit(session, principal, new, keep_ids=True)),
        Kind("/archive", Archived, _work, lambda session, new: archive.deposit(session, principal, new)),
        Kind("/events", Event, lambda number: {"id": new_id(), "sequence": 10_000 + number}),
    ]


def prepare(farm: Farm) -> None:
    """Give a farm the deliveries that its webhook does not have yet."""
    farm.api.ask("GET", "/events")
    with farm.api.database.write() as session:
        position = session.scalars(select(Event.position).limit(1)).one()
        session.add(
            Delivery(webhook_id=farm.ids["webhook"], event_position=position, object_key="x", state="delivered")
        )


def fill(session: Session, kind: Kind, count: int, first: int = 0) -> None:
    """Copy one thing of a kind so many times."""
    if kind.deposit is not None:
        for at in range(first, first + count, _AT_ONCE):
            kind.deposit(
                session, [dict(kind.differs(number)) for number in range(at, min(at + _AT_ONCE, first + count))]
            )
        return
    table: Table = kind.model.__table__
    made = dict(session.execute(select(table).limit(1)).mappings().one())
    for name in ("pk", "number", "position"):
        made.pop(name, None)
    for at in range(first, first + count, _AT_ONCE):
        rows = (
            made | {name: value for name, value in kind.differs(number).items() if name in table.c}
            for number in range(at, min(at + _AT_ONCE, first + count))
        )
        session.execute(insert(table), list(rows))


def walk(farm: Farm, path: str, limit: int) -> Iterator[list[dict[str, Any]]]:
    """Yield the pages of a list."""
    address: str | None = f"/api/v1{path}?limit={limit}"
    while address is not None:
        page = farm.api.client.get(address).raise_for_status().json()
        yield page["items"]
        address = page["next"]
