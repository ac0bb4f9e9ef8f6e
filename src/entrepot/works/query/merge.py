"""Conjunctions and disjunctions, in which equalities at one path become one test: a document is gone through once."""

from collections.abc import Callable, Sequence

from entrepot.works.query.nodes import AllOf, AnyOf, Equal, Every, Field, In, Not, Query

_Path = tuple[str, ...]


def all_of(parts: Sequence[Query]) -> Query:
    """Return the conjunction."""
    flat = [one for part in parts for one in (part.parts if isinstance(part, AllOf) else (part,))]
    flat = _merged(flat, _each_value, Every)
    flat = _merged(flat, _not_some_value, lambda path, values: Not(Field(path, values)))
    return flat[0] if len(flat) == 1 else AllOf(tuple(flat))


def any_of(parts: Sequence[Query]) -> Query:
    """Return the disjunction."""
    flat = [one for part in parts for one in (part.parts if isinstance(part, AnyOf) else (part,))]
    flat = _merged(flat, _some_value, Field)
    flat = _merged(flat, _not_each_value, lambda path, values: Not(Every(path, values)))
    return flat[0] if len(flat) == 1 else AnyOf(tuple(flat))


def _merged(
    parts: list[Query], read: Callable[[Query], tuple[_Path, list[object]] | None], write: Callable[[_Path, In], Query]
) -> list[Query]:
    """Join the parts that `read` knows the path and the values of, those of a path in the place of its first."""
    joined: dict[_Path, list[object]] = {}
    several: set[_Path] = set()
    for part in parts:
        if known := read(part):
            path, values = known
            if path in joined:
                several.add(path)
            joined.setdefault(path, []).extend(values)
    if not several:
        return parts
    result: list[Query] = []
    for part in parts:
        known = read(part)
        if known is None or known[0] not in several:
            result.append(part)
        elif known[0] in joined:
            result.append(write(known[0], In.of(joined.pop(known[0]))))
    return result


def _some_value(part: Query) -> tuple[_Path, list[object]] | None:
    match part:
        case Field(path, Equal(value)):
            return path, [value]
        case Field(path, In() as listed):
            return path, listed.values
    return None


def _each_value(part: Query) -> tuple[_Path, list[object]] | None:
    match part:
        case Field(path, Equal(value)) if path:
            return path, [value]
        case Every(path, wanted):
            return path, wanted.values
    return None


def _not_some_value(part: Query) -> tuple[_Path, list[object]] | None:
    return _some_value(part.part) if isinstance(part, Not) else None


def _not_each_value(part: Query) -> tuple[_Path, list[object]] | None:
    return _each_value(part.part) if isinstance(part, Not) else None
