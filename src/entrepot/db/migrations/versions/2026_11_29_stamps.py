"""stamps."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

import entrepot.db.types

revision = "7c1d94be03f5"
down_revision = "e61f09d3b7a2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("importer", schema=None) as batch_op:
        batch_op.add_column(sa.Column("clock", sa.String(length=3), nullable=True))
        batch_op.add_column(sa.Column("timezone", sa.String(length=64), nullable=True))
        batch_op.add_column(sa.Column("plausible_from", entrepot.db.types.Instant(), nullable=True))
        batch_op.add_column(sa.Column("plausible_ahead", sa.String(length=32), nullable=True))
    importer = sa.table(
        "importer",
        sa.column("plausible_from", entrepot.db.types.Instant()),
        sa.column("plausible_ahead", sa.String()),
    )
    op.execute(sa.update(importer).values(plausible_from=datetime(1990, 1, 1, tzinfo=UTC), plausible_ahead="31D"))
    with op.batch_alter_table("imported_file", schema=None) as batch_op:
        batch_op.add_column(sa.Column("zoned", sa.Boolean(), nullable=True))
    with op.batch_alter_table("unitcleaner", schema=None) as batch_op:
        batch_op.drop_column("input_step")
        batch_op.add_column(sa.Column("day_begins", sa.String(length=5), nullable=True))
        batch_op.add_column(sa.Column("filter_first", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("completeness", sa.Double(), nullable=True))
    with op.batch_alter_table("unitcleaner", schema=None) as batch_op:
        batch_op.alter_column("filter_first", server_default=None)
    with op.batch_alter_table("series", schema=None) as batch_op:
        batch_op.add_column(sa.Column("day_begins", sa.BigInteger(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("pushed", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("series", schema=None) as batch_op:
        batch_op.alter_column("day_begins", server_default=None)
        batch_op.alter_column("pushed", server_default=None)
    series = sa.table("series", sa.column("generator_kind"), sa.column("pushed"))
    op.execute(sa.update(series).where(series.c.generator_kind == "direct").values(pushed=True))


def downgrade() -> None:
    with op.batch_alter_table("series", schema=None) as batch_op:
        batch_op.drop_column("pushed")
        batch_op.drop_column("day_begins")
    with op.batch_alter_table("unitcleaner", schema=None) as batch_op:
        for name in ("completeness", "filter_first", "day_begins"):
            batch_op.drop_column(name)
        batch_op.add_column(sa.Column("input_step", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("imported_file", schema=None) as batch_op:
        batch_op.drop_column("zoned")
    with op.batch_alter_table("importer", schema=None) as batch_op:
        for name in ("plausible_ahead", "plausible_from", "timezone", "clock"):
            batch_op.drop_column(name)
