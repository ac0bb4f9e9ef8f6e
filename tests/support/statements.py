"""Statements are compiled once a process: each test has an engine of its own, which would compile all of them anew."""

import functools
from typing import Any

from sqlalchemy.engine import Engine
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache

_KEPT = 3000


def compile_once() -> None:
    """Have all engines of a kind made from now on share what they compile, and take each other's dialect for theirs."""
    make = Engine.__init__

    @functools.wraps(make)
    def init(engine: Engine, *arguments: Any, **options: Any) -> None:
        make(engine, *arguments, **options)
        engine._compiled_cache = _compiled(engine.dialect)

    Engine.__init__ = init  # type: ignore[method-assign, assignment]
    DefaultDialect.__eq__ = _equal  # type: ignore[method-assign, assignment]
    DefaultDialect.__hash__ = _hash  # type: ignore[method-assign, assignment]


@functools.cache
def _compiled(_of: DefaultDialect) -> LRUCache[Any, Any]:
    return LRUCache(_KEPT)


def _equal(one: DefaultDialect, other: object) -> bool:
    return type(one) is type(other) and _options(one) == _options(other)


def _hash(one: DefaultDialect) -> int:
    return hash(type(one))


def _options(dialect: Any) -> tuple[object, ...]:
    return dialect.dbapi, dialect.paramstyle, dialect._json_serializer, dialect._json_deserializer
