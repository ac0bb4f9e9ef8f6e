"""When keys were last used and sessions last seen: written by the way, to within a minute."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import bindparam, update
from sqlalchemy.orm import Session

from entrepot.identity.models import ApiKey, ConsoleSession


def write(session: Session, keys: Mapping[str, tuple[datetime, str]], sessions: Mapping[str, datetime]) -> None:
    """Note when keys, by their ids, were used, and from where; when sessions were seen, by their tokens' SHA-256."""
    connection = session.connection()
    if keys:
        key = update(ApiKey).where(ApiKey.id == bindparam("of"))
        used = key.values(last_used_at=bindparam("at"), last_used_from=bindparam("address"))
        rows = [{"of": id_, "at": at, "address": address[:50]} for id_, (at, address) in sorted(keys.items())]
        connection.execute(used, rows)
    if sessions:
        one = update(ConsoleSession).where(ConsoleSession.token_sha256 == bindparam("of"))
        connection.execute(
            one.values(seen_at=bindparam("at")), [{"of": of, "at": at} for of, at in sorted(sessions.items())]
        )
