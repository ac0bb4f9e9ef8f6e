"""The scripts that importers and analyses had, and the functions of channels, each a version."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from pydantic import Field

from entrepot.pipeline.generators import versions
from entrepot.pipeline.models import ScriptVersion
from entrepot.server.api.nouns import NOT_KEPT, Noun, Page, Paging, Reference, listed, user_names
from entrepot.server.api.routing import Unit


class VersionShown(Noun):
    """A script that an importer or an analysis had, or the functions of a channel, each below a line with its name."""

    version: Annotated[int, Field(description="From 1 on.")]
    created_at: datetime
    by: Annotated[Reference | None, NOT_KEPT, Field(description="Who gave it; null where that user is gone.")]
    sha256: str
    script: str


def listed_versions(unit: Unit, generator_id: str, kind: str, asked: Paging) -> Page[VersionShown]:
    """Return a page of the versions of a script, the newest first."""

    def show(rows: Sequence[ScriptVersion]) -> list[VersionShown]:
        users = user_names(unit, rows)
        return [VersionShown.showing(one, by=users.get(one.user_id)) for one in rows]

    query = versions.versions(unit.session, unit.principal, generator_id, kind)
    return listed(unit, query, (ScriptVersion.version,), asked, show, newest_first=True)
