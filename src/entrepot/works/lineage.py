"""Where works come from: a run for each finished work, with what it read where its document says so."""

import uuid
from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot.errors import InvalidInput
from entrepot.identity import Principal
from entrepot.lineage import ended, record_ended, results
from entrepot.settings import Settings
from entrepot.works.document import Document, instant
from entrepot.works.models import Archived, Work
from entrepot.works.query.searchable import is_storable

_NAMESPACE = uuid.UUID("7d5f5f3c-7f0e-4c5e-9d6f-3a5e0a1f9b52")


def check_inputs(document: Document) -> None:
    """Raise InvalidInput unless what a document says that it read, if it does, is ``[{"kind", "id", ...}]``."""
    inputs = document.get("inputs")
    if inputs is None:
        return
    if not isinstance(inputs, list) or not all(
        isinstance(one, dict)
        and isinstance(one.get("kind"), str)
        and isinstance(one.get("id"), str)
        and is_storable(one["kind"] + one["id"])
        and len(one["kind"]) <= 20
        and len(one["id"]) <= 400
        for one in inputs
    ):
        raise InvalidInput.field("inputs", 'must be an array of objects with a "kind" and an "id"')


def record(session: Session, principal: Principal, finished: Sequence[Document]) -> None:
    """Record the runs of finished works; a work that is recorded again replaces what was known of its run."""
    record_ended(session, *_runs_of(principal, finished))


def parameters_of(principal: Principal, finished: Sequence[Document]) -> dict[str, str]:
    """Return the parameters of a statement that records the runs of those finished works that it changes."""
    return ended.parameters_of(*_runs_of(principal, finished), of=[one["id"] for one in finished])


def _runs_of(principal: Principal, finished: Sequence[Document]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the runs of finished works, and what these read and made."""
    runs, links = [], []
    for document in finished:
        key = f"{principal.organization_id}\0{document['pipeline']}\0{document['id']}"
        run_id = str(uuid.uuid5(_NAMESPACE, key))
        runs.append(
            {
                "id": run_id,
                "organization_id": principal.organization_id,
                "generator_kind": "work",
                "generator_id": document["pipeline"],
                "user_id": principal.user_id,
                "started_at": instant(document["start"] or document["creation"]),
                "ended_at": instant(document["stop"]) if document["stop"] else None,
                "status": document["status"],
                "report": {name: document[name] for name in ("site", "user", "attempt")},
            }
        )
        for one in document.get("inputs") or ():
            detail = {
                name: value for name, value in one.items() if name not in ("kind", "id") and can_be_kept({name: value})
            }
            links.append(_link(run_id, "in", one["kind"], one["id"], detail))
        if parent := document["config"]["parent"]:
            links.append(_link(run_id, "in", "work", parent[:400], {}))
        made: dict[str, Any] = {
            name: document[name] for name in ("products", "plots") if document[name] and can_be_kept(document[name])
        }
        links.append(_link(run_id, "out", "work", document["id"], {"pipeline": document["pipeline"], **made}))
    return runs, links


@results.found_by("work")
def found(session: Session, _settings: Settings, organization_id: str, ids: Sequence[str]) -> list[str]:
    """Return those of an organization's works that wait, run or are archived."""
    return [
        id_
        for model in (Work, Archived)
        for id_ in session.scalars(select(model.id).where(model.organization_id == organization_id, model.id.in_(ids)))
    ]


def _link(run_id: str, direction: str, kind: str, result_id: str, detail: dict[str, Any]) -> dict[str, Any]:
    return {"run_id": run_id, "direction": direction, "kind": kind, "result_id": result_id, "detail": detail}


def can_be_kept(value: Any) -> bool:
    """Tell whether every database can hold a value as JSON: it has no NUL character and no integer beyond 64 bits."""
    try:
        orjson.dumps(value)
    except TypeError:
        return False
    return is_storable(value)
