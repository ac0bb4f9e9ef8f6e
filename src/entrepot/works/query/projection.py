"""Which fields of a document are returned: MongoDB's inclusion and exclusion, and parts of arrays."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from entrepot.errors import InvalidInput
from entrepot.works.query import parts
from entrepot.works.query.nodes import Query
from entrepot.works.query.parts import Part
from entrepot.works.query.values import MISSING

Document = dict[str, Any]
Project = Callable[[Document], Document]

MAX_FIELDS = 1000
MAX_DEPTH = 32

_Path = tuple[str, ...]


@dataclass(frozen=True)
class _Entry:
    """What is said of one field: whether it is there, or which part of it."""

    path: _Path
    include: bool | None
    part: Part | None = None


class _Tree(dict[str, Any]):
    """Fields by name: below each, a tree; or None, the whole of it; or a part of it."""


def parse(specification: Any, query: Query | None = None) -> Project:
    """Return the function that applies a projection.

    The order of keys stays the stored one, the document given is never changed (parts of it may be shared with the
    result), and ``_id`` is left out whatever the projection says.

    Parameters
    ----------
    specification
        The projection as decoded from JSON; null and ``{}`` stand for every field.
    query
        By which the documents are found: ``$`` stands for the element of an array that it matched.

    Raises
    ------
    InvalidInput
        When it is no projection, or mixes inclusion and exclusion (``_id`` apart).
    """
    if specification is None:
        specification = {}
    if not isinstance(specification, dict):
        raise InvalidInput.field("projection", "must be an object")
    tree = _Tree()
    modes: set[bool] = set()
    included_id = False
    for number, entry in enumerate(_flatten(specification, (), query)):
        if number == MAX_FIELDS:
            raise InvalidInput.field("projection", f"has more than {MAX_FIELDS} fields")
        if entry.path[0] == "_id":
            included_id |= bool(entry.include)
            continue
        if entry.include is not None:
            modes.add(entry.include)
        if len(modes) > 1:
            reason = "inclusion and exclusion cannot be mixed in one projection"
            raise InvalidInput.field(".".join(entry.path), reason)
        _insert(tree, entry)
    if modes == {True} or (included_id and not modes and not tree):
        return lambda document: _without_id(_include(document, tree, document))
    return lambda document: _without_id(_exclude(document, tree, document))


def _flatten(specification: Document, above: _Path, query: Query | None) -> Iterator[_Entry]:
    for key, value in specification.items():
        path = (*above, *key.split("."))
        positional = path[-1] == "$" and len(path) > 1
        if any(not step or step.startswith("$") for step in path[: -1 if positional else None]):
            raise InvalidInput.field(key or "projection", "is not a field or an operator that a projection can have")
        if len(path) > MAX_DEPTH:
            raise InvalidInput.field("projection", f"is nested deeper than {MAX_DEPTH} levels")
        if positional:
            if value is False or not isinstance(value, bool | int | float) or not value:
                raise InvalidInput.field(key, "must be true or 1")
            yield _Entry(path[:-1], True, parts.matched(path[:-1], query))
        elif isinstance(value, dict) and next(iter(value), "").startswith("$"):
            yield _operator(path, value)
        elif isinstance(value, dict) and value:
            yield from _flatten(value, path, query)
        elif isinstance(value, bool | int | float):
            yield _Entry(path, bool(value))
        else:
            raise InvalidInput.field(".".join(path), "must be true, false, 1 or 0")


def _operator(path: _Path, value: Document) -> _Entry:
    if len(value) > 1:
        raise InvalidInput.field(".".join(path), "must have one operator alone")
    ((name, operand),) = value.items()
    if name == "$slice":
        # It says which part of a field is returned, and nothing of other fields.
        return _Entry(path, None, parts.slice_of(operand))
    if name == "$elemMatch":
        if len(path) > 1:
            raise InvalidInput.field(name, f"takes a field of the document itself, not {'.'.join(path)!r}")
        return _Entry(path, True, parts.first_match(operand))
    raise InvalidInput.field(name, "is not an operator that a projection can have")


def _insert(tree: _Tree, entry: _Entry) -> None:
    path = entry.path
    for step in path[:-1]:
        tree = tree.setdefault(step, _Tree())
        if not isinstance(tree, _Tree):
            raise InvalidInput.field(".".join(path), "lies under another field of the projection")
    if path[-1] in tree:
        raise InvalidInput.field(".".join(path), "is named twice, or lies above another field of the projection")
    tree[path[-1]] = entry.part


def _without_id(document: Document) -> Document:
    return {key: value for key, value in document.items() if key != "_id"} if "_id" in document else document


def _include(value: Any, tree: _Tree, document: Document) -> Any:
    if isinstance(value, dict):
        picked = ((key, _picked(child, tree[key], document, _include)) for key, child in value.items() if key in tree)
        return {key: child for key, child in picked if child is not MISSING}
    if isinstance(value, list):
        found = (_include(element, tree, document) for element in value)
        return [child for child in found if child is not MISSING]
    return MISSING


def _exclude(value: Any, tree: _Tree, document: Document) -> Any:
    if isinstance(value, dict):
        picked = (
            (key, _picked(child, tree[key], document, _exclude) if key in tree else child)
            for key, child in value.items()
            if key not in tree or tree[key] is not None
        )
        return {key: child for key, child in picked if child is not MISSING}
    return [_exclude(element, tree, document) for element in value] if isinstance(value, list) else value


def _picked(child: Any, said: Any, document: Document, below: Callable[[Any, _Tree, Document], Any]) -> Any:
    if said is None:
        return child
    return below(child, said, document) if isinstance(said, _Tree) else said(child, document)
