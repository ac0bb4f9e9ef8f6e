"""Which run made which result out of which."""

from entrepot.lineage.ended import record_ended
from entrepot.lineage.models import Link, Run
from entrepot.lineage.record import (
    Linked,
    begin_run,
    drop_run,
    end_run,
    explain,
    forget,
    last_made,
    made,
    made_many,
    read,
    record_links,
)

__all__ = [
    "Link",
    "Linked",
    "Run",
    "begin_run",
    "drop_run",
    "end_run",
    "explain",
    "forget",
    "last_made",
    "made",
    "made_many",
    "read",
    "record_ended",
    "record_links",
]
