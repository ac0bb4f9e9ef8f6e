"""Sessions of the console: the caller's own, and for administrators those of members."""

from datetime import datetime
from typing import Annotated

from fastapi import Query

from entrepot.identity import ConsoleSession, User, sessions
from entrepot.server.api.nouns import NOT_KEPT, Asked, Noun, Page, Reference, listed
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["sessions"])


class SessionShown(Noun):
    """Somebody who signed in to the console: until it signs out, or its time is over, or its password is another."""

    id: str
    user: Annotated[Reference, NOT_KEPT]
    address: str
    agent: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime


@router.serve("GET", "/sessions", area="identity", right="read", access="own")
def list_sessions(
    unit: Unit,
    asked: Asked,
    member: Annotated[
        str | None, Query(description="Id of a member, for administrators; by default, one's own.")
    ] = None,
) -> Page[SessionShown]:
    """List the sessions that go on, the newest first."""
    query = sessions.under_way(unit.session, unit.principal, member)
    user = unit.session.get(User, member or unit.principal.user_id)
    whose = Reference(id=user.id if user else "", name=user.login if user else "")
    order = (ConsoleSession.created_at, ConsoleSession.id)
    return listed(
        unit,
        query,
        order,
        asked,
        lambda rows: [SessionShown.showing(one, user=whose) for one in rows],
        newest_first=True,
    )


@router.serve("DELETE", "/sessions/{session_id}", area="identity", right="write", status=204, access="own")
def end_session(unit: Unit, session_id: str) -> None:
    """End a session at once: one of the caller's own, or a member's for administrators."""
    sessions.end_one(unit.session, unit.principal, session_id)
