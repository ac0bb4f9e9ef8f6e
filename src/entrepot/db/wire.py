"""Statements on PostgreSQL's own protocol: prepared once, and sent with what begins and ends their transaction.

The driver asks for a transaction's begin, waits, asks for the statement, and waits again; each time both processes
wake up for it. Here what belongs together is sent together, and the driver does the rest: it knows from the connection
in what state that is. A statement that is all of its transaction needs neither begin nor commit: the server commits it
before it says that it is done.
"""

import contextlib
import re
import select
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus, PipelineStatus, TransactionStatus
from psycopg.pq.abc import PGconn, PGresult

#: A statement is prepared when it comes for this time, and so many are kept, those that were used last.
PREPARED_AT, MOST_PREPARED = 3, 128
#: From so many statements on, and at each doubling, the server plans anew: what it planned for a table of ten rows
#: reads all of ten thousand, and the server's own look at tables comes a minute late.
_PLANNED_AT = 32
_FAILED = (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED)
_PARAMETER = re.compile(r"%\((\w+)\)s|%%")
Given = tuple[list[bytes | None], list[int]]


class Texts(list[str | None]):
    """A parameter that is an array of texts, long enough that its quotes would cost."""


class Integers(list[int]):
    """A parameter that is an array of numbers of 64 bits."""


class Doubles(list[float | None]):
    """A parameter that is an array of doubles."""


class Booleans(list[bool]):
    """A parameter that is an array of truth values."""


