"""works found faster."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "3c61f0a5b7d2"
down_revision = "7d0a4f6be215"
branch_labels = None
depends_on = None

_TABLES = ("work", "archived_work")
_WORD = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
_SIDES = {"tag": _WORD, "event": sa.Double()}


def upgrade() -> None:
    op.create_index("ix_archived_work_created", "archived_work", ["organization_id", "creation"])
    has_parent = sa.text("parent IS NOT NULL")
    op.create_index(
        "ix_work_parent",
        "work",
        ["organization_id", "parent"],
        sqlite_where=has_parent,
        postgresql_where=has_parent,
    )
    op.drop_index("ix_archived_work_locked", "archived_work")
    locked = ["locked", "organization_id", "pipeline", "id"]
    op.create_index("ix_archived_work_locked", "archived_work", locked, postgresql_where=sa.text("locked"))
    for table in _TABLES:
        opaque = ["opaque", "organization_id"]
        op.create_index(f"ix_{table}_opaque", table, opaque, postgresql_where=sa.text("opaque"))
        for side, kind in _SIDES.items():
            _make_again(table, f"{table}_{side}", kind, ["value", "number"])
    _store("lz4", "MAIN")


def downgrade() -> None:
    _store("pglz", "EXTENDED")
    for table in _TABLES:
        for side, kind in _SIDES.items():
            _make_again(table, f"{table}_{side}", kind, ["number", "value"])
        op.drop_index(f"ix_{table}_opaque", table)
    op.drop_index("ix_archived_work_locked", "archived_work")
    locked, where = ["organization_id", "pipeline", "id"], sa.text("locked")
    op.create_index("ix_archived_work_locked", "archived_work", locked, sqlite_where=where, postgresql_where=where)
    op.drop_index("ix_work_parent", "work")
    op.drop_index("ix_archived_work_created", "archived_work")


def _make_again(owner: str, name: str, kind: sa.types.TypeEngine[Any], key: list[str]) -> None:
    """Give a side table another primary key, which no database can alter where there are rows without a row id."""
    op.execute(f"CREATE TABLE {name}_before AS SELECT value, number FROM {name}")  # noqa: S608 - a name from here
    op.drop_table(name)
    op.create_table(
        name,
        sa.Column("value", kind, nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["number"], [f"{owner}.number"], name=f"fk_{name}_number", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint(*key, name=f"pk_{name}"),
        sqlite_with_rowid=False,
    )
    op.execute(f"INSERT INTO {name} (value, number) SELECT value, number FROM {name}_before")  # noqa: S608
    op.create_index(f"ix_{name}_number", name, ["number"])
    op.drop_table(f"{name}_before")


def _store(compression: str, storage: str) -> None:
    """Compress documents faster, and keep all but the text that is given back in the row.

    What is apart costs a visit for each row that a query looks at. PostgreSQL moves every other column out of a row
    before it compresses the body, unless they are to stay as well.
    """
    connection = op.get_bind()
    if connection.dialect.name != "postgresql":
        return
    known = "SELECT enumvals FROM pg_settings WHERE name = 'default_toast_compression'"
    methods = connection.execute(sa.text(known)).scalar() or []
    for table in _TABLES:
        for column in ("body", "document") if compression in methods else ():
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET COMPRESSION {compression}")
        for column in ("body", "organization_id", "id", "pipeline", "site", '"user"', "status", "parent"):
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET STORAGE {storage}")
