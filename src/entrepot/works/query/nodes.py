"""The parsed form of a query: a tree of small immutable nodes.

A `Query` is true or false of a document. A `Test` is true or false of one value; `Field` says at which path values are
looked for. Within ``$elemMatch`` with operators, `Field` has an empty path: the array's element itself.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from entrepot.works.query.values import NULL, identity, rank


@dataclass(frozen=True, slots=True)
class AllOf:
    """Every part holds; without parts, true."""

    parts: "tuple[Query, ...]"


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Some part holds; without parts, false."""

    parts: "tuple[Query, ...]"


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: "Query"


@dataclass(frozen=True, slots=True)
class Field:
    """Some value at `path` passes `test`."""

    path: tuple[str, ...]
    test: "Test"

    @property
    def name(self) -> str:
        """The path as it is written in queries."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class Every:
    """Each of the `wanted` values is found at `path`: ``$all``, and several equalities at once."""

    path: tuple[str, ...]
    wanted: "In"

    @property
    def fields(self) -> list[Field]:
        """The same, a value each."""
        return [Field(self.path, Equal(value)) for value in self.wanted.values]


@dataclass(frozen=True, slots=True)
class Expr:
    """The aggregation expression is truthy."""

    expression: "Expression"


@dataclass(frozen=True, slots=True)
class Equal:
    """``$eq``."""

    value: Any


@dataclass(frozen=True, slots=True)
class In:
    """``$in``; scalars are kept with their rank, so that a set finds them, and so are what containers are known by."""

    scalars: frozenset[tuple[int, Any]]
    containers: tuple[Any, ...]
    identities: frozenset[tuple[int, Any]]

    @classmethod
    def of(cls, values: Iterable[Any]) -> "In":
        """Return the test for any of `values`."""
        scalars, containers = set(), {}
        for value in values:
            if isinstance(value, dict | list):
                containers[identity(value)] = value
            else:
                scalars.add((rank(value), value))
        return cls(frozenset(scalars), tuple(containers.values()), frozenset(containers))

    @property
    def values(self) -> list[Any]:
        """The listed values, scalars first."""
        return [value for _, value in sorted(self.scalars, key=lambda pair: (pair[0], str(pair[1])))] + [
            *self.containers
        ]

    @property
    def null(self) -> bool:
        """Whether null is listed."""
        return (NULL, None) in self.scalars

    def of_rank(self, wanted: int) -> list[Any]:
        """Return the listed scalars of one class, sorted."""
        return sorted(value for value_rank, value in self.scalars if value_rank == wanted)


@dataclass(frozen=True, slots=True)
class Compare:
    """``$gt``, ``$gte``, ``$lt``, ``$lte``."""

    operator: str
    value: Any


@dataclass(frozen=True, slots=True)
class Exists:
    """``$exists: true``."""


@dataclass(frozen=True, slots=True)
class Type:
    """``$type``; `types` are of null, bool, int, long, double, number, string, array, object."""

    types: frozenset[str]


@dataclass(frozen=True, slots=True)
class Regex:
    """``$regex``; `pattern` is in the dialect of RE2, `prefix` the text that every match starts the string with."""

    pattern: str
    prefix: str
    whole: bool
    """Whether to start with `prefix` is all that is asked for."""


@dataclass(frozen=True, slots=True)
class Size:
    """``$size``."""

    size: int


@dataclass(frozen=True, slots=True)
class Mod:
    """``$mod``."""

    divisor: int
    remainder: int


@dataclass(frozen=True, slots=True)
class Bits:
    """``$bitsAllSet`` and its like; `mask` has 64 bits, the highest of which stands for all above it."""

    operator: str
    mask: int

    def holds(self, value: int) -> bool:
        """Tell whether an integer of 64 bits passes."""
        found = value & self.mask
        return {
            "$bitsAllSet": found == self.mask,
            "$bitsAnySet": found != 0,
            "$bitsAllClear": found == 0,
            "$bitsAnyClear": found != self.mask,
        }[self.operator]


@dataclass(frozen=True, slots=True)
class ElemMatch:
    """``$elemMatch``; with `objects`, `query` has paths, and elements must be objects.

    Arrays count as objects with the keys "0", "1", ...
    """

    query: "Query"
    objects: bool


Test = Equal | In | Compare | Exists | Type | Regex | Size | Mod | Bits | ElemMatch
Query = AllOf | AnyOf | Not | Field | Every | Expr


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant of an expression."""

    value: Any


@dataclass(frozen=True, slots=True)
class Path:
    """A field's value in an expression."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator of expressions with its operands."""

    operator: str
    operands: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class ArrayOf:
    """An array made of expressions."""

    items: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class ObjectOf:
    """An object made of expressions."""

    items: "tuple[tuple[str, Expression], ...]"


Expression = Literal | Path | Operation | ArrayOf | ObjectOf

#: Tests that look at an array leaf as a whole only, never at its elements.
WHOLE_TESTS = (Size, ElemMatch)


def matches_missing(test: Test) -> bool:
    """Tell whether the test holds where there is no value at the path."""
    if isinstance(test, Equal):
        return test.value is None
    if isinstance(test, Compare):
        return test.value is None and test.operator in {"$gte", "$lte"}
    return isinstance(test, In) and test.null


def array_index(part: str) -> int | None:
    """Return the index that a step of a path selects in an array, if it is one (``0``, ``12``; not ``01``)."""
    if part.isascii() and part.isdigit() and (part == "0" or part[0] != "0") and len(part) < 10:
        return int(part)
    return None
