"""The engine whose calls wait in the database for remote workers."""

import time
from collections.abc import Sequence

import structlog

from entrepot.db import Database
from entrepot.engines import calls
from entrepot.engines.models import RemoteCall
from entrepot.errors import Away, Unavailable
from entrepot.scripts import Limits, ScriptError
from entrepot.scripts.answer import Answer, Cancelled, Printed
from entrepot.scripts.wire import Buffer

_log = structlog.get_logger(__name__)
_FIRST_POLL_SECONDS, _LONGEST_POLL_SECONDS = 0.02, 0.25
#: For so long a call waits for the first worker there is.
PATIENCE_SECONDS = 60.0
#: Calls of one run side by side: how many workers there are, nobody knows.
_AT_ONCE = 8


class Remote:
    """Makes calls by remote workers, which claim them, and send their answers, over HTTPS.

    Parameters
    ----------
    seconds
        After which a worker, or whoever waits for an answer, is given up that says nothing.
    """

    at_once = _AT_ONCE

    def __init__(self, database: Database, seconds: float) -> None:
        self._database = database
        self._seconds = seconds

    def start(self) -> None:
        """Begin with what is waited for; workers are started elsewhere."""
        with self._database.write() as session:
            calls.sweep(session)

    def close(self) -> None:
        """Do nothing: who waits for a call removes it."""

    def make(
        self, request: Sequence[Buffer], limits: Limits, cancelled: Cancelled | None, _printed: Printed | None = None
    ) -> Answer:
        """Make a call; what the script prints comes with the answer.

        Raises
        ------
        ScriptError
            It was cancelled.
        Away
            No worker asks for calls.
        Unavailable
            Each of several workers fell silent that had it.
        """
        call = calls.ask(self._database, request, limits, self._seconds)
        try:
            fence, size = self._wait(call, cancelled)
            message = b"".join(calls.parts(self._database, call, fence))
            if len(message) != size:
                raise ValueError("the answer is not whole")
            return Answer.unpack(message, limits)
        except ValueError as error:  # the door looks at answers; what passes it and is none is no worker's word
            raise Unavailable(f"what a remote worker sent cannot be taken: {error}") from None
        finally:
            with self._database.write() as session:
                calls.drop(session, call)

    def _wait(self, call: RemoteCall, cancelled: Cancelled | None) -> tuple[int, int]:
        """Return fence and size of the answer, once it is there."""
        pause = _FIRST_POLL_SECONDS
        keep_at = give_up_at = time.monotonic()
        give_up_at += PATIENCE_SECONDS
        while True:
            with self._database.read() as session:
                match calls.standing(session, call):
                    case "answered", fence, size:
                        return fence, size
                    case "lost", fence, _:
                        raise Unavailable(f"{fence} remote workers fell silent that had a call of the script")
                    case None:
                        raise Unavailable("a call was removed: for too long nobody said to wait for it")
            if cancelled is not None and cancelled():
                raise ScriptError("cancelled", "the script was cancelled")
            if (instant := time.monotonic()) >= keep_at:
                keep_at = instant + self._seconds / 4
                with self._database.write() as session:
                    calls.keep(session, call, self._seconds)
                    calls.sweep(session)
                    if calls.any_worked_on(session, call.organization_id):
                        give_up_at = instant + PATIENCE_SECONDS
            if instant >= give_up_at:
                raise Away(
                    "No remote worker asks for the calls of the organization's scripts (engine = remote): start "
                    "`entrepot worker --url`."
                )
            time.sleep(pause)
            pause = min(pause * 1.5, _LONGEST_POLL_SECONDS)
