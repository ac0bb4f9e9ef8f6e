"""JSON in SQLite: text (or JSONB), read with the functions of SQLite 3.40 and later.

SQLite reads decimal numbers into doubles that may be off by a unit in the last place, and integers beyond 64 bits as
doubles: within `_BAND` of an operand a comparison is left to the exact matcher.
"""

# ruff: noqa: D102 - documented in Place

import json
from collections.abc import Sequence
from typing import Any, Self

from sqlalchemy import BigInteger, Boolean, ColumnElement, Double, Integer, Text, and_, case, func, literal, or_, select
from sqlalchemy.sql.selectable import FromClause

from entrepot.works.query import regex
from entrepot.works.query.body import FEW, Budget, Place, UnpushableError, bits_condition
from entrepot.works.query.nodes import Bits, Compare, Equal, Exists, In, Mod, Regex, Size, Test, Type
from entrepot.works.query.searchable import is_storable
from entrepot.works.query.tri import FALSE, TRUE, Condition, Tri, all_of, any_of, choose, const, exactly
from entrepot.works.query.values import ARRAY, BOOLEAN, INT32, NULL, NUMBER, OBJECT, STRING, rank

ROOM = 60
"""How much of the parser's 100 places a condition may take; the rest is the statement's that holds it."""

_BAND = 1e-14
_LARGE = 2**62
_TYPES = {"null": ("null",), "bool": ("true", "false"), "string": ("text",), "object": ("object",), "array": ("array",)}
_RANK_TYPES = {NULL: ("null",), STRING: ("text",), OBJECT: ("object",), ARRAY: ("array",), BOOLEAN: ("true", "false")}


def register_sqlite_functions(dbapi_connection: Any) -> None:
    """Give a connection the function ``regexp`` that compiled queries use; call it for every new connection."""
    dbapi_connection.create_function("regexp", 2, _regexp, deterministic=True)


def _regexp(pattern: Any, text: Any) -> bool:
    # SQLite may evaluate this before the condition that the value is a string.
    return isinstance(text, str) and regex.search(pattern, text)


def json_list(values: Sequence[Any]) -> Any:
    """Return a subquery of listed values, bound as one parameter."""
    return select(func.json_each(literal(json.dumps(values, ensure_ascii=False), Text())).table_valued("value").c.value)


