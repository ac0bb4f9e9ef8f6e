"""The verbs of the interface as pages call them: in the page's unit of work, and what was typed is kept."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy.orm import Session
from starlette.responses import RedirectResponse, Response

from entrepot.errors import Changed, Conflict, EntrepotError, InvalidInput, LimitReached
from entrepot.server.api.routing import Unit
from entrepot.server.endpoint import Call

T = TypeVar("T")
#: What people are told beside what they typed, so that they can mend it; whatever else goes wrong is a page of its own.
_MENDED = (InvalidInput, Conflict, LimitReached)


class PageUnit(Unit):
    """A call of a page as the endpoints of the interface see it."""

    def __init__(self, call: Call, version: str = "") -> None:
        super().__init__(call.services, call.principal, call.request, call.body)
        self.session = call.session
        self._form_version = version

    def require_version(self, version: int) -> None:
        """Raise Changed where the form was made of another version than the one that there is."""
        if self._form_version and self._form_version != str(version):
            raise Changed(
                "Somebody else changed it meanwhile. What you typed is below: open the page again to compare."
            )


def attempted(session: Session, act: Callable[[], T]) -> tuple[T | None, EntrepotError | None]:
    """Do something, and return what came of it, or what is to be told to who asked for it: then nothing was done."""
    nested = session.begin_nested()
    try:
        made = act()
        session.flush()
    except _MENDED as error:
        nested.rollback()
        session.expire_all()
        return None, error
    nested.commit()
    return made, None


def done(
    call: Call, place: str, act: Callable[[PageUnit, str], object], show: Callable[[Call, EntrepotError], Response]
) -> Response:
    """Do what a button asks of the thing in the address, and go to its page; what refuses it is told by ``show``."""
    id_ = call.path["id"]
    _, error = attempted(call.session, lambda: act(PageUnit(call), id_))
    return show(call, error) if error else RedirectResponse(f"{place}/{id_}", 303)
