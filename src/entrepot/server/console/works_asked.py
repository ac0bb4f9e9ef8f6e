"""What the address of a page of works asks for: where, and by which query."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from entrepot.errors import InvalidInput
from entrepot.server.endpoint import Call
from entrepot.works import document as documents
from entrepot.works.changes import COLLECTIONS
from entrepot.works.collection import Collection
from entrepot.works.query import parse

LIST = "/console/works/list"
PLACES = (("queue", "the queue"), ("archive", "the archive"))


@dataclass
class Asked:
    """Which works are asked for.

    Attributes
    ----------
    where
        ``queue`` or ``archive``.
    text
        The query as it was typed.
    query
        What it says; all works, where it says nothing or what cannot be understood.
    refusal, wrong
        Why it cannot be understood, and which name or operator in it is wrong, as far as that is known.
    """

    where: str
    text: str
    query: dict[str, Any]
    refusal: str = ""
    wrong: str = ""

    @classmethod
    def of(cls, call: Call) -> "Asked":
        """Read the query string."""
        return cls.made(call.query.get("where", "queue"), call.query.get("query", ""))

    @classmethod
    def made(cls, where: str, text: str) -> "Asked":
        """Return what a form or an address asks for."""
        if where not in COLLECTIONS:
            raise InvalidInput.field("where", "queue or archive.")
        asked = cls(where, text.strip(), {})
        try:
            query = documents.loads(asked.text.encode()) if asked.text else {}
            parse(query)
            asked.query = query
        except InvalidInput as error:
            asked.refuse(error)
        return asked

    def refuse(self, error: InvalidInput) -> None:
        """Keep why it cannot be answered."""
        self.refusal = error.message.replace("The body is", "The query is")
        self.wrong = next(iter(error.fields), "").removeprefix("query")

    @property
    def collection(self) -> Collection:
        """Where the works are."""
        return COLLECTIONS[self.where]

    @property
    def address(self) -> str:
        """The query string that asks for the same."""
        return urlencode({"where": self.where, "query": self.text})

    def narrowed(self, name: str, value: Any) -> str:
        """Return where the list is of those alone that have this, too."""
        return list_of(self.where, _both(self.query, {name: value}))

    def also(self, query: dict[str, Any]) -> str:
        """Return where the list is of those alone that another query finds, too."""
        return list_of(self.where, _both(self.query, query))


def list_of(where: str, query: dict[str, Any]) -> str:
    """Return where the list of the works is that a query finds."""
    return f"{LIST}?{urlencode({'where': where, 'query': documents.dumps(query)})}"


def _both(query: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    new = {name: test for name, test in other.items() if name not in query or query[name] != test}
    return {"$and": [query, new]} if new.keys() & query.keys() else query | new
