"""Result sets side by side: the same value of each, and what differs first."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from entrepot import units
from entrepot.errors import InvalidInput
from entrepot.identity import Principal
from entrepot.rows.models import Location, ResultSet, Row
from entrepot.rows.vectors import unpack

MOST_SETS = 1000
#: Vectors that are longer are compared by their mean, their lowest and their highest value.
LONGEST = 50
_MOST_BYTES = 200_000_000
_AT_ONCE = 500
_SUMMARY = ("mean", "lowest", "highest")
_TEXTS = ("description", "source_type", "source", "made_by")

Numbers = npt.NDArray[np.float64]


@dataclass
class Field:
    """One value that result sets have.

    Attributes
    ----------
    row, vector, at, unit
        Of which row (without the name of the set's location, where it begins with that), in which vector, at which
        place of it, in which unit. Of what is known of the set itself, `row` is empty.
    values
        Of each set; None where it has none.
    difference
        How much they differ: of numbers the span by the largest of them, of texts the share of those that are not the
        most frequent one.
    missing
        How many sets have none.
    lowest, highest
        Which set has it, by its place; None of texts.
    """

    row: str
    vector: str
    at: str
    unit: str
    values: list[float | str | None]
    difference: float = 0.0
    missing: int = 0
    lowest: int | None = None
    highest: int | None = None

    @property
    def differs(self) -> bool:
        """Whether the sets are not all the same in it."""
        return self.difference > 0 or self.missing > 0


@dataclass(frozen=True)
class Comparison:
    """Result sets, and their fields: those that differ most first, those that are the same last."""

    sets: Sequence[ResultSet]
    fields: list[Field]

    @property
    def differing(self) -> int:
        """How many fields differ."""
        return sum(one.differs for one in self.fields)


def compare(
    session: Session, principal: Principal, sets: Sequence[ResultSet], wanted: Sequence[str] = ()
) -> Comparison:
    """Compare result sets of the caller's organization.

    Parameters
    ----------
    wanted
        Units into which vectors are converted that measure the same. What sets have in different units is compared in
        that of the first.

    Raises
    ------
    InvalidInput
        They are too many, or hold too much to be compared at once.
    """
    principal.require("read")
    if len(sets) > MOST_SETS:
        raise InvalidInput.field("result_sets", f"These are {len(sets):,}: at most {MOST_SETS:,} can be compared.")
    places = {one.id: place for place, one in enumerate(sets)}
    locations = {one.id: one.location_id for one in sets}
    blocks = _Blocks(len(sets), wanted)
    for row in _rows(session, principal, list(places)):
        named_after = row.location if row.location_id == locations[row.result_set_id] else None
        blocks.add(places[row.result_set_id], _short(row.name, named_after), row)
    fields = [*_known(sets), *blocks.fields()]
    fields.sort(key=lambda one: (-one.difference, -one.missing, one.row, one.vector))
    return Comparison(sets, fields)


def _rows(session: Session, principal: Principal, ids: Sequence[int]) -> Any:
    own = Row.organization_id == principal.organization_id
    size = func.sum(func.length(Row.values1) + func.length(Row.values2))
    columns = (
        Row.result_set_id, Row.name, Row.name1, Row.unit1, Row.values1, Row.name2, Row.unit2, Row.values2, Row.name3,
        Row.unit3, Row.values3, Row.extra, Row.location_id, Location.name.label("location"),
    )  # fmt: skip
    of_it = (Location.organization_id == Row.organization_id) & (Location.id == Row.location_id)
    read = 0
    for start in range(0, len(ids), _AT_ONCE):
        some = (own, Row.result_set_id.in_(ids[start : start + _AT_ONCE]))
        read += session.scalar(select(size).where(*some)) or 0
        if read > _MOST_BYTES:
            raise InvalidInput.field("result_sets", f"Their rows have more than {_MOST_BYTES:,} bytes: choose fewer.")
        yield from session.execute(select(*columns).outerjoin(Location, of_it).where(*some).order_by(Row.id))


def _short(name: str, location: str | None) -> str:
    """Return the name of a row as other locations have it, too."""
    if location and name.startswith(location):
        return name[len(location) :].lstrip(" -_:/") or name
    return name


class _Blocks:
    """Vectors of one row, name and unit at the same places, which are filled as a whole."""

    def __init__(self, count: int, wanted: Sequence[str]) -> None:
        self._count, self._wanted = count, wanted
        self._found: dict[tuple[str, str, str, tuple[str, ...]], Numbers] = {}
        self._units: dict[tuple[str, str], str] = {}

    def add(self, place: int, name: str, row: Any) -> None:
        """Take the vectors of a row of the set at a place."""
        at = _places(row.name1, row.unit1, row.values1, row.extra)
        for vector, stored, packed in ((row.name2, row.unit2, row.values2), (row.name3, row.unit3, row.values3)):
            if packed is None:
                continue
            values = unpack(packed)
            if len(at) != len(values):
                at, values = _SUMMARY, _summed(values)
            unit, values = self._converted((name, vector), stored or "", values)
            block = self._found.get((name, vector, unit, at))
            if block is None:
                block = self._found[name, vector, unit, at] = np.full((self._count, len(at)), np.nan)
            if np.isnan(block[place]).all():  # of rows of one name, the first counts
                block[place] = values

    def _converted(self, key: tuple[str, str], unit: str, values: Numbers) -> tuple[str, Numbers]:
        target = self._units.get(key)
        if target is None:
            target = next((one for one in self._wanted if unit and _convertible(unit, one)), unit)
            self._units[key] = target
        if target == unit or not (unit and target) or not _convertible(unit, target):
            return unit, values
        return target, units.convert(values, unit, target)

    def fields(self) -> list[Field]:
        """Return what was taken, by field."""
        found: dict[tuple[str, str, str, str], Numbers] = {}
        for (name, vector, unit, at), block in self._found.items():
            for number, label in enumerate(at):
                key, column = (name, vector, label, unit), block[:, number]
                if (known := found.get(key)) is None:
                    found[key] = column
                else:  # at other places besides in other sets
                    found[key] = np.where(np.isnan(known), column, known)
        return [_measured(Field(*key, []), column) for key, column in found.items()]


def _measured(field: Field, column: Numbers) -> Field:
    there = ~np.isnan(column)
    field.values = [value if has else None for value, has in zip(column.tolist(), there.tolist(), strict=True)]
    field.missing = int(len(column) - there.sum())
    if there.any():
        field.lowest, field.highest = int(np.nanargmin(column)), int(np.nanargmax(column))
        low, high = column[field.lowest], column[field.highest]
        size = max(abs(low), abs(high))
        field.difference = float(min(high / size - low / size, 2.0)) if size > 0 else 0.0
    return field


def _known(sets: Sequence[ResultSet]) -> list[Field]:
    """Return what is known of the sets themselves, as far as any of them has it."""
    extras = [orjson.loads(one.extra) if one.extra else {} for one in sets]
    names = dict.fromkeys(name for one in extras if isinstance(one, dict) for name in one)
    kept: list[tuple[str, Callable[[int], Any]]] = [
        *((name, lambda at, name=name: getattr(sets[at], name)) for name in _TEXTS),
        *((f"extra.{name}", lambda at, name=name: extras[at].get(name)) for name in names),
    ]
    fields = []
    for name, value in kept:
        given = [value(at) for at in range(len(sets))]
        if any(one is not None for one in given):
            fields.append(_of_values(name, given))
    return fields


def _of_values(name: str, given: Sequence[Any]) -> Field:
    field = Field("", name, "", "", [])
    present = [one for one in given if one is not None]
    if all(isinstance(one, int | float) and not isinstance(one, bool) and abs(one) < 2**53 for one in present):
        return _measured(field, np.array([np.nan if one is None else one for one in given], np.float64))
    texts = [None if one is None else one if isinstance(one, str) else orjson.dumps(one).decode() for one in given]
    field.values, field.missing = list(texts), len(given) - len(present)
    most = Counter(one for one in texts if one is not None).most_common(1)[0][1]
    field.difference = 1 - most / len(present)
    return field


def _summed(values: Numbers) -> Numbers:
    there = values[~np.isnan(values)]
    if not there.size:
        return np.full(len(_SUMMARY), np.nan)
    return np.array([there.mean(), there.min(), there.max()])


@lru_cache(maxsize=4096)
def _places(name: str, unit: str | None, packed: bytes, extra: str | None) -> tuple[str, ...]:
    """Return what the places of a row's vectors are called: by its labels, or by the values of its first vector."""
    values = unpack(packed)
    if len(values) > LONGEST:
        return _SUMMARY
    known = orjson.loads(extra) if extra and "reference_labels" in extra else {}
    labels = known.get("reference_labels") if isinstance(known, dict) else None
    if isinstance(labels, list) and len(labels) == len(values) and len(set(map(str, labels))) == len(labels):
        return tuple(map(str, labels))
    said = f" {unit}" if unit and unit != "index" else ""
    return tuple(f"{name} {value:g}{said}" for value in values.tolist())


@lru_cache(maxsize=1024)
def _convertible(unit: str, wanted: str) -> bool:
    return units.convertible(unit, wanted)
