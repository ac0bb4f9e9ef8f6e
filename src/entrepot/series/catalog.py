"""Which series there are: making, finding and listing them."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from entrepot.errors import Conflict, InvalidInput, NotFound
from entrepot.series.clocks import Clock
from entrepot.series.frequency import Frequency
from entrepot.series.keys import new_number
from entrepot.series.models import Series, SeriesHead
from entrepot.series.resample import RULES

GENERATOR_KINDS = ("importer", "cleaner", "analysis", "direct")
LONGEST_NAME = 255


def create_series(
    session: Session,
    *,
    organization_id: str,
    project_id: str,
    generator_kind: str,
    generator_id: str | None,
    name: str,
    **properties: Any,
) -> Series:
    """Make a series without points.

    Parameters
    ----------
    session
        A unit of work.
    organization_id, project_id
        Whose it is.
    generator_kind, generator_id
        What writes it: `importer`, `cleaner`, `analysis`, or `direct` (no generator).
    name
        Unique among the series of its generator; of direct series, within the project.
    **properties
        Other columns of :class:`Series`: `unit`, `title`, `clock`, `timezone`, `step`, `rule`, `kind`,
        `day_begins`, `pushed`.

    Raises
    ------
    InvalidInput
        When the name is empty or too long, or a property is not one of those known.
    Conflict
        When there is one of that name.
    """
    _check(generator_kind, name, properties)
    properties.setdefault("pushed", generator_kind == "direct")
    while True:
        series = Series(
            number=new_number(),
            organization_id=organization_id,
            project_id=project_id,
            generator_kind=generator_kind,
            generator_id=generator_id,
            name=name,
            head=SeriesHead(),
            **properties,
        )
        try:
            with session.begin_nested():
                session.add(series)
        except IntegrityError as error:
            # Another process may have made one in the same microsecond.
            if session.scalar(select(Series.number).where(Series.number == series.number)) is None:
                raise Conflict(f"there is a series {name!r} already") from error
        else:
            return series


def _check(generator_kind: str, name: str, properties: Mapping[str, Any]) -> None:
    if not name.strip() or len(name) > LONGEST_NAME or "\0" in name:
        raise InvalidInput.field("name", f"a series' name has 1 to {LONGEST_NAME} characters")
    if generator_kind not in GENERATOR_KINDS:
        raise InvalidInput.field("generator_kind", f"is one of {', '.join(GENERATOR_KINDS)}")
    for field in ("unit", "title", "kind"):
        length: int = getattr(Series, field).type.length
        if len(text := properties.get(field) or "") > length or "\0" in text:
            raise InvalidInput.field(field, f"has at most {length} characters")
    if properties.get("rule", "mean") not in RULES:
        raise InvalidInput.field("rule", f"is one of {', '.join(RULES)}")
    if properties.get("step") is not None:
        frequency("step", properties["step"])
    Clock(properties.get("clock"), properties.get("timezone"))  # refuses what it does not know


def frequency(field: str, text: str) -> Frequency:
    """Return a frequency; when it is not one, the error names the field."""
    try:
        return Frequency.parse(text)
    except InvalidInput as error:
        raise InvalidInput.field(field, error.message) from error


def get_series(session: Session, key: int | str) -> Series:
    """Return a series by its `number` or its `id`.

    Raises
    ------
    NotFound
        When there is none.
    """
    column = Series.number if isinstance(key, int) else Series.id
    series = session.scalars(select(Series).where(column == key)).one_or_none()
    if series is None:
        raise NotFound(f"no series {key}")
    return series


def list_series(session: Session, *, offset: int = 0, limit: int | None = None, **filters: str | None) -> list[Series]:
    """Return series, newest first.

    Parameters
    ----------
    session
        Any session.
    offset, limit
        How many to skip and how many to return.
    **filters
        Columns that must equal a value, where it is not None: `organization_id`, `project_id`, `generator_kind`,
        `generator_id`, `name`.
    """
    statement = select(Series).order_by(Series.number.desc()).offset(offset).limit(limit)
    for name, value in filters.items():
        if value is not None:
            statement = statement.where(getattr(Series, name) == value)
    return list(session.scalars(statement))
