"""Versions of what people change; bounds of cleaned values."""

import sqlalchemy as sa
from alembic import op

import entrepot.db.types

revision = "3b9f5d20c7e8"
down_revision = "c6e02b91d7f4"
branch_labels = None
depends_on = None

EDITED = ("gate", "base_feeder", "importer", "cleaner", "unitcleaner", "analysis")


def upgrade() -> None:
    for name in EDITED:
        with op.batch_alter_table(name, schema=None) as batch_op:
            batch_op.add_column(sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
            batch_op.add_column(sa.Column("changed_at", entrepot.db.types.Instant(), nullable=True))
        table = sa.table(
            name,
            sa.column("created", entrepot.db.types.Instant()),
            sa.column("changed_at", entrepot.db.types.Instant()),
        )
        op.execute(sa.update(table).values(changed_at=table.c.created))
        with op.batch_alter_table(name, schema=None) as batch_op:
            batch_op.alter_column("version", server_default=None)
            batch_op.alter_column("changed_at", existing_type=entrepot.db.types.Instant(), nullable=False)
    with op.batch_alter_table("unitcleaner", schema=None) as batch_op:
        batch_op.add_column(sa.Column("minimum", sa.Double(), nullable=True))
        batch_op.add_column(sa.Column("maximum", sa.Double(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("unitcleaner", schema=None) as batch_op:
        batch_op.drop_column("maximum")
        batch_op.drop_column("minimum")
    for name in EDITED:
        with op.batch_alter_table(name, schema=None) as batch_op:
            batch_op.drop_column("changed_at")
            batch_op.drop_column("version")
