"""Who guesses passwords is slowed and then refused: counted in the database, for all doors and processes alike.

What fails is counted by address, except for logins that are known there, having signed in from it of late: each of
these has a count of its own, so that neither a neighbour behind the same address nor a stranger elsewhere keeps a
user out. A login that fails from anywhere is slowed where it is not known, and never refused.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import delete, or_, select
from sqlalchemy.orm import Session

from entrepot.db import advisory_lock, now
from entrepot.errors import NotFound
from entrepot.identity.models import Membership, SignIns, User
from entrepot.identity.principal import Principal

#: Who is slowed is heard again so long after the last failure.
SLOWED = timedelta(seconds=1)
#: So many failures never slow anybody.
_FREE = 3
_RENEWED = timedelta(days=1)
_MOST_TOLD = 1000


@dataclass(frozen=True)
class Limits:
    """Failures within `seconds` before who failed is refused, for as long; and how long a login is known somewhere."""

    most: int
    seconds: float
    known_days: float = 30.0

    @property
    def window(self) -> timedelta:
        """How long a failure counts."""
        return timedelta(seconds=self.seconds)

    @property
    def known(self) -> timedelta:
        """How long a login is known at an address."""
        return timedelta(days=self.known_days)


@dataclass(frozen=True)
class Attempt:
    """An attempt to sign in: in how many seconds it would be heard, and whether a success is worth a note."""

    wait: int
    notable: bool


def look(session: Session, limits: Limits, address: str, login: str) -> Attempt:
    """Return what is to be done about an attempt to sign in."""
    address, instant = network_of(address), now()
    keys = [_key(address, login), _key(address), _key(login=login)]
    found = {row.kind: row for row in session.scalars(select(SignIns).where(SignIns.key.in_(keys)))}
    pair = found.pop("pair", None)
    known = pair.known_until if pair and pair.known_until and pair.known_until > instant else None
    counted = [pair] if pair and known else found.values()
    wait = max((_wait(row, limits, instant) for row in counted), default=0.0)
    return Attempt(math.ceil(wait), known is None or known < instant + limits.known - _RENEWED)


def failed(session: Session, limits: Limits, address: str, login: str) -> bool:
    """Note a failure, and tell whether it is the one too many."""
    advisory_lock(session, "sign in")  # lest two failures count as one
    address, instant = network_of(address), now()
    _forget(session, instant - limits.window, instant)
    own = session.get(SignIns, _key(address, login))
    if own is None or own.known_until is None or own.known_until <= instant:
        own = _row(session, "address", _key(address), address, login)
        own.login = login[:300]
    _count(_row(session, "login", _key(login=login), "", login), limits, instant)
    _count(own, limits, instant)
    refused = own.failures >= limits.most
    if refused:
        own.failures, own.since, own.until = 0, instant, instant + limits.window
    session.flush()
    return refused


def succeeded(session: Session, limits: Limits, address: str, login: str) -> None:
    """Note that a login signed in from an address, where it is known from now on."""
    advisory_lock(session, "sign in")
    address = network_of(address)
    pair = _row(session, "pair", _key(address, login), address, login)
    pair.failures, pair.known_until = 0, now() + limits.known
    session.flush()


def is_refused(session: Session, address: str) -> bool:
    """Tell whether nobody can sign in from an address."""
    address, instant = network_of(address), now()
    row = session.get(SignIns, _key(address))
    if row is None or row.until is None or row.until <= instant:
        return False
    known = select(SignIns.key).where(
        SignIns.address == address, SignIns.kind == "pair", SignIns.known_until > instant
    )  # fmt: skip
    return session.scalar(known.limit(1)) is None


def list_bans(session: Session) -> Sequence[SignIns]:
    """Return who is refused, the newest first."""
    query = select(SignIns).where(SignIns.until > now())
    return session.scalars(query.order_by(SignIns.since.desc(), SignIns.address, SignIns.key)).all()


def of_members(session: Session, principal: Principal) -> Sequence[SignIns]:
    """Return who is refused for having tried logins of the caller's organization's members, for its administrators."""
    principal.require("admin")
    own = select(User.login).join(Membership, Membership.user_id == User.id)
    own = own.where(Membership.organization_id == principal.organization_id)
    query = select(SignIns).where(SignIns.until > now(), SignIns.login.in_(own))
    return session.scalars(query.order_by(SignIns.since.desc(), SignIns.key).limit(_MOST_TOLD)).all()


def lift(session: Session, address: str | None = None) -> int:
    """Hear an address with all logins, or everybody, again, and return how many bans there were.

    Raises
    ------
    NotFound
        The address is not banned.
    """
    advisory_lock(session, "sign in")
    found = session.scalars(
        select(SignIns) if address is None else select(SignIns).where(SignIns.address == network_of(address))
    ).all()
    # A login that was tried there is slowed everywhere: it is heard at once, too.
    tried = select(SignIns).where(SignIns.key.in_({_key(login=row.login) for row in found}))
    lifted, instant = 0, now()
    for row in {*found, *session.scalars(tried)}:
        lifted += row.until is not None and row.until > instant
        row.failures, row.failed_at, row.until = 0, None, None
    if address is not None and not lifted:
        raise NotFound(f"{address} is not banned.")
    session.flush()
    return lifted


def network_of(address: str) -> str:
    """Return what is counted of an address: of IPv6, the network that one customer has."""
    try:
        found = ip_address(address.partition("/")[0].partition("%")[0])
    except ValueError:
        return address[:50]
    if isinstance(found, IPv6Address):
        return str(found.ipv4_mapped or ip_network((found, 64), strict=False))
    return str(found)


def _wait(row: SignIns, limits: Limits, instant: datetime) -> float:
    if row.until is not None and row.until > instant:
        return (row.until - instant).total_seconds()
    free = limits.most if row.kind == "login" else max(_FREE, limits.most // 2)
    if row.failed_at is None or row.failed_at < instant - limits.window or row.failures < free:
        return 0.0
    return max(0.0, (row.failed_at + SLOWED - instant).total_seconds())


def _count(row: SignIns, limits: Limits, instant: datetime) -> None:
    again = row.failed_at is not None and row.failed_at >= instant - limits.window
    row.failures, row.failed_at = row.failures + 1 if again else 1, instant


def _row(session: Session, kind: str, key: str, address: str, login: str) -> SignIns:
    row = session.get(SignIns, key)
    if row is None:
        row = SignIns(key=key, kind=kind, address=address, login=login[:300], failures=0)
        session.add(row)
    return row


def prune(session: Session, limits: Limits) -> None:
    """Forget what counts no more."""
    advisory_lock(session, "sign in")
    instant = now()
    _forget(session, instant - limits.window, instant)


def _forget(session: Session, failed_before: datetime, instant: datetime) -> None:
    over = [
        or_(column.is_(None), column < before)
        for column, before in (
            (SignIns.failed_at, failed_before), (SignIns.until, instant), (SignIns.known_until, instant)
        )
    ]  # fmt: skip
    session.execute(delete(SignIns).where(*over))


def _key(address: str = "", login: str = "") -> str:
    return hashlib.sha256(f"{address}\0{login}".encode(errors="replace")).hexdigest()
