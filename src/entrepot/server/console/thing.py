"""Pages of one thing: what there is to say of it, what can be done with it, and tables of what belongs to it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.responses import Response

from entrepot.errors import EntrepotError, InvalidInput
from entrepot.server.console.form_page import Deletion, status_of
from entrepot.server.console.forms import Entry
from entrepot.server.console.listing import Cell, Form, Link, as_csv, asks_csv
from entrepot.server.console.page import render
from entrepot.server.endpoint import Call


@dataclass(frozen=True)
class Table:
    """Rows of what belongs to a thing, and what is said where there are none."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    empty: str = "There are none."
    more: Link | None = None


def table_as_csv(call: Call, tables: Sequence[Table]) -> Response:
    """Return the table that the address names by its number."""
    text = call.query.get("table", "0")
    if not (text.isascii() and text.isdigit() and int(text[:4]) < len(tables)):
        raise InvalidInput.field("table", "The number of a table of this page, from 0 on.")
    one = tables[int(text[:4])]
    return as_csv(one.title, one.columns, one.rows)


@dataclass(frozen=True)
class Action:
    """A form of a few fields that does something with a thing."""

    title: str
    action: str
    button: str
    entries: Sequence[Entry]
    said: str = ""
    version: str = ""


@dataclass(frozen=True)
class Text:
    """A text as it was sent or came."""

    title: str
    text: str


@dataclass(frozen=True)
class Thing:
    """What a page shows that is of one thing.

    Attributes
    ----------
    title, said
        What it is, and what there is to know first.
    back
        Where one came from.
    facts
        What there is to say, by name.
    secret
        What is shown this once, and what it is called; None where nothing is.
    address
        What can be copied, and what it is; None where nothing can.
    links, buttons
        Where one goes on to, and what can be done at once.
    actions
        What can be done with a few words more.
    tables, texts
        What belongs to it.
    deletion
        How it is deleted; None where the caller may not.
    refusal
        Why what was asked for was not done.
    part
        What takes a place of the page once it was asked for, such as the outcome of a test.
    """

    title: str
    back: Link
    said: str = ""
    facts: Sequence[tuple[str, Cell]] = ()
    secret: tuple[str, str] | None = None
    address: tuple[str, str] | None = None
    links: Sequence[Link] = ()
    buttons: Sequence[Form] = ()
    actions: Sequence[Action] = ()
    tables: Sequence[Table] = ()
    texts: Sequence[Text] = field(default_factory=tuple)
    deletion: Deletion | None = None
    refusal: str = ""
    part: str = ""

    def shown(self, call: Call, error: EntrepotError | None = None) -> Response:
        """Return the page, with the status of an error, where there was one; or a table of it as CSV."""
        if asks_csv(call):
            return table_as_csv(call, self.tables)
        return render(call, "thing.html", status_of(error), view=self)
