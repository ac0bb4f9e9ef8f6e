"""series."""

import sqlalchemy as sa
from alembic import op

import entrepot.db.types

revision = "f572845848af"
down_revision = "cb1cef8bcbbb"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "series",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("generator_kind", sa.String(length=16), nullable=False),
        sa.Column("generator_id", sa.String(length=36), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("unit", sa.String(length=255), nullable=False),
        sa.Column("label", sa.String(length=255), nullable=False),
        sa.Column("clock", sa.String(length=3), nullable=True),
        sa.Column("timezone", sa.String(length=64), nullable=True),
        sa.Column("freq", sa.String(length=32), nullable=True),
        sa.Column("resample_rule", sa.String(length=8), nullable=False),
        sa.Column("unit_type", sa.String(length=16), nullable=True),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=True),
        sa.Column("last", sa.BigInteger(), nullable=True),
        sa.Column("last_value", sa.Double(), nullable=True),
        sa.Column("width", sa.BigInteger(), nullable=False),
        sa.Column("tail", sa.Integer(), nullable=False),
        sa.Column("written", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_series")),
        sa.UniqueConstraint("generator_id", "name", name=op.f("uq_series_generator_id_name")),
        sa.UniqueConstraint("id", name=op.f("uq_series_id")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("series", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_series_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_series_project_id"), ["project_id"], unique=False)
        batch_op.create_index(
            "uq_series_direct",
            ["project_id", "name"],
            unique=True,
            sqlite_where=sa.text("generator_id IS NULL"),
            postgresql_where=sa.text("generator_id IS NULL"),
        )

    op.create_table(
        "series_chunk",
        sa.Column("series", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("bucket", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first", sa.BigInteger(), nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["series"], ["series.pk"], name=op.f("fk_series_chunk_series"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("series", "bucket", name=op.f("pk_series_chunk")),
    )
    op.create_table(
        "series_tail",
        sa.Column("series", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("time", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("tag", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(["series"], ["series.pk"], name=op.f("fk_series_tail_series"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("series", "time", name=op.f("pk_series_tail")),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "postgresql":
        # Chunks are compressed already.
        op.execute("ALTER TABLE series_chunk ALTER COLUMN data SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("series_tail")
    op.drop_table("series_chunk")
    with op.batch_alter_table("series", schema=None) as batch_op:
        batch_op.drop_index(
            "uq_series_direct",
            sqlite_where=sa.text("generator_id IS NULL"),
            postgresql_where=sa.text("generator_id IS NULL"),
        )
        batch_op.drop_index(batch_op.f("ix_series_project_id"))
        batch_op.drop_index(batch_op.f("ix_series_organization_id"))

    op.drop_table("series")
