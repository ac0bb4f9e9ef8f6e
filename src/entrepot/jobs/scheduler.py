"""The scheduler: makes jobs of schedules that are due. Any number may run; the one with the lease works."""

import threading
import time
from contextlib import suppress
from datetime import datetime, timedelta

import structlog
from sqlalchemy import or_, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session

from entrepot.db import Database, clock, new_id, now
from entrepot.db.engine import write_by
from entrepot.errors import ReadOnly, Unavailable
from entrepot.jobs import ahead, due, schedules
from entrepot.jobs.housekeeping import PRUNE
from entrepot.jobs.models import Job, Lease

LEASE = "scheduler"
#: Short enough that a standby which looks twice a second fires within 15 s of the last holder's end.
LEASE_SECONDS = 12.0
TICK_SECONDS = 0.5
#: How long it waits for others who write, so that it ends in time when it is asked to.
PATIENCE_SECONDS = 4.0
#: How often it is looked for what lies too far ahead, though no clock jumped; and what is a jump.
MEND_SECONDS, JUMP_SECONDS = 600.0, 2.0
#: How often, and for how long, after a jump: other parts see it later, and write by the old clock until then.
AFTER_JUMP_SECONDS, AFTER_JUMP_FOR_SECONDS = 2.0, 30.0

_log = structlog.get_logger(__name__)


class Scheduler:
    """Fires schedules as long as it holds the lease, and tries to get it otherwise."""

    def __init__(self, database: Database, *, lease_seconds: float = LEASE_SECONDS) -> None:
        self._database = database
        self._lease = timedelta(seconds=lease_seconds)
        self._holder = new_id()
        self._renew_at = self._mend_at = self._jumped_until = 0.0
        self._offset = time.time() - time.monotonic()
        self._tick_seconds = min(TICK_SECONDS, lease_seconds / 6)

    def run(self, stop: threading.Event) -> None:
        """Work until `stop` is set, then hand the lease on."""
        with self._database.write() as session:
            schedules.every(session, PRUNE, 3600, PRUNE)
        while not stop.is_set():
            _give_up_soon()
            # The earlier of before and after it is looked for a jump: no jump makes anything due, or plans far ahead.
            instant = now()
            try:
                self.mend()
                if len(self.tick(min(instant, now()))) == schedules.MOST_AT_ONCE:
                    continue
            except ReadOnly as error:
                _log.warning("scheduler fires nothing", error=error.message)
                stop.wait(error.retry_after)
            except Unavailable as error:
                _log.warning("scheduler cannot reach the database", error=error.message)
            except SQLAlchemyError:
                _log.exception("scheduler cannot reach the database")
            stop.wait(self._tick_seconds)
        _give_up_soon()
        with suppress(Unavailable), self._database.write() as session:  # or else it lapses
            session.execute(
                update(Lease).where(Lease.name == LEASE, Lease.holder == self._holder).values(until=clock.read(session))
            )

    def tick(self, instant: datetime | None = None) -> list[Job]:
        """Fire what is due if the lease is ours, and return the jobs."""
        instant = instant or now()
        if time.monotonic() < self._renew_at:
            with self._database.snapshot() as connection:
                if not due.schedules(connection, instant):
                    return []
        try:
            with self._database.write() as session:
                if not self._hold(session):
                    return []
                return schedules.fire_due(session, instant)
        except IntegrityError:  # another one made the lease first
            return []

    def mend(self, instant: datetime | None = None) -> list[str]:
        """After the clock was set back, and now and then, bring back what lies too far ahead; return the schedules."""
        offset = time.time() - time.monotonic()
        ahead_by, self._offset = offset - self._offset, offset
        jumped = abs(ahead_by) > JUMP_SECONDS
        if not jumped and time.monotonic() < self._mend_at:
            return []
        begins, again = not self._mend_at, time.monotonic() < self._jumped_until
        if jumped:
            self._jumped_until = time.monotonic() + AFTER_JUMP_FOR_SECONDS
        self._mend_at = time.monotonic() + (AFTER_JUMP_SECONDS if jumped or again else MEND_SECONDS)
        with self._database.write() as session:
            self._wait_after_leap(session, instant or now(), timedelta(seconds=ahead_by), begins=begins)
            fast = clock.skew(session)
            mended, waiting = schedules.mend(session, instant or now()), ahead.bring_forward(session, instant or now())
        if abs(fast.total_seconds()) > JUMP_SECONDS and (jumped or not again):
            _log.warning("the clocks of this machine and the database differ", ahead_seconds=fast.total_seconds())
        if mended or waiting:
            _log.warning("computed anew what lay too far ahead: the clock was set back", schedules=mended, jobs=waiting)
        return mended

    def _wait_after_leap(self, session: Session, instant: datetime, ahead_by: timedelta, *, begins: bool) -> None:
        """Delete nothing that users stored for being old on the word of a clock that leapt, until a day has passed."""
        last = schedules.last(session) if begins else None
        if ahead_by < schedules.LEAP and (last is None or instant - last < schedules.LEAP):
            return
        if waiting := schedules.wait_after_leap(session, instant):
            _log.warning("the clock is far ahead of where it was: nothing is deleted for its age today", waits=waiting)

    def _hold(self, session: Session) -> bool:
        """Take or prolong the lease; its row stays locked until the unit of work ends."""
        instant = clock.read(session)
        # A lease that a clock ahead of ours gave would last as long as that clock was ahead.
        over = or_(Lease.until < instant, Lease.until > instant + 2 * self._lease)
        statement = (
            update(Lease)
            .where(Lease.name == LEASE, or_(Lease.holder == self._holder, over))
            .values(holder=self._holder, until=instant + self._lease)
            .returning(Lease.name)
        )
        held = session.execute(statement, execution_options={"synchronize_session": False}).first() is not None
        if not held and session.get(Lease, LEASE) is None:
            session.add(Lease(name=LEASE, holder=self._holder, until=instant + self._lease))
            session.flush()
            held = True
        self._renew_at = time.monotonic() + self._lease.total_seconds() / 3
        return held


def _give_up_soon() -> None:
    """Have what is done next wait for others who write for a few seconds at most."""
    write_by.set(time.monotonic() + PATIENCE_SECONDS)
