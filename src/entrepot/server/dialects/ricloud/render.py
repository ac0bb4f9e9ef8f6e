"""Resources as clients of this dialect know them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot.db import now
from entrepot.events.models import Webhook
from entrepot.files import signing
from entrepot.files.models import (
    FileDefaults,
    Permissions,
    Poll,
    PublishedFile,
    RemoteSession,
    RemoteSource,
    RemoteUser,
    StorageConfig,
    Subscription,
    Task,
)
from entrepot.identity import ApiKey, Organization, Vault
from entrepot.server.dialects.ricloud.listing import Record, envelope
from entrepot.server.endpoint import Call


def instant(value: datetime | None) -> str | None:
    """Return an instant as clients write it; the fraction only where there is one."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def base_url(call: Call) -> str:
    """Return the address under which the caller reaches this server."""
    return call.services.settings.public_url or f"{call.request.url.scheme}://{call.request.url.netloc}"


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
    return Signer(call.services.vault, base_url(call))


def results(session: Session, files: Sequence[PublishedFile], sign: Signer | None) -> list[Record]:
    """Render published files; without a signer they have no signed URLs."""
    ids = {file.storage_config_id for file in files}
    configs = {one.id: one for one in session.scalars(select(StorageConfig).where(StorageConfig.id.in_(ids)))}
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
                "date_created": instant(file.created),
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
        "date_created": instant(config.created),
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
        "date_created": instant(webhook.created),
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
        "date_created": instant(record.created),
        "date_expires": instant(record.expires),
    }


def organisation(session: Session, record: Organization) -> Record:
    """Render an organization."""
    defaults = session.get(FileDefaults, record.id)
    query = select(Webhook.id).where(Webhook.organization_id == record.id, Webhook.is_default)
    return {
        "id": record.id,
        "resource": "organisation",
        "name": record.name,
        "storage_config": defaults.storage_config_id if defaults else None,
        "webhook_config": session.scalar(query.limit(1)),
        "state": "active",
        "date_created": instant(record.created),
    }


def user(record: RemoteUser) -> Record:
    """Render a user."""
    return _record(record, "user") | {"identifier": record.identifier}


def source(record: RemoteSource) -> Record:
    """Render a source."""
    return _record(record, "source") | {
        "user": record.user_id,
        "type": record.type,
        "identifier": record.identifier,
    }


def sessions(session: Session, records: Sequence[RemoteSession]) -> list[Record]:
    """Render sessions, with their sources."""
    ids = {record.source_id for record in records}
    found = {one.id: one for one in session.scalars(select(RemoteSource).where(RemoteSource.id.in_(ids)))}
    return [
        _record(record, "session")
        | {
            "key": record.key_id,
            "user": record.user_id,
            "source": source(found[record.source_id]),
            "state": record.state,
            "error": record.error,
            "date_expired": instant(record.expired),
        }
        for record in records
    ]


def task(record: Task) -> Record:
    """Render a task."""
    return _record(record, "task") | {
        "key": record.key_id,
        "poll": record.poll_id,
        "type": record.type,
        "state": record.state,
        "error": record.error,
        "date_started": instant(record.started),
        "date_completed": instant(record.completed),
    }


def polls(session: Session, records: Sequence[Poll], sign: Signer | None) -> list[Record]:
    """Render polls, with all their results and the states of their tasks."""
    ids = [record.id for record in records]
    tasks: dict[str, list[Task]] = {id_: [] for id_ in ids}
    for one in session.scalars(select(Task).where(Task.poll_id.in_(ids)).order_by(Task.number)):
        tasks[str(one.poll_id)].append(one)
    found = session.scalars(
        select(PublishedFile).where(PublishedFile.poll_id.in_(ids)).order_by(PublishedFile.number)
    ).all()
    of_poll: dict[str, list[Record]] = {id_: [] for id_ in ids}
    for result in results(session, found, sign):
        of_poll[result["poll"]].append(result)
    return [_poll(record, tasks[record.id], of_poll[record.id]) for record in records]


def _poll(record: Poll, tasks: Sequence[Task], found: list[Record]) -> Record:
    states = ("pending", "processing", "succeeded", "failed", "suspended")
    return {
        **_record(record, "poll"),
        "key": record.key_id,
        "user": record.user_id,
        "source": record.source_id,
        "session": record.session_id,
        "subscription": record.subscription_id,
        **{f"tasks_{state}": [one.id for one in tasks if one.state == state] for state in states},
        "results": envelope(found, "/results"),
        # A list of resources would have to name a type that clients do not know.
        "errors": [{"task": one.id, "error": one.error} for one in tasks if one.error],
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
    return _record(record, "permissions") | {"key": record.key_id, "scopes": record.scopes}


def _record(record: Any, resource: str) -> Record:
    return {
        "id": record.id,
        "resource": resource,
        "organisation": record.organization_id,
        "date_created": instant(record.created),
    }


def each(function: Any) -> Any:
    """Return what renders many, from what renders one."""
    return lambda _call, rows: [function(row) for row in rows]