class _Kept:
    """What is known of a connection: how often statements came, and the names of those that are prepared."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.seen: OrderedDict[str, int] = OrderedDict()
        self.names: OrderedDict[str, bytes] = OrderedDict()
        self.made = 0
        #: Statements so far, and with how many of them plans are made anew.
        self.run, self.plans_at = 0, _PLANNED_AT
        #: Whether the server may have forgotten some: it was told to forget all that the driver has prepared.
        self.doubted = False
        self.poll = select.poll()
        self.poll.register(connection.pgconn.socket, select.POLLIN)


_kept: WeakKeyDictionary[psycopg.Connection, _Kept] = WeakKeyDictionary()


def execute(
    connection: psycopg.Connection, text: str, parameters: Mapping[str, Any], *, last: bool = False
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]] | None:
    """Return the names of the columns of a statement, and its rows; None where the driver has to do it.

    Parameters
    ----------
    text
        The statement, with parameters as ``%(name)s``.
    last
        Whether its transaction is committed with it, so that what is returned is kept.
    """
    statement, names = _numbered(text)
    given = _given([parameters[name] for name in names])
    if given is None or connection.pgconn.pipeline_status != PipelineStatus.OFF:
        return None
    kept = _kept.get(connection)
    if kept is None:
        kept = _kept[connection] = _Kept(connection)
    pgconn = connection.pgconn
    if kept.doubted:
        _ask(connection, kept)
    idle = pgconn.transaction_status == TransactionStatus.IDLE
    begin = None if connection.autocommit or not idle else _begin(connection)
    alone = last and idle and begin in (None, b"BEGIN")
    before = [begin] if begin and not alone else []
    after = [b"COMMIT"] if last and not alone else []
    kept.run += 1
    if kept.run == kept.plans_at:
        kept.plans_at *= 2
        before.append(b"DISCARD PLANS")
    name, prepare, forgotten = _name(kept, text) if connection.prepare_threshold is not None else (None, False, None)
    if forgotten is not None:
        before.append(b"DEALLOCATE " + forgotten)
    if name is not None and not (before or after or prepare):
        result = pgconn.exec_prepared(name, *given)  # type: ignore[arg-type]
        if result.status in _FAILED:
            raise error_from_result(result)
    else:
        result = _flight(pgconn, kept, before, statement, name, prepare, given, after)
    if prepare and name is not None:
        kept.names[text] = name
    columns = tuple((result.fname(index) or b"").decode() for index in range(result.nfields))
    transformer = Transformer.from_context(connection)
    transformer.set_pgresult(result)
    return columns, transformer.load_rows(0, result.ntuples, tuple)


def commit(connection: psycopg.Connection) -> None:
    """Commit the transaction that a connection is in, if it is in any."""
    pgconn = connection.pgconn
    if pgconn.transaction_status == TransactionStatus.IDLE:
        return
    result = pgconn.exec_(b"COMMIT")
    if result.status != ExecStatus.COMMAND_OK:
        raise error_from_result(result)


def doubt(connection: psycopg.Connection) -> None:
    """Take note of a rollback, at which the driver has the server forget what was prepared, if it prepared anything."""
    kept = _kept.get(connection)
    if kept is not None and connection.pgconn.transaction_status != TransactionStatus.IDLE:
        kept.doubted = True


def _ask(connection: psycopg.Connection, kept: _Kept) -> None:
    """Ask the server which statements it has kept."""
    kept.doubted = False
    if not kept.names:
        return
    result = connection.pgconn.exec_(b"SELECT name FROM pg_prepared_statements")
    known = {result.get_value(row, 0) for row in range(result.ntuples)}
    kept.names = OrderedDict((text, name) for text, name in kept.names.items() if name in known)


def _name(kept: _Kept, text: str) -> tuple[bytes | None, bool, bytes | None]:
    """Return the name of a statement, whether it is to be prepared now, and the name of one that is given up for it."""
    if (name := kept.names.get(text)) is not None:
        kept.names.move_to_end(text)
        return name, False, None
    kept.seen[text] = seen = kept.seen.pop(text, 0) + 1
    if len(kept.seen) > MOST_PREPARED:
        kept.seen.popitem(last=False)
    if seen < PREPARED_AT:
        return None, False, None
    del kept.seen[text]
    kept.made += 1
    forgotten = kept.names.popitem(last=False)[1] if len(kept.names) >= MOST_PREPARED else None
    return b"_entrepot_%d" % kept.made, True, forgotten


def _flight(
    pgconn: PGconn,
    kept: _Kept,
    before: list[bytes],
    statement: bytes,
    name: bytes | None,
    prepare: bool,
    given: Given,
    after: list[bytes],
) -> PGresult:
    """Send what belongs together, wait for all of its answers, and return that of the statement."""
    values, formats = given
    try:
        pgconn.enter_pipeline_mode()
        for command in before:
            pgconn.send_query_params(command, None)
        if prepare and name is not None:
            pgconn.send_prepare(name, statement)
        if name is not None:
            pgconn.send_query_prepared(name, values, formats)
        else:
            pgconn.send_query_params(statement, values, param_formats=formats)
        for command in after:
            pgconn.send_query_params(command, None)
        pgconn.pipeline_sync()
        results = _results(pgconn, kept)
        pgconn.exit_pipeline_mode()
    except BaseException:
        # Nobody knows what the server still answers, nor may anybody else hear it.
        with contextlib.suppress(Exception):
            pgconn.finish()
        raise
    for result in results:
        if result.status in _FAILED:
            raise error_from_result(result)
    return results[len(before) + prepare]


def _results(pgconn: PGconn, kept: _Kept) -> list[PGresult]:
    results: list[PGresult] = []
    while pgconn.flush():
        kept.poll.modify(pgconn.socket, select.POLLIN | select.POLLOUT)
        kept.poll.poll()
        kept.poll.modify(pgconn.socket, select.POLLIN)
        pgconn.consume_input()
    while True:
        while pgconn.is_busy():
            kept.poll.poll()
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            if pgconn.status != ConnStatus.OK:
                raise psycopg.OperationalError("the connection is lost")
            continue
        if result.status == ExecStatus.PIPELINE_SYNC:
            return results
        results.append(result)


@lru_cache(512)
def _numbered(text: str) -> tuple[bytes, tuple[str, ...]]:
    """Return a statement with numbered parameters, and their names in order."""
    names: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        name = match[1]
        return "%" if name is None else f"${names.setdefault(name, len(names) + 1)}"

    numbered = _PARAMETER.sub(number, text).encode()
    return numbered, tuple(names)


def _given(values: list[Any]) -> Given | None:
    """Return parameters as the protocol has them, and which are binary; None where one is of another kind."""
    try:
        texts = [None if value is None else _ENCODERS[type(value)](value) for value in values]
    except KeyError:
        return None
    return texts, [type(value) in _BINARY for value in values]


def _begin(connection: psycopg.Connection) -> bytes:
    """Return what begins a transaction as the driver would begin it."""
    parts = [b"BEGIN"]
    if connection.isolation_level is not None:
        parts.append(b"ISOLATION LEVEL " + connection.isolation_level.name.replace("_", " ").encode())
    if connection.read_only is not None:
        parts.append(b"READ ONLY" if connection.read_only else b"READ WRITE")
    if connection.deferrable is not None:
        parts.append(b"DEFERRABLE" if connection.deferrable else b"NOT DEFERRABLE")
    return b" ".join(parts)


def _text(value: str) -> bytes:
    if "\0" in value:  # where the protocol would end it
        raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
    return value.encode()


def _array(values: list[Any]) -> bytes:
    return b"{" + b",".join(map(_item, values)) + b"}"


def _item(value: Any) -> bytes:
    if value is None:
        return b"NULL"
    text = _ENCODERS[type(value)](value)
    if isinstance(value, list):
        return text
    return b'"' + text.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _head(oid: int, values: list[Any], *, nulls: bool) -> bytes:
    """Return what stands before the elements of an array of one dimension, as the server reads them undecoded."""
    return _HEAD.pack(1, nulls, oid, len(values), 1) if values else _EMPTY.pack(0, 0, oid)


def _packed(oid: int, code: str) -> Callable[[list[Any]], bytes]:
    size = struct.calcsize(f">{code}")

    def encode(values: list[Any]) -> bytes:
        nulls = values.count(None)
        if nulls in (0, len(values)):
            flat: list[Any] = [-1 if nulls else size] * (len(values) if nulls else 2 * len(values))
            if not nulls:
                flat[1::2] = values
            content = struct.pack(">" + ("i" if nulls else f"i{code}") * len(values), *flat)
        else:
            content = b"".join(_NULL if one is None else struct.pack(f">i{code}", size, one) for one in values)
        return _head(oid, values, nulls=nulls > 0) + content

    return encode


def _texts(values: list[str | None]) -> bytes:
    parts, nulls = [b""], False
    for one in values:
        if one is None:
            parts.append(_NULL)
            nulls = True
        else:
            text = _text(one)
            parts += (_LENGTH.pack(len(text)), text)
    parts[0] = _head(25, values, nulls=nulls)
    return b"".join(parts)


_HEAD, _EMPTY, _LENGTH = struct.Struct(">iiIii"), struct.Struct(">iiI"), struct.Struct(">i")
_NULL = _LENGTH.pack(-1)
_BINARY = frozenset((bytes, Texts, Integers, Doubles, Booleans))
_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    str: _text,
    int: b"%d".__mod__,
    float: lambda value: repr(value).encode(),
    bool: lambda value: b"t" if value else b"f",
    bytes: bytes,
    datetime: lambda value: str(value).encode(),
    list: _array,
    Texts: _texts,
    Integers: _packed(20, "q"),
    Doubles: _packed(701, "d"),
    Booleans: _packed(16, "?"),
}
