"""imported files."""

import sqlalchemy as sa
from alembic import op

import entrepot.db.types
from entrepot.db import now

revision = "5e0b8a7c4d19"
down_revision = "c93e51fa7d04"
branch_labels = None
depends_on = None

_CHANGED = sa.text("changed_size IS NOT NULL")


def upgrade() -> None:
    with op.batch_alter_table("importer", schema=None) as batch_op:
        # Importers made until now are the published client's, whose own settings say what is read again.
        batch_op.add_column(sa.Column("read_changed", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("replaces", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("file_order", sa.String(length=10), nullable=False, server_default="name"))
        batch_op.add_column(sa.Column("passed_path", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("passed_at", entrepot.db.types.Instant(), nullable=True))
    with op.batch_alter_table("importer", schema=None) as batch_op:
        for name in ("read_changed", "replaces", "file_order"):
            batch_op.alter_column(name, server_default=None)
    importer = sa.table(
        "importer",
        sa.column("last_imported_path", sa.String()),
        sa.column("passed_path", sa.String()),
        sa.column("passed_at", entrepot.db.types.Instant()),
    )
    # What the cursor had passed counts as imported: the next run notes which files these are.
    op.execute(
        sa.update(importer)
        .where(importer.c.last_imported_path.is_not(None))
        .values(passed_path=importer.c.last_imported_path, passed_at=now())
    )
    with op.batch_alter_table("imported_file", schema=None) as batch_op:
        batch_op.add_column(sa.Column("rows", sa.BigInteger(), nullable=False, server_default="0"))
        for name in ("first", "last", "changed_size"):
            batch_op.add_column(sa.Column(name, sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("changed_modified", entrepot.db.types.Instant(), nullable=True))
    with op.batch_alter_table("imported_file", schema=None) as batch_op:
        batch_op.alter_column("rows", server_default=None)
    op.create_index(
        "ix_imported_file_changed",
        "imported_file",
        ["importer_id"],
        sqlite_where=_CHANGED,
        postgresql_where=_CHANGED,
    )
    op.create_table(
        "imported_stamps",
        sa.Column("importer_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("stamps", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["importer_id", "path"],
            ["imported_file.importer_id", "imported_file.path"],
            name=op.f("fk_imported_stamps_importer_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("importer_id", "path", "name", name=op.f("pk_imported_stamps")),
    )
    op.create_index("ix_imported_stamps_series", "imported_stamps", ["importer_id", "name", "last"])
    # Runs whose job has ended otherwise than finished were left running.
    run = sa.table("run", sa.column("id"), sa.column("status"), sa.column("ended", entrepot.db.types.Instant()))
    job = sa.table("job", sa.column("id"), sa.column("status"), sa.column("ended_at", entrepot.db.types.Instant()))
    of_run = sa.select(job.c.id).where(job.c.id == run.c.id, job.c.ended_at.is_not(None))
    op.execute(
        sa.update(run)
        .where(run.c.status == "running", run.c.ended.is_(None), sa.exists(of_run))
        .values(
            status=sa.select(job.c.status).where(job.c.id == run.c.id).scalar_subquery(),
            ended=sa.select(job.c.ended_at).where(job.c.id == run.c.id).scalar_subquery(),
        )
    )


def downgrade() -> None:
    op.drop_index("ix_imported_stamps_series", "imported_stamps")
    op.drop_table("imported_stamps")
    op.drop_index("ix_imported_file_changed", "imported_file")
    with op.batch_alter_table("imported_file", schema=None) as batch_op:
        for name in ("changed_modified", "changed_size", "last", "first", "rows"):
            batch_op.drop_column(name)
    with op.batch_alter_table("importer", schema=None) as batch_op:
        for name in ("passed_at", "passed_path", "file_order", "replaces", "read_changed"):
            batch_op.drop_column(name)
