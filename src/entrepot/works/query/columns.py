"""Conditions on what is kept beside the body: real columns, and side tables of the values that arrays hold."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Double,
    Text,
    and_,
    any_,
    func,
    literal,
    not_,
    or_,
    true,
)
from sqlalchemy.types import TypeEngine

from entrepot.works.query.body import FEW
from entrepot.works.query.expression import COMPARISONS
from entrepot.works.query.nodes import (
    Compare,
    ElemMatch,
    Equal,
    Exists,
    Expression,
    In,
    Operation,
    Path,
    Regex,
    Size,
    Test,
    Type,
)
from entrepot.works.query.nodes import Literal as LiteralNode
from entrepot.works.query.searchable import is_storable
from entrepot.works.query.sqlite import json_list
from entrepot.works.query.tri import FALSE, TRUE, UNKNOWN, Condition, Tri, all_of, any_of, const, exactly, negation
from entrepot.works.query.values import ARRAY as ARRAY_RANK
from entrepot.works.query.values import NULL, NUMBER, STRING, compare, rank

Kind = Literal["string", "number", "flag"]

_EXACT = 2**53
_RANKS = {"string": STRING, "number": NUMBER}


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """What a column tells of the value at a path.

    Attributes
    ----------
    column
        The column (or an expression that is indexed).
    kind
        ``string`` or ``number``: where the column is not NULL, the value at the path is a scalar of this kind, reached
        through objects only, and the column is equal to it (numbers are at most 2**53 large; strings have no NUL
        character and no lone surrogate; PostgreSQL needs the index of a string column to be of collation "C").
        ``flag``: a boolean, never NULL, which is true exactly where the query ``{path: true}`` matches.
    null
        What SQL NULL says of the value: it ``never`` is NULL; the value is ``empty``, that is, missing or null; or
        ``unknown``, the value may be anything (the body is asked).
    """

    column: ColumnElement[Any]
    kind: Kind
    null: Literal["never", "empty", "unknown"] = "unknown"


@dataclass(frozen=True, slots=True)
class MultikeySpec:
    """What a side table tells of the values at a path.

    Attributes
    ----------
    any_of
        Given values of `kind`, returns the condition that the document has a row with one of them. It has rows for the
        scalars of `kind` that are at the path, and for the elements of arrays at the path; also through arrays of
        objects.
    kind
        ``string`` or ``number`` (at most 2**53 large).
    exact
        Whether it has all of these rows and no other, for every document. Otherwise it may have rows too many.
    flat
        Whether no array at the path has an array as an element.
    """

    any_of: Callable[[Sequence[Any]], ColumnElement[bool]]
    kind: Literal["string", "number"]
    exact: bool = False
    flat: bool = False


def column_condition(spec: ColumnSpec, test: Test, dialect: str) -> Tri | None:
    """Return the condition of a test where the column is not NULL or says all; None if the column cannot help."""
    if spec.kind == "flag":
        return exactly(spec.column) if _is_true(test) else None
    column = _Column(spec, dialect)
    match test:
        case Equal(operand):
            return column.equals([operand])
        case In() if len(test.scalars) + len(test.containers) > 0:
            return column.equals([value for _, value in test.scalars])
        case Compare(operator, operand):
            return column.compares(operator, operand)
        case Regex(pattern, prefix, whole) if spec.kind == "string":
            return column.finds(pattern, prefix, whole=whole)
        case Exists() if spec.null == "never":
            return TRUE
        case Type(types) if spec.null == "never" and spec.kind == "string":
            return const("string" in types)
        case Size() | ElemMatch():
            return FALSE
        case _:
            return None


def multikey_condition(spec: MultikeySpec, test: Test) -> tuple[Condition, bool] | None:
    """Return a condition that holds wherever a test does, and whether it says it exactly; None if there is none."""
    exact = spec.exact
    match test:
        case Equal(value) if spec.flat and rank(value) == ARRAY_RANK:
            values, exact = [item for item in value if _fits(spec.kind, item)][:1], False
        case Equal(value):
            values = [value]
        case In(scalars, containers) if scalars and not containers:
            values = [value for _, value in scalars]
        case _:
            return None
    if not values or not all(_fits(spec.kind, value) for value in values):
        return None
    return spec.any_of([_plain(value) for value in values]), exact


def expression_condition(expression: Expression, columns: dict[tuple[str, ...], ColumnSpec]) -> Tri:
    """Return the condition of an expression as far as columns can say it."""
    match expression:
        case Operation("$and", operands):
            return all_of([expression_condition(operand, columns) for operand in operands])
        case Operation("$or", operands):
            return any_of([expression_condition(operand, columns) for operand in operands])
        case Operation("$not", (operand,)):
            return negation(expression_condition(operand, columns))
        case Operation(operator, (left, right)) if operator in COMPARISONS:
            return _comparison(operator, left, right, columns)
        case _:
            return UNKNOWN


def _comparison(operator: str, left: Expression, right: Expression, columns: dict[tuple[str, ...], ColumnSpec]) -> Tri:
    sides = [_operand(side, columns) for side in (left, right)]
    if None in sides:
        return UNKNOWN
    (a, kind_a, null_a), (b, kind_b, null_b) = (side for side in sides if side is not None)
    if kind_a == kind_b:
        if kind_a == "string" and operator not in {"$eq", "$ne"}:
            return UNKNOWN  # the order of the column's collation need not be that of code points
        condition = _same(a, b, _OPERATORS[operator])
    else:
        condition = true() if COMPARISONS[operator](compare(_SAMPLES[kind_a], _SAMPLES[kind_b]), 0) else FALSE.may
    known = [side.is_not(None) for side, nullable in ((a, null_a), (b, null_b)) if nullable]
    if not known:
        return exactly(condition)
    present = and_(*known)
    return Tri(or_(not_(present), condition), and_(present, condition))


def _operand(
    side: Expression, columns: dict[tuple[str, ...], ColumnSpec]
) -> tuple[ColumnElement[Any], str, bool] | None:
    if isinstance(side, LiteralNode):
        kind = next((name for name in ("string", "number") if _fits(name, side.value)), None)
        return None if kind is None else (_bound(side.value), kind, False)
    spec = columns.get(side.path) if isinstance(side, Path) else None
    if spec is None or spec.kind == "flag":
        return None
    return spec.column, spec.kind, spec.null != "never"


class _Column:
    """The tests of one column of strings or numbers."""

    def __init__(self, spec: ColumnSpec, dialect: str) -> None:
        self._spec = spec
        self._dialect = dialect
        self._rank = _RANKS[spec.kind]
        self._filled = true() if spec.null == "never" else spec.column.is_not(None)

    def equals(self, operands: Sequence[Any]) -> Tri | None:
        column, parts = self._spec.column, []
        fitting = [value for value in operands if rank(value) == self._rank]
        if not all(_fits(self._spec.kind, value) for value in fitting):
            return None
        if len(fitting) == 1:
            parts.append(self._filled_and(_same(column, _bound(fitting[0]))))
        elif fitting:
            parts.append(self._filled_and(self._listed([_plain(value) for value in fitting])))
        if self._spec.null == "empty" and None in operands:
            parts.append(column.is_(None))
        return any_of([exactly(part) for part in parts])

    def compares(self, operator: str, operand: Any) -> Tri | None:
        if rank(operand) == self._rank:
            if not _fits(self._spec.kind, operand):
                return None
            return exactly(self._filled_and(self._ordered(operator, operand)))
        if rank(operand) == NULL and operator in {"$gte", "$lte"} and self._spec.null == "empty":
            return exactly(self._spec.column.is_(None))
        return FALSE

    def finds(self, pattern: str, prefix: str, *, whole: bool) -> Tri:
        parts = [exactly(self._filled)]
        if prefix:
            parts.append(exactly(self._ordered("$gte", prefix)))
            if following := _following(prefix):
                parts.append(exactly(self._ordered("$lt", following)))
        if not whole:
            found = func.regexp(pattern, self._spec.column) == 1
            parts.append(exactly(found) if self._dialect == "sqlite" else UNKNOWN)
        return all_of(parts)

    def _filled_and(self, condition: Condition) -> Condition:
        return and_(self._filled, condition)

    def _ordered(self, operator: str, operand: Any) -> Condition:
        is_text = self._spec.kind == "string" and self._dialect == "postgresql"
        column = self._spec.column.collate("C") if is_text else self._spec.column
        return _same(column, _bound(operand), _OPERATORS[operator])

    def _listed(self, values: list[Any]) -> Condition:
        column = self._spec.column
        if len(values) <= FEW:
            return column.in_([_bound(value) for value in values])
        if self._dialect == "sqlite":
            return column.in_(json_list(values))
        whole = all(isinstance(value, int) for value in values)
        item: TypeEngine[Any] = Text() if self._spec.kind == "string" else BigInteger() if whole else Double()
        return column == any_(literal(values, ARRAY(item)))


_OPERATORS = {"$eq": "=", "$ne": "<>", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_SAMPLES: dict[str, Any] = {"string": "", "number": 0}


def _same(left: ColumnElement[Any], right: ColumnElement[Any], operator: str = "=") -> Condition:
    # Not `left == right`, which would bind a fraction as the integer that the column's type asks for.
    return left.op(operator, is_comparison=True, return_type=Boolean())(right)


def _is_true(test: Test) -> bool:
    return isinstance(test, Equal) and test.value is True


def _fits(kind: str, value: Any) -> bool:
    if kind == "string":
        return rank(value) == STRING and is_storable(value)
    return rank(value) == NUMBER and abs(value) <= _EXACT


def _plain(value: Any) -> Any:
    """Return a whole double as the integer that it equals, so that integer columns are compared as such."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _bound(value: Any) -> ColumnElement[Any]:
    value = _plain(value)
    if isinstance(value, str):
        return literal(value, Text())
    return literal(value, Double() if isinstance(value, float) else BigInteger())


def _following(prefix: str) -> str:
    """Return the least string after all that start with `prefix`; empty if there is none."""
    stem = prefix.rstrip(chr(0x10FFFF))
    if not stem:
        return ""
    code = ord(stem[-1]) + 1
    return stem[:-1] + chr(0xE000 if code == 0xD800 else code)
