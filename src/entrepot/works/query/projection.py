"""Which fields of a document are returned: MongoDB's inclusion and exclusion."""

from collections.abc import Callable, Iterator
from typing import Any

from entrepot.errors import InvalidInput
from entrepot.works.query.values import MISSING

Document = dict[str, Any]
_Tree = dict[str, Any]

MAX_FIELDS = 1000
MAX_DEPTH = 32


def parse(specification: Any) -> Callable[[Document], Document]:
    """Return the function that applies a projection.

    The order of keys stays the stored one, the document given is never changed (parts of it may be shared with the
    result), and ``_id`` is left out whatever the projection says.

    Parameters
    ----------
    specification
        The projection as decoded from JSON; null and ``{}`` stand for every field.

    Raises
    ------
    InvalidInput
        When it is no projection, or mixes inclusion and exclusion (``_id`` apart).
    """
    if specification is None:
        specification = {}
    if not isinstance(specification, dict):
        raise InvalidInput.field("projection", "must be an object")
    tree: _Tree = {}
    modes: set[bool] = set()
    included_id = False
    for number, (path, include) in enumerate(_flatten(specification, ())):
        if number == MAX_FIELDS:
            raise InvalidInput.field("projection", f"has more than {MAX_FIELDS} fields")
        if path[0] == "_id":
            included_id |= include
            continue
        modes.add(include)
        if len(modes) > 1:
            raise InvalidInput.field(".".join(path), "inclusion and exclusion cannot be mixed in one projection")
        _insert(tree, path)
    if modes == {True} or (included_id and not modes):
        return lambda document: _without_id(_include(document, tree))
    return lambda document: _without_id(_exclude(document, tree))


def _flatten(specification: Document, above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], bool]]:
    for key, value in specification.items():
        path = (*above, *key.split("."))
        if any(not part or part.startswith("$") for part in path):
            raise InvalidInput.field(key or "projection", "is not a field or an operator that a projection can have")
        if len(path) > MAX_DEPTH:
            raise InvalidInput.field("projection", f"is nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, dict) and value:
            yield from _flatten(value, path)
        elif isinstance(value, bool | int | float):
            yield path, bool(value)
        else:
            raise InvalidInput.field(".".join(path), "must be true, false, 1 or 0")


def _insert(tree: _Tree, path: tuple[str, ...]) -> None:
    """Add a path to a tree whose leaves are None."""
    for part in path[:-1]:
        tree = tree.setdefault(part, {})
        if tree is None:
            raise InvalidInput.field(".".join(path), "lies under another field of the projection")
    if path[-1] in tree:
        raise InvalidInput.field(".".join(path), "is named twice, or lies above another field of the projection")
    tree[path[-1]] = None


def _without_id(document: Document) -> Document:
    return {key: value for key, value in document.items() if key != "_id"} if "_id" in document else document


def _include(value: Any, tree: _Tree) -> Any:
    if isinstance(value, dict):
        picked = (
            (key, child if tree[key] is None else _include(child, tree[key]))
            for key, child in value.items()
            if key in tree
        )
        return {key: child for key, child in picked if child is not MISSING}
    if isinstance(value, list):
        return [child for child in (_include(element, tree) for element in value) if child is not MISSING]
    return MISSING


def _exclude(value: Any, tree: _Tree) -> Any:
    if isinstance(value, dict):
        return {
            key: _exclude(child, tree[key]) if key in tree else child
            for key, child in value.items()
            if tree.get(key, MISSING) is not None
        }
    return [_exclude(element, tree) for element in value] if isinstance(value, list) else value
