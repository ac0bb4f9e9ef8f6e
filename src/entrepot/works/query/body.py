"""Conditions on the body column: the walk along a path, the same for both databases, over what each calls a place."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self

from sqlalchemy import ColumnElement, exists, literal_column, select
from sqlalchemy.sql.selectable import FromClause

from entrepot.works.query.nodes import (
    WHOLE_TESTS,
    AllOf,
    AnyOf,
    Bits,
    ElemMatch,
    Equal,
    Every,
    Field,
    In,
    Not,
    Query,
    Test,
    array_index,
    matches_missing,
)
from entrepot.works.query.tri import FALSE, UNKNOWN, Condition, Tri, all_of, any_of, choose, const, negation

#: How many arrays a path may cross in SQL; each level multiplies the size of the condition.
MAX_ARRAYS = 2
FEW = 20
"""How many values are listed one by one."""
MAX_TESTS = 400
"""How many tests a query may have in SQL, listed values counted: bounds its length, parameters and depth."""

# What constructs of SQL take of the parser's stack, which has 100 places in SQLite before 3.46; measured, rounded up.
JOIN_ROOM, NOT_ROOM, _CASE_ROOM, _EXISTS_ROOM, _TEST_ROOM = 3, 4, 7, 10, 10


class UnpushableError(Exception):
    """SQL cannot name this place."""


class Budget:
    """What may still be said of one query in SQL, and names for the tables in it."""

    def __init__(self) -> None:
        self._left = MAX_TESTS
        self._tables = 0

    def spend(self, test: Test) -> bool:
        """Tell whether a test may still be said."""
        self._left -= _cost(test)
        return self._left >= 0

    def table(self) -> str:
        """Return a name for one more table."""
        self._tables += 1
        return f"e{self._tables}"


def _cost(test: Test) -> int:
    if isinstance(test, In):
        return 1 + min(len(test.scalars), FEW) + min(len(test.containers), FEW)
    return 1 + min(len(test.value), FEW) if isinstance(test, Equal) and isinstance(test.value, list) else 1


class Place(ABC):
    """A place in a JSON value, as SQL expressions. Its kind and tests are asked for only where it exists."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    @abstractmethod
    def child(self, key: str) -> Self:
        """Return the member of an object, or raise UnpushableError; it does not exist in what is no object."""

    @abstractmethod
    def element(self, index: int) -> Self:
        """Return the element of an array; it does not exist beyond the end."""

    @abstractmethod
    def elements(self) -> tuple[FromClause, Self]:
        """Return the table of an array's elements, and the place of each in it."""

    @abstractmethod
    def exists(self) -> Condition:
        """Tell whether there is a value here."""

    @abstractmethod
    def is_array(self) -> Condition:
        """Tell whether the value is an array; may be NULL where there is none."""

    @abstractmethod
    def is_object(self) -> Condition:
        """Tell whether the value is an object; may be NULL where there is none."""

    @abstractmethod
    def passes(self, test: Test) -> Tri:
        """Tell whether the value itself passes a test (any but ``$elemMatch``)."""

    def at_path(self, path: tuple[str, ...], test: Test) -> Tri | None:
        """Return the whole condition of a test at a path when the database has a shorter way than the walk."""
        del path, test
        return None


def query_condition(place: Place, query: Query, room: int, *, of_array: bool = False) -> Tri:
    """Return the condition of a query on the object (or, for tests without a path, the value) at a place.

    Parameters
    ----------
    place
        Where the object is.
    query
        The query.
    room
        How much of the SQL parser's stack is left; what needs more is left to the exact matcher.
    of_array
        Whether it is an array there, which counts as an object with the keys "0", "1", ...
    """

    def condition(part: Query, room: int) -> Tri:
        return query_condition(place, part, room, of_array=of_array)

    match query:
        case AllOf(parts):
            return all_of([condition(part, room - JOIN_ROOM) for part in parts])
        case AnyOf(parts):
            return any_of([condition(part, room - JOIN_ROOM) for part in parts])
        case Not(part):
            return negation(condition(part, room - NOT_ROOM))
        case Field((), test):
            return _value_condition(place, test, room)
        case Field(path, test) if of_array:
            return _indexed(place, path, test, room)
        case Field():
            return field_condition(place, query, room)
        case Every():
            return every_condition(query, lambda field: condition(field, room - JOIN_ROOM))
        case _:
            return UNKNOWN


def every_condition(query: Every, condition: Callable[[Field], Tri]) -> Tri:
    """Return the condition that some of the wanted values are found, which are all of them if they are few."""
    fields = query.fields
    found = all_of([condition(field) for field in fields[:FEW]])
    return found if len(fields) <= FEW else Tri(found.may, FALSE.must)


