"""Sessions: access to a source, through which data is asked of it until it ends."""

from sqlalchemy.orm import Session

from entrepot.db import now
from entrepot.errors import InvalidInput
from entrepot.events import emit
from entrepot.identity import Principal, records
from entrepot.requests import sources
from entrepot.requests.models import RemoteSession, RemoteSource

STATUSES = ("pending", "active", "failed", "expired")


class SessionEnded(InvalidInput):
    """The session is not active."""


def begin(session: Session, principal: Principal, source: RemoteSource) -> RemoteSession:
    """Return access to a source, which counts as used from now on."""
    principal.require("write")
    sources.require_usable(session, source)
    sources.validate(session, source)
    remote = RemoteSession(
        organization_id=source.organization_id,
        key_id=principal.key_id,
        user_id=source.user_id,
        source_id=source.id,
        status="active",
    )
    session.add(remote)
    session.flush()
    return remote


def end(session: Session, remote: RemoteSession) -> None:
    """End access; a second end changes nothing."""
    if remote.status == "expired":
        return
    remote.status, remote.expired_at = "expired", now()
    session.flush()
    data = {"key": remote.key_id}
    emit(session, "session", "expired", remote.id, organization_id=remote.organization_id, data=data)


def require_active(remote: RemoteSession) -> None:
    """Raise SessionEnded unless data may be asked for through a session."""
    if remote.status != "active":
        raise SessionEnded("The session is not active.", {"session": ["It is not active."]})


def source_asked(session: Session, remote: RemoteSession | None, source: RemoteSource | None) -> RemoteSource | None:
    """Return what data is asked of: a source, or part of one, that the session (if any) gives access to.

    Parameters
    ----------
    source
        By default the session's own; without a session, none.

    Raises
    ------
    InvalidInput
        The session is one of another source, or nothing may be asked of it.
    """
    if source is None and remote is not None:
        source = records.by_id(session, RemoteSource, remote.source_id)
    if source is None:
        return None
    if remote is not None and remote.source_id not in (source.id, source.parent_id):
        raise InvalidInput.field("source", "The session is one of another source.")
    sources.require_usable(session, source)
    return source
