"""The audit log, and who is refused at the door: for administrators."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from fastapi import Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from entrepot.identity import AuditEntry, audit, bans
from entrepot.server.api.nouns import NOT_KEPT, Asked, Noun, Page, Reference, listed
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["audit"])


class AuditShown(Noun):
    """Who did what to what."""

    id: str
    created_at: datetime
    user: Annotated[
        Reference | None, NOT_KEPT, Field(description="Who; null: the operator of the server, or the server by itself.")
    ]
    key: Annotated[str | None, NOT_KEPT, Field(description="Id of the key that it was done with, if with one.")]
    address: str
    kind: Annotated[str, Field(description="What it happened to: `key`, `member`, `session`, `webhook` and so on.")]
    object_id: str
    name: str
    action: str
    changes: Annotated[dict[str, Any], Field(description="By field, what it was and what it is; never a secret.")]


class BanShown(BaseModel):
    """A member's login, or an address that tried it, which is not heard because of wrong passwords."""

    model_config = ConfigDict(from_attributes=True)

    address: str
    login: str
    since: datetime | None
    until: datetime


@router.serve("GET", "/audit", area="identity", right="admin")
def list_audit(
    unit: Unit,
    asked: Asked,
    kind: Annotated[str, Query(max_length=20, description="What it happened to.")] = "",
    login: Annotated[str, Query(max_length=300, description="Who did it.")] = "",
    since: Annotated[AwareDatetime | None, Query(description="Not what was before.")] = None,
) -> Page[AuditShown]:
    """List the audit log of the caller's organization, newest first."""
    query = audit.entries(unit.principal, kind=kind, login=login, since=since)

    def show(rows: Sequence[AuditEntry]) -> list[AuditShown]:
        return [AuditShown.showing(one, user=_who(one), key=one.key_id) for one in rows]

    return listed(unit, query, (AuditEntry.number,), asked, show, newest_first=True)


@router.serve("GET", "/bans", area="identity", right="admin")
def list_bans(unit: Unit) -> Page[BanShown]:
    """List who is refused because of wrong passwords for logins of the organization's members, the newest first."""
    found = bans.of_members(unit.session, unit.principal)
    return Page(items=[BanShown.model_validate(one) for one in found])


def _who(one: AuditEntry) -> Reference | None:
    return Reference(id=one.user_id, name=one.login) if one.user_id else None
