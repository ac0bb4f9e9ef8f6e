"""Works that are carried from one kind of database to another, each of which keeps a document in columns of its own."""

from typing import Any

from sqlalchemy import Table

from entrepot.works.codec import decoded
from entrepot.works.models import Archived, Work
from entrepot.works.query.searchable import searchable

#: Of the tables of documents, whether SQLite keeps the document's own text in its body, where it is the same.
_IN_BODY = {Work.__tablename__: False, Archived.__tablename__: True}


def carried(table: Table, row: dict[str, Any], dialect: str) -> dict[str, Any]:
    """Return a row as the other database has it; those of other tables are the same everywhere."""
    if table.name not in _IN_BODY:
        return row
    text = row["body"] if row["document"] is None else row["document"]
    stored = searchable(decoded(text), "postgresql" if dialect == "postgresql" else "sqlite")
    same, searched = stored.text == text, _IN_BODY[table.name]
    document = None if same and searched and dialect == "sqlite" else text
    body = None if same and not searched else stored.text
    return row | {"document": document, "body": body, "opaque": stored.opaque}
