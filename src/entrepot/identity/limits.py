"""How much an organization may have: limits that the operator sets, off by default, and the use that they are held to.

Use comes from sums that are kept, and is measured at most once a minute; in between each process adds what it writes
itself. So a limit is exact where one process writes, and others pass it by what they write in a minute at most.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from entrepot.errors import InvalidInput, LimitReached
from entrepot.identity.models import Organization
from entrepot.jobs.models import Job

Measure = Callable[[Session, str], int]
#: What may be limited, each with what it counts.
NAMES = {
    "points": "points of series",
    "files": "published files",
    "file_bytes": "bytes of published files",
    "storage": "bytes of files in the server's own storage",
    "attachments": "bytes of files attached to parts and sensors",
    "works": "works in queue and archive",
    "jobs": "jobs that wait",
}
_LOOKED_UP_SECONDS, _MEASURED_SECONDS, _AGAIN_SECONDS = 5.0, 60.0, 1.0
_measures: dict[str, Measure] = {}


@dataclass(frozen=True)
class Use:
    """What an organization has of something, and the most it may have; None: no limit."""

    organization_id: str
    name: str
    used: int
    most: int | None


@dataclass
class _Book:
    """What a process knows of the organizations of a database."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    looked_up: float = float("-inf")
    #: The limits of each organization that has any.
    limits: dict[str, dict[str, int]] = field(default_factory=dict)
    #: Use, and when it was measured.
    used: dict[tuple[str, str], tuple[int, float]] = field(default_factory=dict)


_books: WeakKeyDictionary[Engine, _Book] = WeakKeyDictionary()
_books_lock = threading.Lock()


def measured_by(name: str) -> Callable[[Measure], Measure]:
    """Declare the function that measures an organization's use of something."""

    def register(measure: Measure) -> Measure:
        _measures[name] = measure
        return measure

    return register


def grown(session: Session, organization_id: str | None, name: str, by: int) -> None:
    """Take note of what this unit of work added; where that is more than the limit, nothing of it may be kept.

    Raises
    ------
    LimitReached
        Says the limit, the use, and whom to ask.
    """
    book = _book(session)
    limits = book.limits.get(organization_id or "", {})
    if by <= 0 or name not in limits or organization_id is None:
        return
    most, at = limits[name], time.monotonic()
    known, measured = book.used.get((organization_id, name), (0, float("-inf")))
    used, measured_now = known + by, False
    if at - measured > _MEASURED_SECONDS or (used > most and at - measured > _AGAIN_SECONDS):
        used, measured, measured_now = _measures[name](session, organization_id), at, True  # with what was added
    if used > most:
        if measured_now:
            book.used[organization_id, name] = (used - by, at)
        raise LimitReached(
            f"Your organization may have {most:,} {NAMES[name]} (limit {name}) and would have {used:,}: "
            "delete some, or ask the operator of this server for more."
        )
    book.used[organization_id, name] = (used, measured)


def is_limited(session: Session, organization_id: str | None, name: str) -> bool:
    """Tell whether there is a limit that :func:`grown` holds an organization to."""
    return name in _book(session).limits.get(organization_id or "", {})


def set_limits(session: Session, organization: Organization, changes: dict[str, int | None]) -> None:
    """Change limits of an organization; None lifts one. What is over a limit already stays, and grows no more."""
    for name, most in changes.items():
        if name not in NAMES:
            raise InvalidInput.field(name[:100], f"One of {', '.join(NAMES)}.")
        if most is not None and not 0 <= most < 2**63:
            raise InvalidInput.field(name, "A whole number that is not negative.")
    merged = organization.limits | changes
    organization.limits = {name: most for name, most in merged.items() if most is not None}
    session.flush()
    _book(session).looked_up = float("-inf")


def use_of(session: Session, organization: Organization) -> list[Use]:
    """Return what an organization has of everything that may be limited, measured at most once a minute."""
    return [
        Use(organization.id, name, _used(session, organization.id, name), organization.limits.get(name))
        for name in NAMES
    ]


def limited(session: Session) -> list[Use]:
    """Return the use of everything that is limited, measured at most once a minute."""
    return [
        Use(organization_id, name, _used(session, organization_id, name), most)
        for organization_id, limits in _book(session).limits.items()
        for name, most in limits.items()
    ]


@measured_by("jobs")
def _jobs_of(session: Session, organization_id: str) -> int:
    waiting = select(func.count()).where(Job.organization_id == organization_id, Job.status == "pending")
    return session.scalar(waiting) or 0


def _used(session: Session, organization_id: str, name: str) -> int:
    book, at = _book(session), time.monotonic()
    used, measured = book.used.get((organization_id, name), (0, float("-inf")))
    if at - measured > _MEASURED_SECONDS:
        used = _measures[name](session, organization_id)
        book.used[organization_id, name] = (used, at)
    return used


def _book(session: Session) -> _Book:
    engine = session.get_bind().engine
    with _books_lock:
        book = _books.setdefault(engine, _Book())
    with book.lock:
        if time.monotonic() - book.looked_up > _LOOKED_UP_SECONDS:
            rows = session.execute(select(Organization.id, Organization.limits)).all()
            limits = {id_: dict(found) for id_, found in rows if found}
            # What had no limit was not followed.
            changed = {id_ for id_ in {*limits, *book.limits} if limits.get(id_) != book.limits.get(id_)}
            book.used = {key: known for key, known in book.used.items() if key[0] not in changed}
            book.limits = limits
            book.looked_up = time.monotonic()
    return book
