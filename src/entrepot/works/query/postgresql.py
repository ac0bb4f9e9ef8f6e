"""JSON in PostgreSQL: a ``jsonb`` column that holds what `searchable` made of the document."""

# ruff: noqa: D102 - documented in Place

import json
from collections.abc import Sequence
from typing import Any, Self

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    Integer,
    Numeric,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
)
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH
from sqlalchemy.sql.selectable import FromClause

from entrepot.works.query.body import FEW, Budget, Place, UnpushableError, bits_condition
from entrepot.works.query.nodes import Bits, Compare, Equal, Exists, In, Mod, Regex, Size, Test, Type, array_index
from entrepot.works.query.searchable import exact_json, is_storable
from entrepot.works.query.tri import FALSE, TRUE, Condition, Tri, any_of, exactly
from entrepot.works.query.values import BOOLEAN, INT32, INT64, NULL, NUMBER, STRING, rank

ROOM = 10_000
"""PostgreSQL's parser has no fixed stack; the bounds of `parse` suffice."""

_KINDS = ("missing", "null", "number", "string", "object", "array", "boolean")
_SQL = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


class PostgresPlace(Place):
    """A ``jsonb`` expression."""

    def __init__(self, value: ColumnElement[Any], budget: Budget | None = None) -> None:
        super().__init__(budget or Budget())
        self._value = value

    def child(self, key: str) -> Self:
        if not is_storable(key):
            raise UnpushableError
        return type(self)(_get(self._value, literal(key, Text())), self.budget)

    def element(self, index: int) -> Self:
        # An integer also counts in what is no array: a scalar is an array of one to PostgreSQL.
        array = case((self.is_array(), self._value))
        return type(self)(_get(array, literal(index, Integer())), self.budget)

    def elements(self) -> tuple[FromClause, Self]:
        array = case((self.is_array(), self._value), else_=_jsonb([]))
        table = func.jsonb_array_elements(array).table_valued("value", name=self.budget.table())
        return table, type(self)(cast(table.c.value, JSONB), self.budget)

    def exists(self) -> Condition:
        return self._value.is_not(None)

    @property
    def _kind(self) -> ColumnElement[str]:
        return func.jsonb_typeof(self._value, type_=Text())

    @property
    def _text(self) -> ColumnElement[str]:
        return self._value.op("#>>", return_type=Text())(cast(literal("{}", Text()), ARRAY(Text())))

    def is_array(self) -> Condition:
        return self._kind == "array"

    def is_object(self) -> Condition:
        return self._kind == "object"

    def at_path(self, path: tuple[str, ...], test: Test) -> Tri | None:
        """Say a positive test of scalars as one path of the lax mode, which crosses arrays as MongoDB does."""
        if any(array_index(part) is not None or not is_storable(part) for part in path):
            return None
        filters = _filters(test)
        if filters is None:
            return None
        steps = "$" + "".join(f".{json.dumps(part, ensure_ascii=False)}" for part in path)
        paths = [f"{steps} ? ({text})" if text else steps for text in filters]
        return any_of([exactly(_path_exists(self._value, text)) for text in paths])

    def passes(self, test: Test) -> Tri:
        match test:
            case Equal(operand):
                return exactly(self._value == _jsonb(operand)) if is_storable(operand) else FALSE
            case In():
                return self._is_in(test)
            case Compare(operator, operand):
                return self._compares(operator, operand)
            case Exists():
                return TRUE
            case Type(types):
                return any_of([self._has_type(name) for name in sorted(types)])
            case Regex(_, prefix, whole):
                return self._starts_with(prefix, whole=whole)
            case Size(size):
                length = case((self.is_array(), func.jsonb_array_length(self._value, type_=Integer())), else_=-1)
                return exactly(length == literal(size, Numeric()))
            case Mod(divisor, expected):
                number = cast(case((self._kind == "number", self._text)), Numeric())
                modulus = func.mod(func.trunc(number), literal(divisor, Numeric()), type_=Numeric())
                return exactly(func.coalesce(modulus == literal(expected, Numeric()), literal(False, Boolean())))
            case Bits():
                return self._bits(test)
            case _:
                raise AssertionError(test)

    def _is_in(self, test: In) -> Tri:
        scalars = [value for _, value in sorted(test.scalars, key=lambda pair: pair[0]) if is_storable(value)]
        parts = []
        if scalars:
            listed = _jsonb(scalars).op("@>", is_comparison=True, return_type=Boolean())(self._value)
            parts.append(exactly(and_(self._kind.in_(("null", "number", "string", "boolean")), listed)))
        parts += [exactly(self._value == _jsonb(value)) for value in test.containers[:FEW] if is_storable(value)]
        if len(test.containers) > FEW:
            parts.append(Tri(self._kind.in_(("object", "array")), FALSE.must))
        return any_of(parts)

    def _compares(self, operator: str, operand: Any) -> Tri:
        ranked = rank(operand)
        right_kind = self._kind == _KINDS[ranked]
        if ranked == NULL:
            return exactly(right_kind) if operator in {"$gte", "$lte"} else FALSE
        if ranked in {NUMBER, BOOLEAN}:
            return exactly(and_(right_kind, _compared(self._value, operator, _jsonb(operand))))
        if ranked == STRING and is_storable(operand):
            text = self._text.collate("C")
            return exactly(and_(right_kind, _compared(text, operator, literal(operand, Text()))))
        return Tri(right_kind, FALSE.must)

    def _starts_with(self, prefix: str, *, whole: bool) -> Tri:
        text = self._kind == "string"
        if not is_storable(prefix):
            return FALSE
        starting = (
            and_(text, func.starts_with(self._text, literal(prefix, Text()), type_=Boolean())) if prefix else text
        )
        return exactly(starting) if whole else Tri(starting, FALSE.must)

    def _bits(self, test: Bits) -> Tri:
        number = cast(case((self._kind == "number", self._text)), Numeric())
        whole = and_(
            number == func.trunc(number), number.between(literal(INT64[0], Numeric()), literal(INT64[1], Numeric()))
        )
        mask = literal(test.mask, BigInteger())
        common = cast(case((whole, number)), BigInteger()).op("&", return_type=BigInteger())(mask)
        return exactly(func.coalesce(bits_condition(test, common, mask), literal(False, Boolean())))

    def _has_type(self, name: str) -> Tri:
        if name in {"null", "string", "object", "array", "number"}:
            return exactly(self._kind == name)
        if name == "bool":
            return exactly(self._kind == "boolean")
        # `searchable` gives every double a decimal point, and jsonb keeps it.
        fraction = cast(self._value, Text()).contains(".")
        if name == "double":
            return exactly(and_(self._kind == "number", fraction))
        in_32, in_64 = (and_(self._value >= _jsonb(low), self._value <= _jsonb(high)) for low, high in (INT32, INT64))
        fits = in_32 if name == "int" else and_(in_64, ~in_32)
        return exactly(and_(self._kind == "number", ~fraction, fits))


