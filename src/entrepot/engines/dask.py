"""The engine that has calls made by the workers of a Dask cluster: a future a call, bytes in and bytes out."""

import asyncio
import dataclasses
import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import CancelledError
from typing import Any, cast
from uuid import uuid4

import structlog
from distributed import Client, Future, Security, Worker, WorkerPlugin, get_worker
from distributed.scheduler import KilledWorker

import entrepot
from entrepot.errors import Away, Unavailable
from entrepot.scripts import Limits, ScriptError, level
from entrepot.scripts.answer import Answer, Cancelled, Printed
from entrepot.scripts.here import TRIES, Here
from entrepot.scripts.wire import Buffer, pack, unpack
from entrepot.settings import Settings

_log = structlog.get_logger(__name__)
_CONNECT_SECONDS = 15.0
_ASK_SECONDS, _LOOK_SECONDS = 0.1, 5.0
#: For so long a call waits for a cluster that has no worker at all.
_PATIENCE_SECONDS = 60.0
#: What is larger is given to a worker before, and the task refers to it.
_LARGE = 1 << 20
_MOST_AT_ONCE = 64
_GONE = (CancelledError, asyncio.CancelledError, OSError, TimeoutError)


class Calls(WorkerPlugin):
    """What each worker of the cluster has: a warm template, and the calls that it makes.

    Parameters
    ----------
    trusted
        Make calls though they cannot be kept apart there.
    """

    #: Each process of each server registers it.
    idempotent = True

    def __init__(self, *, trusted: bool) -> None:
        # Of another name where it would do otherwise: one that a cluster has stays.
        self.name = f"entrepot-{entrepot.__version__}-calls{'-trusted' if trusted else ''}"
        self._trusted = trusted
        self._obstacle: str | None = None
        self._here: Here | None = None
        self._under_way: dict[str, threading.Event] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Return what crosses to a worker."""
        return vars(Calls(trusted=self._trusted))

    async def setup(self, worker: Worker) -> None:
        """Start the template."""
        await asyncio.to_thread(self._start)

    async def teardown(self, worker: Worker) -> None:
        """End it."""
        if self._here is not None:
            await asyncio.to_thread(self._here.close)

    def _start(self) -> None:
        apart = level()
        if apart.name != "full" and not self._trusted:
            self._obstacle = f"scripts cannot be kept apart on its workers, and lack {'; '.join(apart.missing)}"
            return
        self._here = Here()
        try:
            self._here.start()
        except Unavailable as error:
            self._obstacle = error.message

    def make(self, name: str, request: Buffer, limits: Limits) -> list[Buffer]:
        """Make a call, and return the message of its answer, or of what stands in its way."""
        if self._here is None or self._obstacle is not None:
            return pack({"obstacle": self._obstacle})
        stopped = self._under_way.setdefault(name, threading.Event())
        try:
            return self._here.make([request], limits, stopped.is_set).pack()
        except ScriptError as error:  # it could not begin
            return Answer(b"", b"", error.kind).pack()
        finally:
            self._under_way.pop(name, None)

    def stop(self, name: str) -> None:
        """End a call."""
        if name in self._under_way:
            self._under_way[name].set()


def make_call(plugin: str, name: str, request: bytes, limits: dict[str, Any]) -> bytes:
    """Make a call on a worker of the cluster."""
    worker = get_worker()
    if plugin not in worker.plugins:
        return b"".join(pack({"unknown": plugin}))
    return b"".join(_calls_of(worker, plugin).make(name, request, Limits(**limits)))


def stop_call(plugin: str, name: str, dask_worker: Worker) -> None:
    """End a call on a worker of the cluster, should it be there."""
    _calls_of(dask_worker, plugin).stop(name)


def _calls_of(worker: Worker, plugin: str) -> Calls:
    return cast("Calls", worker.plugins[plugin])


class Dask:
    """Makes calls on a Dask cluster, which is trusted as the server is: whoever runs it sees scripts and data.

    A worker of the cluster that is lost has the call made by another; when the scheduler is, the call is made again.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._plugin = Calls(trusted=settings.dask_trusted)
        self._lock = threading.Lock()
        self._client: Client | None = None
        # Its own lines would stand between those of the server.
        logger = logging.getLogger("distributed")
        logger.handlers.clear()
        logger.propagate = True

    @property
    def at_once(self) -> int:
        """How many threads the cluster has."""
        try:
            threads: dict[str, int] = self._connected().nthreads()
        except _GONE:  # each call finds out for itself
            return 1
        return min(max(sum(threads.values()), 1), _MOST_AT_ONCE)

    def start(self) -> None:
        """Connect; a cluster that is away now may be there when a call is."""
        try:
            self._connected()
        except Away as error:
            _log.warning("the Dask cluster is away", error=error.message)

    def close(self) -> None:
        """Let go of the cluster."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close(timeout=1)

    def make(
        self, request: Sequence[Buffer], limits: Limits, cancelled: Cancelled | None, _printed: Printed | None = None
    ) -> Answer:
        """Make a call; what the script prints comes with the answer.

        Raises
        ------
        ScriptError
            It was cancelled.
        Away
            The scheduler does not answer, has no workers, or these cannot keep scripts apart.
        Unavailable
            It was lost several times.
        """
        message = b"".join(request)
        for _ in range(TRIES):
            client = self._connected()
            try:
                return self._attempt(client, message, limits, cancelled)
            except KilledWorker as error:
                raise Unavailable(f"workers of the Dask cluster died that had a call of the script: {error}") from None
            except _GONE as error:
                _log.warning("a call was lost on the Dask cluster", error=str(error))
                if getattr(error, "reason", None) != "lost dependencies":
                    self._forget(client)
        raise Unavailable(f"a call of the script was lost {TRIES} times on the Dask cluster")

    def _connected(self) -> Client:
        """Return a client of the cluster, whose workers make calls."""
        with self._lock:
            if self._client is None:
                address = self._settings.dask_scheduler
                try:
                    self._client = self._connect()
                except (OSError, TimeoutError) as error:
                    raise Away(f"The Dask scheduler {address} does not answer (dask_scheduler): {error}") from None
            return self._client

    def _connect(self) -> Client:
        settings = self._settings
        security = Security(
            require_encryption=str(settings.dask_scheduler).startswith("tls:"),
            tls_ca_file=settings.dask_ca and str(settings.dask_ca),
            tls_client_cert=settings.dask_certificate and str(settings.dask_certificate),
            tls_client_key=settings.dask_key and str(settings.dask_key),
        )
        client = Client(
            settings.dask_scheduler,
            security=security,
            timeout=_CONNECT_SECONDS,
            set_as_default=False,
            name="entrepot",
            # What comes back is bytes, and nothing that would have to be unpickled.
            deserializers=["dask", "msgpack"],
        )
        try:
            client.register_plugin(self._plugin)
        except BaseException:
            client.close(timeout=1)
            raise
        return client

    def _forget(self, client: Client) -> None:
        """Have the next call connect anew: another scheduler does not know what makes calls."""
        with self._lock:
            if self._client is client:
                self._client = None
        client.close(timeout=1)

    def _attempt(self, client: Client, message: bytes, limits: Limits, cancelled: Cancelled | None) -> Answer:
        name = f"entrepot-{uuid4().hex}"
        data = client.scatter(message, hash=False) if len(message) > _LARGE else message
        future = client.submit(
            make_call, self._plugin.name, name, data, dataclasses.asdict(limits), key=name, pure=False
        )
        try:
            self._wait(client, future, name, cancelled)
            found = future.result()
        finally:
            future.release()
        try:
            header, _ = unpack(found)
            if header.get("unknown") is not None:
                raise ConnectionError("its scheduler is another")
            if (obstacle := header.get("obstacle")) is not None:
                raise Away(f"The Dask cluster makes no calls (dask_trusted): {str(obstacle)[:500]}.")
            return Answer.unpack(found, limits)
        except (TypeError, ValueError) as error:
            raise Unavailable(f"what the Dask cluster sent cannot be taken: {error}") from None

    def _wait(self, client: Client, future: Future[bytes], name: str, cancelled: Cancelled | None) -> None:
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        look_at = give_up_at = time.monotonic()
        give_up_at += _PATIENCE_SECONDS
        while not done.wait(_ASK_SECONDS):
            if cancelled is not None and cancelled():
                future.cancel()
                client.run(stop_call, self._plugin.name, name, on_error="ignore")
                raise ScriptError("cancelled", "the script was cancelled")
            if (instant := time.monotonic()) < look_at:
                continue
            look_at = instant + _LOOK_SECONDS
            if client.scheduler_info(n_workers=1)["workers"]:
                give_up_at = instant + _PATIENCE_SECONDS
            elif instant > give_up_at:
                raise Away("The Dask cluster has no workers (dask_scheduler).")
