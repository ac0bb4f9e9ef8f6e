"""Waking the workers of this process as soon as a new job is committed."""

import threading
import weakref

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

_wakers: weakref.WeakSet[threading.Event] = weakref.WeakSet()


def add_waker(waker: threading.Event) -> None:
    """Have an event set each time this process commits a new job; forgotten when nobody else keeps it."""
    _wakers.add(waker)


def wake_after_commit(session: Session) -> None:
    """Wake them once what is written in this unit of work is committed."""
    session.info["wakes_workers"] = True


@event.listens_for(Session, "after_transaction_end")
def _wake(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None and session.info.pop("wakes_workers", False):
        for waker in list(_wakers):
            waker.set()
