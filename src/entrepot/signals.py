"""What a process does when it gets a signal."""

import _thread
import signal
import threading
from collections.abc import Callable

#: The signals that ask a command to end; Windows has no SIGHUP.
ENDS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))


def on_signals(action: Callable[[], object], *signals: signal.Signals) -> None:
    """Have a function called, in a thread of its own, at each of these signals; to be called in the main thread.

    A handler runs between any two steps of the main thread, which may hold the very lock that the action needs.
    """
    for number in signals:
        signal.signal(number, lambda *_: _thread.start_new_thread(action, ()))


def stop_on(*signals: signal.Signals) -> threading.Event:
    """Return an event that these signals set; to be called in the main thread."""
    stop = threading.Event()
    on_signals(stop.set, *signals)
    return stop
