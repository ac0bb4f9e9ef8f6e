"""Lists: a filter out of the query string, and complete arrays however long."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson
from starlette.responses import Response

from entrepot.rows.filters import Entity, compile_filter, find
from entrepot.rows.lookups import LOOKUPS
from entrepot.server.dialects.owi.names import Names
from entrepot.server.endpoint import Call

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY


def listed(
    call: Call,
    entity: Entity,
    names: Names,
    render: Callable[[Sequence[Mapping[str, Any]]], Iterable[dict[str, Any]]],
    order_by: Sequence[str],
    renamed: Mapping[str, str] | None = None,
    ignored: frozenset[str] = frozenset(),
) -> Response:
    """Return the records that the query string asks for.

    Parameters
    ----------
    names
        What fields are called on the wire.
    render
        Makes records of rows, some thousands at a time.
    renamed
        Parameters that mean another path at this address, alone or with a lookup.
    ignored
        Parameters that mean nothing.
    """
    call.principal.require("read")
    renamed = renamed or {}
    parameters = [(_path(name, renamed), text) for name, text in call.query.multi_items() if name not in ignored]
    filter_ = compile_filter(call.session, entity, call.principal.organization_id, parameters, names.path)
    table = entity.model.__table__
    columns = tuple(table.columns.keys())
    parts = [
        orjson.dumps([*render([dict(zip(columns, values, strict=True)) for values in chunk])], option=_OPTIONS)[1:-1]
        for chunk in find(call.session, table.columns, filter_, order_by)
    ]
    return Response(b"[" + b",".join(part for part in parts if part) + b"]", media_type="application/json")


def _path(name: str, renamed: Mapping[str, str]) -> str:
    head, separator, rest = name.partition("__")
    if head in renamed and (not rest or rest in LOOKUPS):
        return f"{renamed[head]}{separator}{rest}"
    return name
