"""Every table of the product, known to :class:`entrepot.db.Base` once this is imported.

To make a revision out of a change of the tables: ``python -m entrepot.server.run.tables "what changes"``.
"""

import sys

from sqlalchemy import Table

import entrepot.db.installation
import entrepot.engines.models
import entrepot.events.models
import entrepot.files.models
import entrepot.identity.models
import entrepot.jobs.models
import entrepot.lineage.models
import entrepot.locks
import entrepot.objects.models
import entrepot.pipeline.gates.models
import entrepot.pipeline.models
import entrepot.requests.models
import entrepot.rows.models
import entrepot.series.models
import entrepot.works.models  # noqa: F401 - imported for their tables
from entrepot.db import Base, migrate


def sorted_() -> list[Table]:
    """Return all tables; those that others refer to come first."""
    return Base.metadata.sorted_tables


if __name__ == "__main__":
    match sys.argv[1:]:
        case [message]:
            migrate.revision(message)
        case _:
            sys.exit('usage: python -m entrepot.server.run.tables "what changes"')
