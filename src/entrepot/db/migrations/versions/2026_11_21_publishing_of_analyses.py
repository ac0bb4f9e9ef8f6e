"""publishing of analyses."""

import sqlalchemy as sa
from alembic import op

import entrepot.db.types

revision = "7d0a4f6be215"
down_revision = "f2cc1ec117d9"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("analysis", schema=None) as batch_op:
        batch_op.add_column(sa.Column("publishing", entrepot.db.types.Json(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("analysis", schema=None) as batch_op:
        batch_op.drop_column("publishing")
