"""What scripts said before: each version that an importer, an analysis or a channel had, so that one can go back."""

import hashlib
from collections.abc import Iterable
from typing import Any

from sqlalchemy import Select, delete, select
from sqlalchemy.orm import Session

from entrepot.db import advisory_lock
from entrepot.identity import Principal
from entrepot.pipeline.configuration import get
from entrepot.pipeline.models import Analysis, Channel, Importer, ScriptVersion

#: Versions that are kept of a script; older ones make room.
KEPT = 500
#: What has versions, by its kind.
MAKERS: dict[str, type[Importer | Analysis | Channel]] = {
    Importer.kind: Importer,
    Analysis.kind: Analysis,
    "channel": Channel,
}


def note(session: Session, principal: Principal, generator: Importer | Analysis | Channel, script: str) -> None:
    """Keep what a script is now, where it differs from what it was before."""
    if not script.strip():
        return
    advisory_lock(session, "script version", generator.id)
    of_generator = ScriptVersion.generator_id == generator.id
    last = session.scalar(select(ScriptVersion).where(of_generator).order_by(ScriptVersion.version.desc()).limit(1))
    if last is not None and last.script == script:
        return
    version = last.version + 1 if last is not None else 1
    session.add(
        ScriptVersion(
            organization_id=generator.organization_id,
            project_id=generator.project_id,
            generator_id=generator.id,
            version=version,
            sha256=hashlib.sha256(script.encode()).hexdigest(),
            script=script,
            user_id=principal.user_id,
        )
    )
    session.execute(delete(ScriptVersion).where(of_generator, ScriptVersion.version <= version - KEPT))
    session.flush()


def versions(session: Session, principal: Principal, maker_id: str, kind: str) -> Select[Any]:
    """Return the query of the versions of a script."""
    maker = get(session, principal, MAKERS[kind], maker_id)
    return select(ScriptVersion).where(ScriptVersion.generator_id == maker.id)


def forget(session: Session, maker_ids: Iterable[str]) -> None:
    """Forget the versions of what is deleted."""
    session.execute(delete(ScriptVersion).where(ScriptVersion.generator_id.in_(list(maker_ids))))
