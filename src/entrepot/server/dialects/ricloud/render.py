"""Resources as clients of this dialect know them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from entrepot.db import Session, now
from entrepot.events.models import Webhook
from entrepot.files import lifecycle, signing
from entrepot.files.models import PublishedFile, StorageConfig
from entrepot.identity import ApiKey, Organization, Vault
from entrepot.identity.records import by_ids
from entrepot.requests.models import Permissions, Poll, RemoteSession, RemoteSource, RemoteUser, Subscription, Task
from entrepot.requests.polls import TASK_STATES, asked_by, tasks_of
from entrepot.requests.sources import children_of
from entrepot.server.dialects.ricloud.listing import Record, envelope
from entrepot.server.endpoint import Call
from entrepot.server.names import reached_at


def instant(value: datetime | None) -> str | None:
    """Return an instant as clients write it; the fraction only where there is one."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass(frozen=True)
class Signer:
    """Makes signed URLs for a caller: of this server, reached under `url`."""

    vault: Vault
    url: str

    def __call__(self, file: PublishedFile, config: StorageConfig) -> Record | None:
        """Return a file's signed URL; None when it has none."""
        signed = signing.signed_url(self.vault, file, config, self.url)
        return {"url": signed[0], "date_expires": instant(signed[1])} if signed else None


def signer(call: Call) -> Signer:
    """Return what signs for a caller."""
    return Signer(call.services.vault, reached_at(call.services.settings, call.request.url))


def results(session: Session, files: Sequence[PublishedFile], sign: Signer | None) -> list[Record]:
    """Render published files; without a signer they have no signed URLs."""
    configs = by_ids(session, StorageConfig, (file.storage_config_id for file in files))
    records = []
    for file in files:
        config = configs[file.storage_config_id]
        records.append(
            {
                "id": file.id,
                "resource": "result",
                "organisation": file.organization_id,
                "poll": file.poll_id,
                "task": file.task_id,
                "identifier": file.identifier,
                "url": f"{config.url}/{file.path}",
                "type": file.type,
                "checksum": file.md5,
                "size": file.size,
                "signed_url": sign(file, config) if sign else None,
                "state": file.state,
                "date_created": instant(file.created_at),
                "date_consumed": instant(file.consumed),
                "date_deleted": instant(file.deleted),
            }
        )
    return records


def storage_config(config: StorageConfig) -> Record:
    """Render a storage config; its credentials are never told."""
    return {
        "id": config.id,
        "resource": "storage_config",
        "organisation": config.organization_id,
        "type": config.type,
        "url": config.url,
        "credentials": None,
        "signed_urls_enabled": config.signed_urls_enabled,
        "signed_urls_expiry": config.signed_urls_expiry,
        "state": config.state,
        "date_created": instant(config.created_at),
    }


def webhook_config(webhook: Webhook, secret: str | None = None) -> Record:
    """Render a webhook config; its secret is told once, when it is made."""
    return {
        "id": webhook.id,
        "resource": "webhook_config",
        "organisation": webhook.organization_id,
        "url": webhook.url,
        "secret": secret,
        "state": webhook.state,
        "date_created": instant(webhook.created_at),
    }


def key(record: ApiKey, token: str | None = None) -> Record:
    """Render a key; its token is told once, when it is made."""
    state = "deactivated" if record.revoked else "active"
    if state == "active" and record.expires is not None and record.expires <= now():
        state = "expired"
    return {
        "id": record.id,
        "resource": "key",
        "organisation": record.organization_id,
        "type": "standard",
        "config": {},
        "storage_config": record.config.get("storage_config"),
        "webhook_config": record.config.get("webhook_config"),
        "token": token,
        "state": state,
        "date_created": instant(record.created_at),
        "date_expires": instant(record.expires),
    }


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
    return _record(record, "user") | {
        "key": record.key_id,
        "identifier": record.identifier,
        "state": record.state,
    }