def bits_condition(test: Bits, common: ColumnElement[int], mask: ColumnElement[int]) -> Condition:
    """Return the condition of a bit mask on what a value has in common with it."""
    match test.operator:
        case "$bitsAllSet":
            return common == mask
        case "$bitsAnySet":
            return common != 0
        case "$bitsAllClear":
            return common == 0
        case _:
            return common != mask


def field_condition(place: Place, field: Field, room: int) -> Tri:
    """Return the condition of one field of the object at a place."""
    if room < _TEST_ROOM:
        return UNKNOWN
    try:
        return place.at_path(field.path, field.test) or _walk(place, field.path, field.test, room, MAX_ARRAYS)
    except UnpushableError:
        return UNKNOWN


def _walk(place: Place, path: tuple[str, ...], test: Test, room: int, arrays: int) -> Tri:
    """Descend objects as far as the path goes; where an array is on the way, traverse it."""
    return _descend([place, place.child(path[0])], path, test, room, arrays)


def _indexed(array: Place, path: tuple[str, ...], test: Test, room: int) -> Tri:
    """Descend from an array as from an object whose keys are the indices."""
    index = array_index(path[0])
    if index is None:
        return const(matches_missing(test))
    try:
        return _descend([array, array.element(index)], path, test, room, MAX_ARRAYS)
    except UnpushableError:
        return UNKNOWN


def _descend(way: list[Place], path: tuple[str, ...], test: Test, room: int, arrays: int) -> Tri:
    room -= _CASE_ROOM
    if room < _TEST_ROOM:
        return UNKNOWN
    for part in path[1:]:
        way.append(way[-1].child(part))
    branches = [(way[-1].exists(), _leaf(way[-1], test, room))]
    branches += [
        (way[step].is_array(), _traverse(way[step], path[step:], test, room, arrays - 1))
        for step in range(1, len(path))
    ]
    return choose(branches, const(matches_missing(test)))


def _traverse(array: Place, path: tuple[str, ...], test: Test, room: int, arrays: int) -> Tri:
    if arrays < 0:
        return UNKNOWN
    room -= JOIN_ROOM
    parts = [
        _some_element(
            array,
            lambda element, room: choose([(element.is_object(), _walk(element, path, test, room, arrays))], FALSE),
            room,
            _CASE_ROOM,
        )
    ]
    index = array_index(path[0])
    if index is not None:
        chosen, rest = array.element(index), path[1:]
        inner = room - _CASE_ROOM
        if not rest:
            branches = [(chosen.exists(), _value_condition(chosen, test, inner))]
        else:
            branches = [
                (chosen.is_object(), _walk(chosen, rest, test, inner, arrays)),
                (chosen.is_array(), _traverse(chosen, rest, test, inner, arrays - 1)),
            ]
        parts.append(choose(branches, FALSE))
    return any_of(parts)


def _leaf(place: Place, test: Test, room: int) -> Tri:
    """Test the value at a path's end, and the elements when it is an array and the test looks at them."""
    itself = _value_condition(place, test, room - JOIN_ROOM)
    if isinstance(test, WHOLE_TESTS):
        return itself
    room -= JOIN_ROOM + _CASE_ROOM
    some = _some_element(place, lambda element, room: _value_condition(element, test, room), room)
    return any_of([itself, choose([(place.is_array(), some)], FALSE)])


def _value_condition(place: Place, test: Test, room: int) -> Tri:
    if room < _TEST_ROOM or not place.budget.spend(test):
        return UNKNOWN
    if not isinstance(test, ElemMatch):
        return place.passes(test)
    room -= _CASE_ROOM

    def condition(element: Place, room: int) -> Tri:
        if not test.objects:
            return query_condition(element, test.query, room)
        room -= _CASE_ROOM
        as_object = query_condition(element, test.query, room)
        as_array = query_condition(element, test.query, room, of_array=True)
        return choose([(element.is_object(), as_object), (element.is_array(), as_array)], FALSE)

    return choose([(place.is_array(), _some_element(place, condition, room))], FALSE)


def _some_element(array: Place, condition: Callable[[Place, int], Tri], room: int, extra: int = 0) -> Tri:
    """Return whether some element of an array meets a condition, which is given the room that is left to it."""
    room -= _EXISTS_ROOM
    if room < _TEST_ROOM + extra:
        return UNKNOWN
    table, element = array.elements()
    return condition(element, room - extra).map(
        lambda bound: exists(select(literal_column("1")).select_from(table).where(bound))
    )
