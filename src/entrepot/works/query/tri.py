"""Conditions between two bounds: SQL that is true at least where a query is, and SQL that is true at most there.

Where SQL can say exactly what a query means both bounds are the same expression. Where it cannot, the rows between the
bounds are the ones that only the exact matcher can decide. Negation swaps the bounds, so nothing is lost below it.
No expression here is ever NULL.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, case, false, not_, or_, true

Condition = ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Tri:
    """A condition: `may` is true at least where it holds, `must` at most there."""

    may: Condition
    must: Condition

    @property
    def exact(self) -> bool:
        """Whether the bounds meet."""
        return self.may is self.must

    def map(self, function: Callable[[Condition], Condition]) -> "Tri":
        """Return the condition with a monotone function applied to its bounds."""
        may = function(self.may)
        return Tri(may, may if self.exact else function(self.must))


def exactly(condition: Condition) -> Tri:
    """Return a condition that SQL says exactly."""
    return Tri(condition, condition)


def const(value: bool) -> Tri:
    """Return the condition that always or never holds."""
    return TRUE if value else FALSE


def all_of(parts: Sequence[Tri]) -> Tri:
    """Return the conjunction."""
    return _joined(parts, lambda conditions: and_(true(), *conditions))


def any_of(parts: Sequence[Tri]) -> Tri:
    """Return the disjunction."""
    return _joined(parts, lambda conditions: or_(false(), *conditions))


def negation(part: Tri) -> Tri:
    """Return the negation."""
    must = not_(part.may)
    return Tri(must if part.exact else not_(part.must), must)


def choose(branches: Sequence[tuple[Condition, Tri]], otherwise: Tri) -> Tri:
    """Return the part of the first branch whose guard is true (guards may be NULL)."""
    may = case(*((guard, part.may) for guard, part in branches), else_=otherwise.may)
    if otherwise.exact and all(part.exact for _, part in branches):
        return exactly(may)
    return Tri(may, case(*((guard, part.must) for guard, part in branches), else_=otherwise.must))


def _joined(parts: Sequence[Tri], join: Callable[[list[Condition]], Condition]) -> Tri:
    may = join([part.may for part in parts])
    return Tri(may, may if all(part.exact for part in parts) else join([part.must for part in parts]))


TRUE = exactly(true())
FALSE = exactly(false())
UNKNOWN = Tri(true(), false())