def sources(session: Session, records: Sequence[RemoteSource]) -> list[Record]:
    """Render sources, with their parts."""
    parts = children_of(session, [record.id for record in records if record.parent_id is None])
    return [_source(record, [_source(child, []) for child in parts.get(record.id, [])]) for record in records]


def _source(record: RemoteSource, children: list[Record]) -> Record:
    return _record(record, "source") | {
        "user": record.user_id,
        "type": record.type,
        "identifier": record.identifier,
        "parent": record.parent_id,
        "children": envelope(children, "/sources"),
        "state": record.state,
    }


def sessions(session: Session, records: Sequence[RemoteSession]) -> list[Record]:
    """Render sessions, with their sources."""
    rows = by_ids(session, RemoteSource, (record.source_id for record in records))
    found = {one["id"]: one for one in sources(session, list(rows.values()))}
    return [
        _record(record, "session")
        | {
            "key": record.key_id,
            "user": record.user_id,
            "source": found[record.source_id],
            "state": record.state,
            "error": record.error,
            "date_expired": instant(record.expired),
        }
        for record in records
    ]


def tasks(session: Session, records: Sequence[Task], sign: Signer | None) -> list[Record]:
    """Render tasks, with what they published and what they were asked of."""
    asked = asked_by(session, records)
    found = _results(session, lifecycle.answers(session, "task_id", [record.id for record in records]), sign)
    return [_task(record, *asked.get(record.poll_id, (None, None)), found[record.id]) for record in records]


def _task(record: Task, poll: Poll | None, source_type: str | None, found: list[Record]) -> Record:
    return _record(record, "task") | {
        "key": record.key_id,
        "user": poll.user_id if poll else None,
        "source": poll.source_id if poll else None,
        "session": poll.session_id if poll else None,
        "poll": record.poll_id,
        "source_type": source_type,
        "type": record.type,
        "target": record.config_id or (target_of(poll.payload) if poll else None),
        "state": record.state,
        "results": envelope(found, "/results"),
        "error": record.error,
        "date_started": instant(record.started),
        "date_completed": instant(record.completed),
    }


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


def polls(session: Session, records: Sequence[Poll], sign: Signer | None) -> list[Record]:
    """Render polls, with all their results and the states of their tasks."""
    steps = tasks_of(session, records)
    found = _results(session, lifecycle.answers(session, "poll_id", [record.id for record in records]), sign)
    return [_poll(record, steps[record.id], found[record.id]) for record in records]


def _poll(record: Poll, steps: Sequence[Task], found: list[Record]) -> Record:
    return {
        **_record(record, "poll"),
        "key": record.key_id,
        "user": record.user_id,
        "source": record.source_id,
        "session": record.session_id,
        "subscription": record.subscription_id,
        **{f"tasks_{state}": [one.id for one in steps if one.state == state] for state in TASK_STATES},
        "results": envelope(found, "/results"),
        # A list of resources would have to name a type that clients do not know.
        "errors": [{"task": one.id, "error": one.error} for one in steps if one.error],
        "state": record.state,
        "date_started": instant(record.started),
        "date_completed": instant(record.completed),
    }


def subscription(record: Subscription) -> Record:
    """Render a subscription."""
    return _record(record, "subscription") | {
        "org": record.organization_id,
        "key": record.key_id,
        "source": record.source_id,
        "session": record.session_id,
        "poll_payload": record.payload,
        "interval": record.interval,
        "date_start": instant(record.start),
        "date_end": instant(record.end),
        "state": record.state,
    }


def permissions(record: Permissions) -> Record:
    """Render what a key may do."""
    return _record(record, "permissions") | {
        "identifier": "key",
        "key": record.key_id,
        "scopes": record.scopes,
    }


def _record(record: Any, resource: str) -> Record:
    return {
        "id": record.id,
        "resource": resource,
        "organisation": record.organization_id,
        "date_created": instant(record.created_at),
    }


def each(function: Any) -> Any:
    """Return what renders many, from what renders one."""
    return lambda _call, rows: [function(row) for row in rows]
