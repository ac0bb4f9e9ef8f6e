"""Series as projects and generators hold them: found and listed with the rights of who asks."""

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from entrepot.errors import NotFound
from entrepot.identity import Principal, Project, Right
from entrepot.identity.projects import is_kept
from entrepot.pipeline.generators.finding import KINDS
from entrepot.series.models import DISCARDED, Series


def get_series(session: Session, principal: Principal, series_id: str, right: Right = "read") -> Series:
    """Return a series on which the caller has the right; NotFound when it belongs to others."""
    return find_series(session, principal, ids=[series_id], right=right)[0]


def find_series(
    session: Session,
    principal: Principal,
    *,
    ids: list[str] | None = None,
    numbers: list[int] | None = None,
    right: Right = "read",
) -> list[Series]:
    """Return series by id or by key, once each, in the order of their creation.

    Raises
    ------
    NotFound
        One of them does not exist, or belongs to others.
    """
    column, wanted = (Series.id, set(ids)) if ids is not None else (Series.number, set(numbers or []))
    query = select(Series).where(column.in_(wanted), is_kept(Series.project_id)).order_by(Series.number)
    found = session.scalars(query).all()
    if len(found) < len(wanted):
        raise NotFound("Series not found.")
    for series in found:
        principal.require(right, series.organization_id, "Series", series.project_id, series.id)
    return list(found)


def existing_series(session: Session, numbers: list[int]) -> list[Series]:
    """Return those of the series that still exist, in the order of their creation; for jobs, which asked before."""
    query = select(Series).where(Series.number.in_(numbers), Series.project_id != DISCARDED, is_kept(Series.project_id))
    return list(session.scalars(query.order_by(Series.number)))


def list_series(
    session: Session,
    principal: Principal,
    *,
    project_id: str | None = None,
    project_name: str | None = None,
    generator_id: str | None = None,
    generator_kind: str | None = None,
    generator_name: str | None = None,
    name: str | None = None,
    offset: int = 0,
    limit: int | None = None,
) -> list[Series]:
    """Return the series that the caller may read, newest first."""
    query = select(Series).where(principal.within(Series), is_kept(Series.project_id))
    equal = {Series.project_id: project_id, Series.generator_id: generator_id, Series.name: name}
    equal[Series.generator_kind] = generator_kind
    for column, value in equal.items():
        if value is not None:
            query = query.where(column == value)
    if project_name is not None:
        query = query.where(Series.project_id.in_(select(Project.id).where(Project.name == project_name)))
    if generator_name is not None:
        query = query.where(Series.generator_id.in_(_generators_named(generator_name)))
    return list(session.scalars(query.order_by(Series.number.desc()).offset(offset).limit(limit)))


def generator_names(session: Session, series: list[Series]) -> dict[str, str]:
    """Return the names of the generators that make these series, by the generator's id."""
    names: dict[str, str] = {}
    for kind, model in KINDS.items():
        ids = {one.generator_id for one in series if one.generator_kind == kind}
        if ids:
            names.update(session.execute(select(model.id, model.name).where(model.id.in_(ids))).all())
    return names


def _generators_named(name: str) -> Select[tuple[str]]:
    first, *others = (select(model.id).where(model.name == name) for model in KINDS.values())
    return first.union_all(*others)  # type: ignore[return-value]
