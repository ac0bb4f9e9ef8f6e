"""Rows on their way: all of them once, those that change in rounds, and each compared on both sides."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, func, insert, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DataError

from entrepot.db import Database, journal
from entrepot.errors import Conflict, EntrepotError
from entrepot.server.run.moving import target as targets
from entrepot.server.run.moving.forms import MODULUS, Form, Key, parts, rows_of
from entrepot.server.run.moving.target import Target

#: Rows that are read at once: of the first ones nobody knows how large they are.
_FIRST, _MOST, _MOST_BYTES = 100, 5000, 2**25
_TAKEN_AT_ONCE = 20_000


class Differs(EntrepotError):
    """What was copied is not what is there."""


class Rows:
    """The rows of some tables, from one database to another.

    Parameters
    ----------
    tables
        In an order in which those that others refer to come first.
    tell
        Told what is done, in sentences.

    Attributes
    ----------
    copied, seconds
        How many rows were copied, and how long that took.
    """

    def __init__(self, source: Database, target: Target, tables: Sequence[Table], tell: Callable[[str], None]) -> None:
        self._source, self._target, self._tell = source, target, tell
        self._tables = tables
        self.forms = [Form(table, target.database.dialect) for table in tables]
        self._insert = postgresql_insert if target.database.dialect == "postgresql" else sqlite_insert
        known = target.progress([form.name for form in self.forms])
        self._progress: dict[str, dict[str, Any]] = {name: dict(row) for name, row in known.items()}
        self.copied, self.seconds = 0, 0.0

    def copy(self) -> None:
        """Copy what was not copied yet; rows that change meanwhile come with :meth:`round`."""
        began = time.monotonic()
        waiting = [form for form in self.forms if not self._progress[form.name]["copied"]]
        for form in waiting:
            self._copy(form)
        self._record({form.name: {"copied": True} for form in waiting})
        self.seconds += time.monotonic() - began

    def round(self) -> int:
        """Bring over what changed since it was copied last, as one state of the source; return how many rows."""
        with self._source.snapshot() as seen:
            numbers, keys = journal.noted(seen, self._tables)
            if not numbers:
                return 0
            with self._target.database.write() as session:
                connection = session.connection()
                added = {form.name: 0 for form in self.forms}
                # All that changed goes before anything comes: what is left then is what the source has, too, so that
                # nothing that must be unique stands in the way.
                for form in reversed(self.forms):
                    added[form.name] -= self._remove(connection, form, list(keys.get(form.name, ())))
                for form in self.forms:
                    added[form.name] += self._bring(seen, connection, form, list(keys.get(form.name, ())))
                digests = {
                    name: f"{(int(self._progress[name]['digest'], 16) + more) % MODULUS:032x}"
                    for name, more in added.items()
                    if name in keys and self._progress[name]["digest"] is not None
                }
                for name, digest in digests.items():
                    targets.record(connection, name, digest=digest)
        for name, digest in digests.items():
            self._progress[name]["digest"] = digest
        for start in range(0, len(numbers), _TAKEN_AT_ONCE):
            with self._source.write() as session:
                journal.take(session, numbers[start : start + _TAKEN_AT_ONCE])
        return sum(map(len, keys.values()))

    def compare(self) -> None:
        """Compare, row by row, what was not compared yet, and keep the hash of each table.

        Raises
        ------
        Differs
            A row of the target is not that of the source, and is not known to have changed.
        """
        empty = {}
        for form in self.forms:
            if self._progress[form.name]["digest"] is None:
                done = {"digest": f"{(digest := self._compare(form)):032x}"}
                if digest:
                    self._record({form.name: done})
                else:
                    empty[form.name] = done
        self._record(empty)

    def counts(self) -> list[dict[str, Any]]:
        """Return how many rows each table has, with its hash.

        Raises
        ------
        Differs
            The two databases do not have the same number of rows.
        """
        told = []
        with self._source.snapshot() as ours, self._target.database.snapshot() as theirs:
            for form in self.forms:
                counted = select(func.count()).select_from(form.table)
                here, there = ours.scalar(counted), theirs.scalar(counted)
                if here != there:
                    raise Differs(f"{form.name} has {here} rows, and {there} of them arrived.")
                told.append({"table": form.name, "rows": here, "hash": self._progress[form.name]["digest"]})
        return told

    def _copy(self, form: Form) -> None:
        state, most = self._progress[form.name], _FIRST
        while True:
            with self._source.snapshot() as seen:
                rows = form.after(seen, state["after"], most)
            if not rows:
                return
            carried, after = [form.carried(row) for row in rows], list(form.key(rows[-1]))
            with self._target.database.write() as session:
                # A row that something else stands in the way of has changed since that was copied, as has that: both
                # are noted, and come with a round.
                self._put(session.connection(), form, self._insert(form.table).on_conflict_do_nothing(), carried)
                targets.record(session.connection(), form.name, after=after)
            state["after"] = after
            self.copied += len(rows)
            most = _next(most, carried)

    def _record(self, tables: Mapping[str, Mapping[str, Any]]) -> None:
        """Note how far tables are."""
        with self._target.database.write() as session:
            for name, done in tables.items():
                targets.record(session.connection(), name, **done)
                self._progress[name].update(done)

    def _remove(self, connection: Connection, form: Form, keys: Sequence[Key]) -> int:
        """Delete rows of the target, and return what they had in its hash."""
        total = 0
        for some in parts(keys):
            gone = delete(form.table).where(form.among(some))
            if self._progress[form.name]["digest"] is None:
                connection.execute(gone)
                continue
            rows = rows_of(connection.execute(gone.returning(*form.table.columns)))
            total += sum(form.digests(rows).values())
        return total

    def _bring(self, seen: Connection, connection: Connection, form: Form, keys: Sequence[Key]) -> int:
        """Copy rows, look whether they arrived, and return what they have in the hash of the target."""
        total = 0
        for some in parts(keys):
            rows = [form.carried(row) for row in form.find(seen, some)]
            if not rows:
                continue
            self._put(connection, form, insert(form.table), rows)
            found = form.digests(form.find(connection, some))
            _require_equal(form, form.digests(rows), found)
            total += sum(found.values())
        return total

    def _put(self, connection: Connection, form: Form, statement: Any, rows: Sequence[Mapping[str, Any]]) -> None:
        try:
            connection.execute(statement, list(rows))
        except DataError as error:
            raise Conflict(
                f"A row of {form.name}, after {self._progress[form.name]['after']}, has what the other database cannot "
                f"hold: {str(error.orig).strip().splitlines()[0]}"
            ) from error

    def _compare(self, form: Form) -> int:
        total, key, most = 0, None, _FIRST
        while True:
            with self._target.database.snapshot() as theirs:
                rows = form.after(theirs, key, most)
            found = form.digests(rows)
            with self._source.snapshot() as seen:
                expected = form.digests(form.carried(row) for row in form.find(seen, list(found)))
                if expected != found:
                    changed = journal.noted(seen, self._tables)[1].get(form.name, set())
                    _require_equal(form, expected, found, changed)
            total += sum(found.values())
            if len(rows) < most:
                return total % MODULUS
            key, most = form.key(rows[-1]), _next(most, rows)


def _next(most: int, rows: Sequence[Mapping[str, Any]]) -> int:
    """Return how many rows to read next, by how large some of these are."""
    some = rows[: _FIRST // 2]
    size = sum(len(value) for row in some for value in row.values() if isinstance(value, str | bytes))
    return min(max(_MOST_BYTES * len(some) // max(size, 1), 1), 2 * most, _MOST)


def _require_equal(
    form: Form, expected: Mapping[Key, int], found: Mapping[Key, int], changed: Collection[Key] = ()
) -> None:
    if other := sorted(key for key, _ in expected.items() ^ found.items() if key not in changed):
        raise Differs(f"{form.name}: the row {', '.join(map(str, other[0]))} is another one in the other database.")
