"""How each kind of results is locked and unlocked: by the verb of those who keep it, and told of as they tell."""

from sqlalchemy.orm import Session

from entrepot import locks
from entrepot.errors import NotFound
from entrepot.events import emit
from entrepot.files import lifecycle
from entrepot.identity import Principal
from entrepot.locks import Target
from entrepot.pipeline.generators import catalog
from entrepot.pipeline.generators.finding import enqueue_run, find_generator
from entrepot.rows import result_sets, results
from entrepot.works import archive

_MOST = 2**31 - 1


@locks.of_kind("series")
def set_series(session: Session, principal: Principal, series_id: str, locked: bool) -> Target:
    """Lock a series, or unlock it: what its maker has to make of it meanwhile is made then."""
    series = catalog.get_series(session, principal, series_id, "write")
    target = Target(series.id, series.organization_id, series.project_id)
    if series.locked is locked:
        return target
    series.locked = locked
    session.flush()
    emit(
        session,
        "series",
        "locked" if locked else "unlocked",
        series.id,
        organization_id=series.organization_id,
        project_id=series.project_id,
        data={"name": series.name},
        user_id=principal.user_id or None,
    )
    if not locked and not series.pushed and series.generator_id is not None:
        maker = find_generator(session, series.generator_id)
        if maker is not None:
            enqueue_run(session, maker)
    return target


@locks.of_kind("result_set")
def set_result_set(session: Session, principal: Principal, set_id: str, locked: bool) -> Target:
    """Lock a result set with all its rows, or unlock it."""
    stored = result_sets.set_locked(session, principal, _number(set_id), locked=locked)
    return Target(str(stored["id"]), stored["organization_id"])


@locks.of_kind("row")
def set_row(session: Session, principal: Principal, row_id: str, locked: bool) -> Target:
    """Lock a row, or unlock it."""
    number = _number(row_id)
    stored = results.get(session, principal, number)
    results.set_locked(session, principal, [number], locked=locked)
    return Target(str(number), stored["organization_id"])


@locks.of_kind("work")
def set_work(session: Session, principal: Principal, work_id: str, locked: bool) -> Target:
    """Lock an archived work, or unlock it; where several pipelines have its id, it is ``pipeline/id``."""
    pipeline, _, id_ = work_id.rpartition("/")
    work = archive.get(session, principal, id_, pipeline or None)
    change = archive.lock if locked else archive.unlock
    change(session, principal, work["pipeline"], [id_])
    return Target(archive.lock_name(work["pipeline"], id_), principal.organization_id)


@locks.of_kind("file")
def set_file(session: Session, principal: Principal, file_id: str, locked: bool) -> Target:
    """Lock a published file, or unlock it."""
    file = lifecycle.set_locked(session, principal, file_id, locked=locked)
    return Target(file.id, file.organization_id, file.project_id)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:12]) <= _MOST:
        raise NotFound("Not found.")
    return int(text)
