"""Whether the process lives, whether this part can do its job, whether the whole server is well: no long waits.

Nothing here takes a thread, a connection or a turn that requests wait for.
"""

import asyncio
import dataclasses
import os
import time
from collections.abc import Callable
from typing import Any

import structlog
from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from starlette.requests import Request

import entrepot
from entrepot import jobs
from entrepot.db import Database, clock, now
from entrepot.errors import EntrepotError, OutOfSpace, Unavailable
from entrepot.jobs import beats
from entrepot.jobs.models import Lease
from entrepot.objects.own import bucket_in_time
from entrepot.server import state
from entrepot.server.beats import SILENT_SECONDS, Beats, holder
from entrepot.server.endpoint import authenticate
from entrepot.server.recognise import STORE
from entrepot.server.services import Services
from entrepot.server.space import Space
from entrepot.server.tally import Tally

log = structlog.get_logger("entrepot.health")

#: Longest wait for each thing that is tried.
LIMIT_SECONDS = 2.0
#: What was found is told for so long, however often one asks.
_FRESH_SECONDS = 0.5
#: A lock that others hold is their right, up to here.
_LOCKED_SECONDS = 10.0
#: A full disk of the database, of which its statements tell alone, is told for so long.
_FULL_SECONDS = 10.0
#: By so much clocks may differ.
_SKEW_SECONDS = 10.0
_THREADS = 4
#: For administrators, who wait for sums over what is stored.
_DETAILS_SECONDS = 8.0
#: Prometheus waits for ten by default.
_SCRAPE_SECONDS = 9.0


