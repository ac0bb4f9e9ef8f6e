"""Resources as clients of this dialect know them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from entrepot.db import Session, now
from entrepot.events.models import Webhook
from entrepot.files import lifecycle, signing
from entrepot.files.models import PublishedFile, Storage
from entrepot.identity import ApiKey, Organization, Vault
from entrepot.identity.records import by_ids
from entrepot.requests.models import (
    DataRequest,
    Permissions,
    RemoteSession,
    RemoteSource,
    RemoteUser,
    RequestStep,
    Subscription,
)
from entrepot.requests.requested import STEP_STATUSES, asked_by, steps_of
from entrepot.requests.sources import children_of
from entrepot.server.dialects.ricloud import names
from entrepot.server.dialects.ricloud.listing import Record, envelope
from entrepot.server.endpoint import Call
from entrepot.server.names import reached_at

#: What resources begin with.
_HEAD = "id resource organisation date_created"


def instant(value: datetime | None) -> str | None:
    """Return an instant as clients write it; the fraction only where there is one."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def shown(record: Any, fields: str, **others: Any) -> Record:
    """Return what clients see of a record.

    Parameters
    ----------
    fields
        In the words of the wire, in their order.
    others
        Those that no attribute of the record keeps as they are shown.
    """
    return {
        word: others[word] if word in others else _value(getattr(record, names.here(word))) for word in fields.split()
    }


def _value(value: Any) -> Any:
    return instant(value) if isinstance(value, datetime) else value


@dataclass(frozen=True)
class Signer:
    """Makes signed URLs for a caller: of this server, reached under `url`."""

    vault: Vault
    url: str

    def __call__(self, file: PublishedFile, storage: Storage) -> Record | None:
        """Return a file's signed URL; None when it has none."""
        signed = signing.signed_url(self.vault, file, storage, self.url)
        return {"url": signed[0], "date_expires": instant(signed[1])} if signed else None


def signer(call: Call) -> Signer:
    """Return what signs for a caller."""
    return Signer(call.services.vault, reached_at(call.services.settings, call.request.url))


def results(session: Session, files: Sequence[PublishedFile], sign: Signer | None) -> list[Record]:
    """Render published files; without a signer they have no signed URLs."""
    storages = by_ids(session, Storage, (file.storage_id for file in files))
    return [_result(file, storages[file.storage_id], sign) for file in files]


def _result(file: PublishedFile, storage: Storage, sign: Signer | None) -> Record:
    return shown(
        file,
        "id resource organisation poll task identifier url type checksum size signed_url state"
        " date_created date_consumed date_deleted",
        resource="result",
        url=f"{storage.url}/{file.path}",
        signed_url=sign(file, storage) if sign else None,
    )


def storage_config(storage: Storage) -> Record:
    """Render a storage; its credentials are never told."""
    return shown(
        storage,
        "id resource organisation type url credentials signed_urls_enabled signed_urls_expiry state date_created",
        resource="storage_config",
        credentials=None,
    )


def webhook_config(webhook: Webhook, secret: str | None = None) -> Record:
    """Render a webhook; its secret is told once, when it is made."""
    return shown(
        webhook,
        "id resource organisation url secret state date_created",
        resource="webhook_config",
        secret=secret,
    )


def key(record: ApiKey, token: str | None = None) -> Record:
    """Render a key; its token is told once, when it is made."""
    state = "deactivated" if record.revoked_at else "active"
    if state == "active" and record.expires_at is not None and record.expires_at <= now():
        state = "expired"
    return shown(
        record,
        "id resource organisation type config storage_config webhook_config token state date_created date_expires",
        resource="key",
        type="standard",
        config={},
        **{word: record.config.get(names.here(word)) for word in ("storage_config", "webhook_config")},
        token=token,
        state=state,
        date_expires=instant(record.expires_at),
    )


def organisation(
    record: Organization, storages: list[Record], webhooks: list[Record], storage: str | None, webhook: str | None
) -> Record:
    """Render an organization, with its configs, and the ids of those that its keys use where they name none."""
    return {
        "id": record.id,
        "resource": "organisation",
        "type": "standard",
        "name": record.name,
        "slug": "-".join(re.findall(r"[a-z0-9]+", record.name.lower())),
        "api_version": "3",
        "config": {},
        "permissions": base_permissions(record),
        "storage_configs": envelope(storages, "/configs/storage"),
        "storage_config_default": storage,
        "storage_config": storage,
        "webhook_configs": envelope(webhooks, "/configs/webhook"),
        "webhook_config_default": webhook,
        "webhook_config": webhook,
        "state": "active",
        "date_created": instant(record.created_at),
    }


