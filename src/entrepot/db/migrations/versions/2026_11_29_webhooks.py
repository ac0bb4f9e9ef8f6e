"""Webhooks know since when they are active, a secret of before, and whether they are slow."""

import sqlalchemy as sa
from alembic import op

import entrepot.db.types

revision = "e61f09d3b7a2"
down_revision = "5e0b8a7c4d19"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("webhook", sa.Column("former_secret_encrypted", sa.Text(), nullable=True))
    op.add_column("webhook", sa.Column("former_until", entrepot.db.types.Instant(), nullable=True))
    op.add_column("webhook", sa.Column("slow", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("webhook", sa.Column("active_since", entrepot.db.types.Instant(), nullable=True))
    op.execute("UPDATE webhook SET active_since = created")
    with op.batch_alter_table("webhook", schema=None) as batch_op:
        batch_op.alter_column("active_since", existing_type=entrepot.db.types.Instant(), nullable=False)
        batch_op.alter_column("slow", existing_type=sa.Boolean(), server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("webhook", schema=None) as batch_op:
        for name in ("active_since", "slow", "former_until", "former_secret_encrypted"):
            batch_op.drop_column(name)