def _filters(test: Test) -> list[str] | None:
    """Return the filters of a lax path that together say a test; None when paths cannot say it."""
    match test:
        case Exists():
            return [""]
        case Equal(operand):
            return _any_of_scalars([operand])
        case In(scalars, containers) if not containers and len(scalars) <= FEW:
            return _any_of_scalars([value for _, value in scalars])
        case Compare(operator, operand) if rank(operand) == NUMBER or (
            rank(operand) == STRING and is_storable(operand)
        ):
            return [f'@.type() == "{_KINDS[rank(operand)]}" && @ {_SQL[operator]} {exact_json(operand)}']
        case Regex(_, prefix, True) if prefix and is_storable(prefix):
            return [f'@.type() == "string" && @ starts with {exact_json(prefix)}']
        case _:
            return None


def _any_of_scalars(values: Sequence[Any]) -> list[str] | None:
    if any(value is None or isinstance(value, dict | list) for value in values):
        return None
    return [
        f'@.type() == "{_KINDS[rank(value)]}" && @ == {exact_json(value)}' for value in values if is_storable(value)
    ]


def _path_exists(value: ColumnElement[Any], path: str) -> Condition:
    return value.op("@?", is_comparison=True, return_type=Boolean())(cast(literal(path, Text()), JSONPATH))


def _compared(left: ColumnElement[Any], operator: str, right: ColumnElement[Any]) -> Condition:
    return left.op(_SQL[operator], is_comparison=True, return_type=Boolean())(right)


def _get(value: ColumnElement[Any], key: ColumnElement[Any]) -> ColumnElement[Any]:
    return value.op("->", return_type=JSONB())(key)


def _jsonb(value: Any) -> ColumnElement[Any]:
    return cast(literal(exact_json(value), Text()), JSONB)