def base_permissions(record: Organization) -> Record:
    """Render what an organization's keys may do where nothing else is said: whatever their users may."""
    return {
        "id": record.id,
        "resource": "permissions",
        "organisation": record.id,
        "identifier": "default",
        "key": None,
        "scopes": ["*:admin"],
        "date_created": instant(record.created_at),
    }


def user(record: RemoteUser) -> Record:
    """Render a user."""
    return shown(record, f"{_HEAD} key identifier state", resource="user")


def sources(session: Session, records: Sequence[RemoteSource]) -> list[Record]:
    """Render sources, with their parts."""
    parts = children_of(session, [record.id for record in records if record.parent_id is None])
    return [_source(record, [_source(child, []) for child in parts.get(record.id, [])]) for record in records]


def _source(record: RemoteSource, children: list[Record]) -> Record:
    return shown(
        record,
        f"{_HEAD} user type identifier parent children state",
        resource="source",
        children=envelope(children, "/sources"),
    )


def sessions(session: Session, records: Sequence[RemoteSession]) -> list[Record]:
    """Render sessions, with their sources."""
    rows = by_ids(session, RemoteSource, (record.source_id for record in records))
    found = {one["id"]: one for one in sources(session, list(rows.values()))}
    return [
        shown(
            record,
            f"{_HEAD} key user source state error date_expired",
            resource="session",
            source=found[record.source_id],
        )
        for record in records
    ]


def tasks(session: Session, records: Sequence[RequestStep], sign: Signer | None) -> list[Record]:
    """Render tasks, with what they published and what they were asked of."""
    asked = asked_by(session, records)
    found = _results(session, lifecycle.answers(session, "step_id", [record.id for record in records]), sign)
    return [_task(record, *asked.get(record.request_id, (None, None)), found[record.id]) for record in records]


def _task(record: RequestStep, poll: DataRequest | None, source_type: str | None, found: list[Record]) -> Record:
    return shown(
        record,
        f"{_HEAD} key user source session poll source_type type target state results error date_started date_completed",
        resource="task",
        user=poll.user_id if poll else None,
        source=poll.source_id if poll else None,
        session=poll.session_id if poll else None,
        source_type=source_type,
        type=names.kind_word(record.type),
        target=record.target_id or (target_of(poll.payload) if poll else None),
        results=envelope(found, "/results"),
    )


def target_of(payload: Mapping[str, Any]) -> str | None:
    """Return what a poll asks for, in a word or several: data types, infos, files."""
    asked = [one for name in ("data_types", "info_types", "files") for one in as_list(payload.get(name))]
    return ",".join(map(str, asked)) or None


def as_list(value: Any) -> list[Any]:
    """Return a list; of what is none, one that is empty."""
    return value if isinstance(value, list) else []


def _results(
    session: Session, files: Mapping[str, Sequence[PublishedFile]], sign: Signer | None
) -> dict[str, list[Record]]:
    rendered = iter(results(session, [file for some in files.values() for file in some], sign))
    return {id_: [next(rendered) for _ in some] for id_, some in files.items()}


def polls(session: Session, records: Sequence[DataRequest], sign: Signer | None) -> list[Record]:
    """Render polls, with all their results and the states of their tasks."""
    steps = steps_of(session, records)
    found = _results(session, lifecycle.answers(session, "request_id", [record.id for record in records]), sign)
    return [_poll(record, steps[record.id], found[record.id]) for record in records]


def _poll(record: DataRequest, steps: Sequence[RequestStep], found: list[Record]) -> Record:
    ids = {f"tasks_{state}": [one.id for one in steps if one.status == state] for state in STEP_STATUSES}
    asked = "key user source session subscription"
    return shown(
        record,
        f"{_HEAD} {asked} {' '.join(ids)} results errors state date_started date_completed",
        resource="poll",
        state=names.poll_state(record.status),
        **ids,
        results=envelope(found, "/results"),
        # A list of resources would have to name a type that clients do not know.
        errors=[{"task": one.id, "error": one.error} for one in steps if one.error],
    )


def subscription(record: Subscription) -> Record:
    """Render a subscription."""
    return shown(
        record,
        f"{_HEAD} org key source session poll_payload interval date_start date_end state",
        resource="subscription",
        org=record.organization_id,
        poll_payload=record.payload,
    )


def permissions(record: Permissions) -> Record:
    """Render what a key may do."""
    return shown(record, f"{_HEAD} identifier key scopes", resource="permissions", identifier="key")


def each(function: Any) -> Any:
    """Return what renders many, from what renders one."""
    return lambda _call, rows: [function(row) for row in rows]
