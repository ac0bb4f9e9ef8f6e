"""Labels: keys and values by which series are found."""

from collections.abc import Mapping, Sequence
from typing import Final

from sqlalchemy import ColumnElement, delete, exists, insert, select
from sqlalchemy.orm import Session

from entrepot.errors import Locked
from entrepot.series.models import Series, SeriesLabel

#: What a key looks like, and how many labels a series may have.
KEY: Final = r"^[A-Za-z][A-Za-z0-9_.-]{0,99}$"
MOST: Final = 50


def put(session: Session, series: Series, labels: Mapping[str, str]) -> None:
    """Give a series these labels, and no others.

    Raises
    ------
    Locked
        The series is locked, and would have others.
    """
    present = of(session, [series]).get(series.number, {})
    if present == labels:
        return
    if series.locked:
        raise Locked(f"Series {series.name} is locked.")
    session.execute(delete(SeriesLabel).where(SeriesLabel.series == series.number))
    if labels:
        rows = [{"series": series.number, "key": key, "value": value} for key, value in labels.items()]
        session.execute(insert(SeriesLabel), rows)


def of(session: Session, series: Sequence[Series]) -> dict[int, dict[str, str]]:
    """Return the labels of series, by the keys of these; those that have none are left out."""
    found: dict[int, dict[str, str]] = {}
    query = select(SeriesLabel).where(SeriesLabel.series.in_([one.number for one in series])).order_by(SeriesLabel.key)
    for label in session.scalars(query):
        found.setdefault(label.series, {})[label.key] = label.value
    return found


def has(text: str) -> ColumnElement[bool]:
    """Return the condition that a series has a label: ``key:value``, or a key with any value."""
    key, colon, value = text.partition(":")
    label = exists().where(SeriesLabel.series == Series.number, SeriesLabel.key == key)
    return label.where(SeriesLabel.value == value) if colon else label
