"""Who fetched which file: one row for a file and a reader, however often."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from entrepot.files.models import FileFetch, PublishedFile

#: The reader of who has a signed address, and no login.
ANYBODY = ""


@dataclass(frozen=True)
class Fetched:
    """How often a reader began to fetch a file, when first and last, and from where the last time."""

    count: int
    first_at: datetime
    last_at: datetime
    address: str

    def and_then(self, later: "Fetched") -> "Fetched":
        """Return both together."""
        return replace(later, count=self.count + later.count, first_at=self.first_at)


def write(session: Session, fetched: Mapping[tuple[str, str], Fetched]) -> None:
    """Note who fetched what, by ids of files and of users; files that are gone are passed over."""
    ids = {file_id for file_id, _ in fetched}
    query = select(PublishedFile.id, PublishedFile.number).where(PublishedFile.id.in_(ids))
    numbers: dict[str, int] = {row.id: row.number for row in session.execute(query)}
    rows = [
        {
            "file_number": numbers[file_id],
            "reader": reader,
            "count": one.count,
            "first_at": one.first_at,
            "last_at": one.last_at,
            "address": one.address[:50],
        }
        for (file_id, reader), one in sorted(fetched.items())
        if file_id in numbers
    ]
    if not rows:
        return
    insert = postgresql_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
    statement: Any = insert(FileFetch)
    new = statement.excluded
    again = {"count": FileFetch.count + new.count, "last_at": new.last_at, "address": new.address}
    upsert = statement.on_conflict_do_update(index_elements=["file_number", "reader"], set_=again)
    session.connection().execute(upsert, rows)


def of_file(session: Session, file: PublishedFile, limit: int) -> Sequence[FileFetch]:
    """Return who fetched a file, the latest first."""
    query = select(FileFetch).where(FileFetch.file_number == file.number)
    return session.scalars(query.order_by(FileFetch.last_at.desc(), FileFetch.reader).limit(limit)).all()


def fetched_by(reader: str) -> Select[Any]:
    """Return the query of the numbers of the files that somebody fetched."""
    return select(FileFetch.file_number).where(FileFetch.reader == reader)