class Health:
    """What a web process knows about its server.

    Parameters
    ----------
    beats
        Those of this part; None where nothing supervises it.
    tally
        What all parts have counted.
    stopping
        Tells whether this part was told to stop.
    """

    def __init__(
        self,
        services: Services,
        beats: Beats | None = None,
        tally: Tally | None = None,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.stopping = stopping
        self.space = Space(services.settings.data_dir)
        self.database = Database(services.database.url, pool_size=2 * _THREADS, patience=LIMIT_SECONDS)
        self._services = services
        self._beats = beats
        self._tally = tally
        #: How often the disk of the database had no room, and until when (monotonic) that is told.
        self._full, self._full_until = self._count_full(), 0.0
        self._threads = CapacityLimiter(_THREADS)
        # Of their own: whoever asks for more, with whatever key, must not make the answers late that all may ask for.
        self._threads_of_details = CapacityLimiter(_THREADS)
        self._found: tuple[float, dict[str, str]] = (0.0, {})
        self._silent: list[str] = []
        self._bucket = bucket_in_time(services.settings, LIMIT_SECONDS)
        #: What the bucket says instead of answering; a part goes on without it: points, rows and works are not in it.
        self.storage_fails: dict[str, str] = {}
        #: What keeps nobody from anything now, and will.
        self.warnings: list[str] = []
        self._turn = asyncio.Lock()

    async def problems(self) -> dict[str, str]:
        """Return what keeps this part from its job, by what it is that fails."""
        if self.stopping():
            return {"part": "stopping"}
        async with self._turn:
            at, found = self._found
            if time.monotonic() - at > _FRESH_SECONDS:
                self._silent = []
                looks = self._try(self._read), self._try(self.space.write), self._try(self._reach)
                *tried, said = await asyncio.gather(*looks)
                self.storage_fails = {"storage": said} if said else {}
                found = {name: said for name, said in zip(("database", "disk"), tried, strict=True) if said}
                if "database" not in found and (said := self._late()):
                    found["database"] = said
                if "disk" not in found and await self._was_full():
                    found["disk"] = OutOfSpace().message
                for name, said in found.items():
                    log.warning("not healthy", part=name, cause=name, error=said)
                self._found = time.monotonic(), found
        return found

    async def whole(self) -> dict[str, str]:
        """Return what is wrong with the server, by part."""
        found = await self.problems()
        found = dict.fromkeys(self._silent, "silent") | found | self.storage_fails
        return found | dict.fromkeys(state.parts_down(self._services.settings.data_dir), "not ready")

    @property
    def locked(self) -> bool:
        """Whether others hold a lock that keeps this part from writing."""
        return self._beats is not None and self._beats.late_since is not None and self._beats.locked

    async def details(self, request: Request) -> dict[str, Any]:
        """Return what administrators may know; nothing for others, or while the database does not answer."""
        try:
            async with asyncio.timeout(_DETAILS_SECONDS):
                return await run_sync(self._details, request, abandon_on_cancel=True, limiter=self._threads_of_details)
        except Exception as error:  # noqa: BLE001 - whether all is well has been answered by then
            log.warning("health is incomplete", cause="incomplete", error=repr(error))
            return {}

    async def metrics(self, make: Callable[[], bytes]) -> bytes:
        """Return metrics, made on a thread of this.

        Raises
        ------
        Unavailable
            They cannot be made in time.
        """
        try:
            async with asyncio.timeout(_SCRAPE_SECONDS):
                return await run_sync(make, abandon_on_cancel=True, limiter=self._threads_of_details)
        except TimeoutError:
            raise Unavailable("Metrics cannot be had in time: the database does not answer.", 5) from None

    def close(self) -> None:
        """Let go of every connection."""
        self.database.close()

    def _late(self) -> str | None:
        """Say what keeps the beats of this part from the database, if it does for too long."""
        since = self._beats.late_since if self._beats is not None else None
        if since is None or (seconds := time.monotonic() - since) < _LOCKED_SECONDS:
            return None
        return f"{'locked' if self.locked else 'not written to'} for {seconds:.0f} s"

    async def _was_full(self) -> bool:
        """Look at the counts of all parts on a thread: they are many, and others write theirs at the same time."""
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                return await run_sync(self._is_full, abandon_on_cancel=True, limiter=self._threads)
        except TimeoutError:
            return False

    def _is_full(self) -> bool:
        """Tell whether a part met a full disk of the database lately, which may be another than that of the folder."""
        if (full := self._count_full()) > self._full:
            self._full, self._full_until = full, time.monotonic() + _FULL_SECONDS
        return time.monotonic() < self._full_until

    def _count_full(self) -> float:
        return 0.0 if self._tally is None else self._tally.sums().get(("entrepot_database_full_total", ()), 0.0)

    async def _try(self, look: Callable[[], None]) -> str | None:
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                await run_sync(look, abandon_on_cancel=True, limiter=self._threads)
        except TimeoutError:
            return f"no answer within {LIMIT_SECONDS:.0f} s"
        except EntrepotError as error:
            return error.message
        except Exception as error:  # noqa: BLE001 - whatever it is, this part cannot do its job
            log.warning("cannot be tried", cause=look.__name__, error=repr(error))
            return "failed; the log says why"
        return None

    def _reach(self) -> None:
        """Ask the bucket for what every part of this server finds in it."""
        if self._bucket is None:
            return
        try:
            self._bucket.size(STORE)
        except EntrepotError as error:  # names the address, which is not everybody's to know
            log.warning("not healthy", part="storage", cause="the bucket does not answer", error=error.message)
            raise Unavailable("The bucket of the setting storage_url does not answer; the log says why.") from error

    def _read(self) -> None:
        """Read, and look of which parts beside this one the database has not heard for long."""
        with self.database.read() as session:
            session.scalars(select(Lease.name).limit(1)).first()
            found = beats.all_(session)
            differ = abs(clock.skew(session).total_seconds()) > _SKEW_SECONDS
        refused = self._beats is not None and self._beats.refused
        fails = {"disk": self.space.short(), "key": self.key() != "ok", "clock": differ, "read-only": refused}
        self.warnings = [name for name, wrong in fails.items() if wrong]
        if self._beats is not None and self._beats.late_since is None and not refused:
            ours = [one for one in found if one.holder == holder(one.part)]
            self._silent = [one.part for one in ours if (now() - one.seen_at).total_seconds() > SILENT_SECONDS]

    def _details(self, request: Request) -> dict[str, Any]:
        with self.database.read() as session:
            return self.told(session) if _is_administrator(request, session) else {}

    def told(self, session: Session) -> dict[str, Any]:
        """Return what administrators may know of the server."""
        instant = now()
        ahead = clock.skew(session).total_seconds() if self.database.dialect == "postgresql" else None
        parts = [
            {
                "part": one.part,
                "host": one.host,
                "pid": one.pid,
                "version": one.version,
                "started_at": one.started_at.isoformat(),
                "seen_at": one.seen_at.isoformat(),
                "silent_seconds": round((instant - one.seen_at).total_seconds(), 1),
            }
            for one in beats.all_(session)
        ]
        waiting = jobs.backlog(session)
        size = session.scalar(text(_SIZE[self.database.dialect]))
        return {
            "scripts": dataclasses.asdict(self._services.script_level()),
            "parts": parts,
            "jobs": {kind: dataclasses.asdict(one) for kind, one in waiting.items()},
            "disk": self.space.told(),
            "database": {"kind": self.database.dialect, "bytes": size, "locked": self.locked},
            "key": self.key(),
            "clock": {
                "now": instant.isoformat(),
                "ahead_of_database_seconds": None if ahead is None else round(ahead, 3),
            },
        }

    def key(self) -> str:
        """Return ``ok``, or what is wrong with the file of the secret key, without which nothing would start again."""
        try:
            return self._services.vault.problem or "ok"
        except (EntrepotError, ValueError, OSError) as error:
            return str(error)


_SIZE = {
    "sqlite": "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
    "postgresql": "SELECT pg_database_size(current_database())",
}


def size_of(database: Database) -> int:
    """Return the bytes of a database."""
    with database.read() as session:
        return int(session.scalar(text(_SIZE[database.dialect])) or 0)


def _is_administrator(request: Request, session: Any) -> bool:
    """Whether an administrator's API key came along; passwords are not tried at a door that is open to all."""
    headers = request.headers
    if "x-access-token" not in headers and headers.get("authorization", "basic").lower().startswith("basic"):
        return False
    try:
        authenticate(request, "identity", "admin", session=session)
    except EntrepotError:
        return False
    return True


def live() -> dict[str, str]:
    """Return what a process says that answers."""
    return {"status": "ok", "version": entrepot.__version__, "pid": str(os.getpid())}
