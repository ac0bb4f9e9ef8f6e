"""What keys may do, as their owners wrote it down; the keys' own scopes are what counts."""

from collections.abc import Sequence

from sqlalchemy.orm import Session

from entrepot.identity import ApiKey, Principal, keys, records
from entrepot.requests.models import Permissions

_EVERYTHING = ["*:admin"]


def get_permissions(session: Session, principal: Principal, permissions_id: str) -> Permissions:
    """Return the permissions of an id."""
    found: Permissions = records.find(session, principal, Permissions, "Permissions", permissions_id)
    return found


def create_permissions(
    session: Session, principal: Principal, key_id: str, scopes: Sequence[str] | None = None
) -> Permissions:
    """Write down what one of the caller's own keys may do from now on.

    Parameters
    ----------
    scopes
        None: what it may do now.
    """
    key = keys.get_own_key(session, principal, key_id)
    record = Permissions(organization_id=key.organization_id, key_id=key.id)
    wanted = (key.scopes or _EVERYTHING) if scopes is None else scopes
    _grant(session, principal, record, key, wanted)
    session.add(record)
    session.flush()
    return record


def change_permissions(session: Session, principal: Principal, record: Permissions, scopes: Sequence[str]) -> None:
    """Have the key of a record do what these scopes say, and no more."""
    _grant(session, principal, record, keys.get_own_key(session, principal, record.key_id or ""), scopes)
    session.flush()


def _grant(session: Session, principal: Principal, record: Permissions, key: ApiKey, scopes: Sequence[str]) -> None:
    """Give a key its scopes, as the record says them; only its own user can, and none that are wider than it has."""
    principal.require("admin", key.organization_id, "Key")
    keys.change_scopes(session, principal, key, scopes)
    record.scopes = list(scopes)
