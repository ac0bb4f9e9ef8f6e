"""what a database knows of its server: its key, its folders, whether it calls others."""

import sqlalchemy as sa
from alembic import op

from entrepot.db.types import Instant

revision = "2f6d81c4be07"
down_revision = "5e0b8a7c4d19"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "installation",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key_check", sa.String(length=64), nullable=True),
        sa.Column("store", sa.String(length=64), nullable=True),
        sa.Column("quiet_since", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_installation")),
    )


def downgrade() -> None:
    op.drop_table("installation")