class SqlitePlace(Place):
    """A path in a JSON text; elements of arrays know their type and value from their row."""

    def __init__(
        self,
        document: ColumnElement[Any],
        path: str = "$",
        row: FromClause | None = None,
        budget: Budget | None = None,
    ) -> None:
        super().__init__(budget or Budget())
        self._document = document
        self._path = path
        self._row = row

    @property
    def _type(self) -> ColumnElement[str]:
        return self._row.c.type if self._row is not None else func.json_type(self._document, self._path, type_=Text())

    @property
    def _value(self) -> ColumnElement[Any]:
        return self._row.c.atom if self._row is not None else func.json_extract(self._document, self._path)

    def child(self, key: str) -> Self:
        # SQLite compares a quoted key with the key as it is written in the text.
        if not (key.isascii() and key.isprintable() and key) or '"' in key or "\\" in key:
            raise UnpushableError
        return type(self)(self._document, f'{self._path}."{key}"', None, self.budget)

    def element(self, index: int) -> Self:
        return type(self)(self._document, f"{self._path}[{index}]", None, self.budget)

    def elements(self) -> tuple[FromClause, Self]:
        columns = ("value", "type", "atom")
        row = func.json_each(self._document, self._path).table_valued(*columns, name=self.budget.table())
        # The value of a scalar is no JSON: reading it as such would be an error.
        nested = case((row.c.type.in_(("object", "array")), row.c.value))
        return row, type(self)(nested, "$", row, self.budget)

    def exists(self) -> Condition:
        return self._type.is_not(None)

    def is_array(self) -> Condition:
        return self._type == "array"

    def is_object(self) -> Condition:
        return self._type == "object"

    def passes(self, test: Test) -> Tri:
        match test:
            case Equal(operand):
                return self._equals(operand)
            case In():
                return self._is_in(test)
            case Compare(operator, operand):
                return self._compares(operator, operand)
            case Exists():
                return TRUE
            case Type(types):
                return any_of([self._has_type(name) for name in sorted(types)])
            case Regex(pattern):
                found = func.regexp(pattern, self._value, type_=Integer()) == 1
                return exactly(and_(self._type == "text", found))
            case Size(size):
                return exactly(and_(self._type == "array", self._length() == literal(min(size, 2**62), BigInteger())))
            case Mod(divisor, expected):
                return self._modulo(divisor, expected)
            case Bits():
                return self._bits(test)
            case _:
                raise AssertionError(test)

    def _length(self) -> ColumnElement[int]:
        return func.json_array_length(self._document, self._path, type_=Integer())

    def _equals(self, operand: Any) -> Tri:
        match rank(operand):
            case ranked if ranked in {NULL, BOOLEAN}:
                return exactly(self._type == json.dumps(operand))
            case ranked if ranked == STRING:
                return self._text("==", operand)
            case ranked if ranked == NUMBER:
                return self._number("$eq", operand)
            case ranked if ranked == ARRAY:
                return self._equals_array(operand)
            case _:
                return self._some_of_type(OBJECT)

    def _equals_array(self, operand: list[Any]) -> Tri:
        """Compare a short array of scalars place by place; longer and deeper ones by their length."""
        right_size = and_(self._type == "array", self._length() == len(operand))
        if len(operand) > FEW or any(isinstance(item, dict | list) for item in operand):
            return Tri(right_size, FALSE.must)
        # The parts are reached through the document, which an element's row holds as its value.
        place = type(self)(self._document, self._path, None, self.budget)
        items = [place.element(index)._equals(item) for index, item in enumerate(operand)]  # noqa: SLF001
        return choose([(right_size, all_of(items))], FALSE)

    def _is_in(self, test: In) -> Tri:
        parts = [self._equals(value) for value in (None, False, True) if (rank(value), value) in test.scalars]
        texts = [value for value in test.of_rank(STRING) if is_storable(value)]
        if texts:
            listed = self._value.in_(json_list(texts)) if len(texts) > FEW else self._value.in_(texts)
            parts.append(exactly(and_(self._type == "text", listed)))
        numbers = test.of_rank(NUMBER)
        if len(numbers) <= FEW:
            parts += [self._number("$eq", number) for number in numbers]
        else:
            parts.append(self._is_in_numbers(numbers))
        if len(test.containers) <= FEW:
            parts += [self._equals(value) for value in test.containers]
        else:
            parts += [self._some_of_type(ranked) for ranked in {rank(value) for value in test.containers}]
        return any_of(parts)

    def _is_in_numbers(self, numbers: list[Any]) -> Tri:
        small = [int(number) for number in numbers if abs(number) < _LARGE and number == int(number)]
        listed = self._value.in_(json_list(small))
        larger = ~self._value.between(literal(-_LARGE // 2, BigInteger()), literal(_LARGE // 2, BigInteger()))
        return Tri(
            case((self._type == "integer", or_(listed, larger)), else_=self._type == "real"),
            and_(self._type == "integer", listed),
        )

    def _compares(self, operator: str, operand: Any) -> Tri:
        ranked = rank(operand)
        if ranked == NUMBER:
            return self._number(operator, operand)
        if ranked == STRING:
            return self._text(operator, operand)
        if ranked == NULL:
            return exactly(self._type == "null") if operator in {"$gte", "$lte"} else FALSE
        if ranked == BOOLEAN:
            fitting = [value for value in (False, True) if _PYTHON[operator](value, operand)]
            return any_of([self._equals(value) for value in fitting])
        return self._some_of_type(ranked)

    def _some_of_type(self, ranked: int) -> Tri:
        return Tri(self._type.in_(_RANK_TYPES[ranked]), FALSE.must)

    def _text(self, operator: str, operand: str) -> Tri:
        if not is_storable(operand):
            return FALSE if operator == "==" else self._some_of_type(STRING)
        compared = self._value.op(_SQL.get(operator, "="), is_comparison=True, return_type=Boolean())(
            literal(operand, Text())
        )
        return exactly(and_(self._type == "text", compared))

    def _number(self, operator: str, operand: float) -> Tri:
        if abs(operand) > 1e300:
            return Tri(self._type.in_(("integer", "real")), FALSE.must)
        margin = abs(operand) * _BAND + 1e-300
        low: ColumnElement[Any] = literal(operand - margin, Double())
        high: ColumnElement[Any] = literal(operand + margin, Double())
        value = self._value
        if operator == "$eq":
            near = Tri(value.between(low, high), FALSE.must)
        elif operator in {"$gt", "$gte"}:
            near = Tri(value >= low, value > high)
        else:
            near = Tri(value <= high, value < low)
        whole = near
        if abs(operand) < _LARGE:
            bound: ColumnElement[Any] = literal(operand, Double() if isinstance(operand, float) else BigInteger())
            whole = exactly(value.op(_SQL[operator], is_comparison=True, return_type=Boolean())(bound))
        return choose([(self._type == "integer", whole), (self._type == "real", near)], FALSE)

    def _has_type(self, name: str) -> Tri:
        if name in _TYPES:
            return exactly(self._type.in_(_TYPES[name]))
        if name == "double":
            return exactly(self._type == "real")
        if name == "number":
            return exactly(self._type.in_(("integer", "real")))
        fits = and_(self._type == "integer", func.typeof(self._value, type_=Text()) == "integer")
        in_32 = self._value.between(literal(INT32[0], BigInteger()), literal(INT32[1], BigInteger()))
        return exactly(and_(fits, in_32 if name == "int" else ~in_32))

    def _modulo(self, divisor: int, expected: int) -> Tri:
        if max(abs(divisor), abs(expected)) >= _LARGE:
            return Tri(self._type.in_(("integer", "real")), FALSE.must)
        by_64_bits = self._value.op("%")(literal(divisor, BigInteger())) == literal(expected, BigInteger())
        fits = func.typeof(self._value, type_=Text()) == "integer"
        whole = choose([(fits, exactly(by_64_bits))], Tri(TRUE.may, FALSE.must))
        return choose(
            [(self._type == "integer", whole), (self._type == "real", Tri(TRUE.may, FALSE.must))], const(False)
        )

    def _bits(self, test: Bits) -> Tri:
        mask = literal(test.mask, BigInteger())
        common = self._value.op("&", return_type=BigInteger())(mask)
        fits = func.typeof(self._value, type_=Text()) == "integer"
        whole = choose([(fits, exactly(bits_condition(test, common, mask)))], FALSE)
        return choose([(self._type == "integer", whole), (self._type == "real", Tri(TRUE.may, FALSE.must))], FALSE)


_SQL = {"==": "=", "$eq": "=", "$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}
_PYTHON = {"$gt": bool.__gt__, "$gte": bool.__ge__, "$lt": bool.__lt__, "$lte": bool.__le__}
