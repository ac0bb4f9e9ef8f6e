# Made of aio/things.py by `make sync-face`: change that one.
"""Things of Entrepot's own interface: made, found, changed and deleted by the same verbs."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar

from entrepot.client import printing
from entrepot.client._http import Connection
from entrepot.client.comparing import differing, sent

Record = dict[str, Any]


class Verbs:
    """What can be done with one kind of things.

    Parameters
    ----------
    connection
        To the server.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def __repr__(self) -> str:
        """Say of what kind they are."""
        return f"{type(self).__name__}()"


class Thing:
    """Something that the server has, as it was when it was last asked; the fields it shows are attributes.

    Parameters
    ----------
    record
        What the server shows of it.
    """

    kinds = ""  #: Where things of its kind are, such as ``gates``.

    def __init__(self, connection: Connection, record: Record) -> None:
        self.connection = connection
        self.record = record

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.record["id"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.record["name"])

    @property
    def path(self) -> str:
        """Its address below the server's."""
        return f"/api/v1/{self.kinds}/{self.id}"

    def __getattr__(self, name: str) -> Any:
        """Return a field that the server shows."""
        try:
            return self.__dict__["record"][name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no {name}") from None

    def __dir__(self) -> list[str]:
        """Return the names of its verbs and of its fields."""
        return [*super().__dir__(), *self.record]

    def __repr__(self) -> str:
        """Say what it is."""
        return f"{type(self).__name__}({self.record.get('name', self.id)!r})"

    def _repr_html_(self) -> str:
        return printing.table(repr(self), self.record)

    def change(self, **settings: Any) -> None:
        """Change settings; nothing is overwritten that somebody else changed since it was asked.

        Raises
        ------
        Changed
            Somebody else changed it: find it again.
        """
        headers = {} if "version" not in self.record else {"if-match": f'"{self.record["version"]}"'}
        self.record = self.connection.json("PATCH", self.path, body=sent(settings), headers=headers)

    def refresh(self) -> None:
        """Ask the server for it again."""
        self.record = self.connection.json("GET", self.path)

    def delete(self) -> None:
        """Delete it, with what hangs on it."""
        self.connection.request("DELETE", self.path)


class Result(Thing):
    """What can be kept from change: a series, a result set, a row."""

    kind = ""  #: Of locks.

    def lock(self, why: str = "", until: datetime | None = None) -> Record:
        """Keep it from change, through every door, until an instant or until somebody unlocks it."""
        body = {"kind": self.kind, "id": self.id, "why": why, "until": until and until.isoformat()}
        made: Record = self.connection.json("POST", "/api/v1/locks", body=body, once=True)
        return made

    def unlock(self) -> None:
        """Let it be changed again."""
        for lock in self.connection.pages("/api/v1/locks", kind=self.kind, id=self.id):
            self.connection.request("DELETE", f"/api/v1/locks/{lock['id']}")


ThingT = TypeVar("ThingT", bound=Thing)


class Collection(Generic[ThingT]):
    """Things of one kind, perhaps of one project, gate or importer.

    Parameters
    ----------
    scope
        What those that are listed here belong to, and what is made here will.
    key
        The field that names one among them.
    """

    def __init__(
        self, connection: Connection, kind: type[ThingT], scope: Mapping[str, str] | None = None, key: str = "name"
    ) -> None:
        self._connection, self._kind, self._scope, self._key = connection, kind, dict(scope or {}), key

    def __repr__(self) -> str:
        """Say what is in it."""
        of = ", ".join(f"{name}={value!r}" for name, value in self._scope.items())
        return f"{self._kind.kinds} of {of}" if of else self._kind.kinds

    def __iter__(self) -> Iterator[ThingT]:
        """Yield all of them by name, page by page."""
        yield from self.list()

    def __getitem__(self, name: str) -> ThingT:
        """Return the one of this name.

        Raises
        ------
        KeyError
            There is none; names that are alike are told.
        """
        found = self.get(name)
        if found is None:
            names = [each.record[self._key] for each in self]
            import difflib  # for this alone

            alike = difflib.get_close_matches(name, names, 3, 0.6)
            raise KeyError(name + (f" (there is {', '.join(alike)})" if alike else ""))
        return found

    def list(self, **equal: Any) -> Iterator[ThingT]:
        """Yield those whose fields are these."""
        path = f"/api/v1/{self._kind.kinds}"
        for record in self._connection.pages(path, **self._scope, **sent(equal)):
            yield self._kind(self._connection, record)

    def get(self, name: str, /) -> ThingT | None:
        """Return the one of this name; None where there is none."""
        for each in self.list(**{self._key: name}):
            if each.record[self._key] == name:  # else it was one that a name with `*` stands for, too
                return each
        return None

    def by_id(self, id: str, /) -> ThingT:  # noqa: A002 - it is one
        """Return the one of this id."""
        record = self._connection.json("GET", f"/api/v1/{self._kind.kinds}/{id}")
        return self._kind(self._connection, record)

    def create(self, name: str, /, **settings: Any) -> ThingT:
        """Make one."""
        body = {**self._scope, self._key: name, **sent(settings)}
        path = f"/api/v1/{self._kind.kinds}"
        return self._kind(self._connection, self._connection.json("POST", path, body=body, once=True))

    def ensure(self, name: str, /, **settings: Any) -> ThingT:
        """Make one where there is none, and change what differs where there is: a second time does nothing."""
        found = self.get(name)
        if found is None:
            return self.create(name, **settings)
        if changes := differing(found.record, settings):
            found.change(**changes)
        return found
