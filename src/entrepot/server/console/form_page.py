"""Pages that are one form: of a new thing, or of the settings of one that there is, which can be deleted there."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from entrepot.errors import EntrepotError, InvalidInput
from entrepot.server.console import forms
from entrepot.server.console.forms import Entry
from entrepot.server.console.listing import Link
from entrepot.server.console.page import render
from entrepot.server.endpoint import Call


@dataclass(frozen=True)
class Deletion:
    """Where a thing is deleted, what it is, how it is called, and what goes with it."""

    action: str
    what: str
    name: str
    follows: str


@dataclass(frozen=True)
class FormPage:
    """What a page shows that is one form.

    Attributes
    ----------
    title, said, back
        What it is of, what it is for, and where one came from.
    action, button, version
        Where it is sent, and of which version it was made; empty where it is of a new thing.
    entries
        Its fields.
    refusal
        Why what was typed was not taken, as far as no field says it.
    deletion
        How the thing is deleted; None where there is none yet.
    """

    title: str
    back: Link
    action: str
    button: str
    entries: Sequence[Entry]
    said: str = ""
    version: str = ""
    refusal: str = ""
    deletion: Deletion | None = None

    def shown(self, call: Call, error: EntrepotError | None = None) -> Response:
        """Return the page; with the status of an error, where there was one."""
        return render(call, "form.html", status_of(error), view=self)


def status_of(error: EntrepotError | None) -> int:
    """Return the status of a page that tells of an error, or of none."""
    return error.status if error is not None else 200


def refusal(error: EntrepotError | None, shown: Sequence[Entry] = ()) -> str:
    """Return why what was typed was not taken, where no field that is shown says it."""
    if error is None:
        return ""
    wrong, names = forms.wrongs(error), {one.name for one in shown}
    if not wrong:
        return error.message
    elsewhere = [f"{name}: {text}" for name, text in wrong.items() if name not in names]
    return "; ".join(elsewhere) or "This was not taken: see below."


def require_named(call: Call, name: str) -> None:
    """Raise unless who deletes something wrote its name."""
    if call.content.get("confirm", "").strip() != name.strip():
        raise InvalidInput.field("confirm", f"Write {name!r}, so that nothing is deleted by mistake. Nothing was.")
