"""ids of rows, analyses and places count within their organization."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "8b04f6c1d7ae"
down_revision = "5d1c7a90e3b2"
branch_labels = None
depends_on = None

#: What refers to what, those that are referred to first.
_REFERENCES = {
    "site": {},
    "location": {"site_id": "site"},
    "model_definition": {"site_id": "site"},
    "row_analysis": {"model_definition_id": "model_definition", "location_id": "location"},
    "result_row": {"analysis_id": "row_analysis", "site_id": "site", "location_id": "location"},
}
_COALESCE = "coalesce(location_id, 0)"
_UNIQUE = {"location": ["site_id", "title"], "model_definition": ["site_id", "title"]}
#: Indexes by table and name: their columns.
_OLD = {
    "site": {"ix_site_organization_id": ["organization_id"]},
    "location": {"ix_location_organization_id": ["organization_id"]},
    "model_definition": {"ix_model_definition_organization_id": ["organization_id"]},
    "row_analysis": {
        "ix_row_analysis_organization_id": ["organization_id"],
        "uq_row_analysis_identity": ["model_definition_id", "name", "timestamp", _COALESCE],
    },
    "result_row": {
        "ix_result_row_analysis": ["analysis_id", "short_description"],
        "ix_result_row_site_id": ["site_id"],
        "ix_result_row_location_id": ["location_id"],
    },
}
_NEW = {
    "row_analysis": {
        "uq_row_analysis_identity": ["organization_id", "model_definition_id", "name", "timestamp", _COALESCE]
    },
    "result_row": {
        "ix_result_row_analysis": ["organization_id", "analysis_id", "short_description"],
        "ix_result_row_site": ["organization_id", "site_id"],
        "ix_result_row_location": ["organization_id", "location_id"],
    },
}


def upgrade() -> None:
    op.create_table(
        "last_id",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("table", sa.String(length=30), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "table", name=op.f("pk_last_id")),
    )
    # Present ids stay; no organization is given one again that it had, even of what was deleted.
    for name in _REFERENCES:
        given = sa.table(name, sa.column("organization_id"), sa.column("id"))
        highest = sa.select(given.c.organization_id, sa.literal(name), sa.func.max(given.c.id))
        last = sa.table("last_id", sa.column("organization_id"), sa.column("table"), sa.column("last"))
        columns = ["organization_id", "table", "last"]
        op.execute(last.insert().from_select(columns, highest.group_by(given.c.organization_id)))
    _rebuild(["organization_id"], _OLD, _NEW)
    if op.get_bind().dialect.name == "postgresql":
        for name in _REFERENCES:
            op.alter_column(name, "id", server_default=None)
            op.execute(sa.schema.DropSequence(sa.Sequence(f"{name}_id_seq")))


def downgrade() -> None:
    """Go back, which works as long as no two organizations have something of the same id."""
    _rebuild([], _NEW, _OLD)
    if op.get_bind().dialect.name == "postgresql":
        for name in _REFERENCES:
            op.execute(sa.schema.CreateSequence(sa.Sequence(f"{name}_id_seq")))
            op.alter_column(name, "id", server_default=sa.text(f"nextval('{name}_id_seq'::regclass)"))
            op.execute(sa.text(f"ALTER SEQUENCE {name}_id_seq OWNED BY {name}.id"))
            op.execute(sa.text(f"SELECT setval('{name}_id_seq', (SELECT coalesce(max(id), 0) + 1 FROM {name}))"))  # noqa: S608
    op.drop_table("last_id")


def _rebuild(owner: Sequence[str], old: dict[str, dict[str, list[str]]], new: dict[str, dict[str, list[str]]]) -> None:
    """Have keys, and what refers to them, begin with the owner's columns."""
    if op.get_bind().dialect.name == "sqlite":
        _copy(owner, old)
    else:
        _alter(owner, old)
    for table, indexes in new.items():
        for name, columns in indexes.items():
            parts = [sa.text(column) if "(" in column else column for column in columns]
            op.create_index(name, table, parts, unique=name.startswith("uq_"))


def _alter(owner: Sequence[str], old: dict[str, dict[str, list[str]]]) -> None:
    for table, references in _REFERENCES.items():
        for column in references:
            op.drop_constraint(f"fk_{table}_{column}", table, type_="foreignkey")
    for table, references in _REFERENCES.items():
        for name in old.get(table, {}):
            op.drop_index(name, table)
        op.drop_constraint(f"pk_{table}", table, type_="primary")
        op.create_primary_key(f"pk_{table}", table, [*owner, "id"])
        if table in _UNIQUE:
            before, after = _unique_names(owner, table)
            op.drop_constraint(before, table, type_="unique")
            op.create_unique_constraint(after, table, [*owner, *_UNIQUE[table]])
        for column, target in references.items():
            op.create_foreign_key(f"fk_{table}_{column}", table, target, [*owner, column], [*owner, "id"])


def _copy(owner: Sequence[str], old: dict[str, dict[str, list[str]]]) -> None:
    """Copy the tables into new ones: SQLite cannot change a key."""
    connection = op.get_bind()
    for table, references in _REFERENCES.items():
        for name in old.get(table, {}):
            op.drop_index(name, table)
        present = sa.Table(table, sa.MetaData(), autoload_with=connection)
        columns = [sa.Column(c.name, c.type, nullable=c.nullable) for c in present.columns]
        made = op.create_table(
            f"{table}_new",
            *columns,
            sa.PrimaryKeyConstraint(*owner, "id", name=f"pk_{table}"),
            *(
                [sa.UniqueConstraint(*owner, *_UNIQUE[table], name=_unique_names(owner, table)[1])]
                if table in _UNIQUE
                else [sa.UniqueConstraint("organization_id", "title", name="uq_site_organization_id_title")]
                if table == "site"
                else []
            ),
            *(
                sa.ForeignKeyConstraint(
                    [*owner, column], [f"{target}.{name}" for name in (*owner, "id")], name=f"fk_{table}_{column}"
                )
                for column, target in references.items()
            ),
            sqlite_autoincrement=not owner,
        )
        names = [column.name for column in columns]
        connection.execute(made.insert().from_select(names, sa.select(*present.columns).order_by(present.c.id)))
        op.drop_table(table)
        op.rename_table(f"{table}_new", table)


def _unique_names(owner: Sequence[str], table: str) -> tuple[str, str]:
    short = f"uq_{table}_site_id_title"
    long = f"uq_{table}_organization_id_site_id_title"
    return (short, long) if owner else (long, short)
