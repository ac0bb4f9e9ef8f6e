"""Every table of the product, known to :class:`entrepot.db.Base` once this is imported.

To make a revision out of a change of the tables: ``python -m entrepot.server.run.tables "what changes"``.
"""

import sys

import entrepot.db.installation
import entrepot.events.models
import entrepot.files.models
import entrepot.identity.models
import entrepot.jobs.models
import entrepot.lineage.models
import entrepot.locks
import entrepot.pipeline.models
import entrepot.requests.models
import entrepot.rows.models
import entrepot.series.models
import entrepot.works.models  # noqa: F401 - imported for their tables
from entrepot.db import migrate

if __name__ == "__main__":
    match sys.argv[1:]:
        case [message]:
            migrate.revision(message)
        case _:
            sys.exit('usage: python -m entrepot.server.run.tables "what changes"')
