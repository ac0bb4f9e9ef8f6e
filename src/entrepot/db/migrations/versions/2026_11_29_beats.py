"""the last beats of a server's parts."""

import sqlalchemy as sa
from alembic import op

from entrepot.db.types import Instant

revision = "d4e07b92c6f1"
down_revision = "e7a94b15d260"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "beat",
        sa.Column("holder", sa.String(length=200), nullable=False),
        sa.Column("part", sa.String(length=40), nullable=False),
        sa.Column("host", sa.String(length=100), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sa.String(length=40), nullable=False),
        sa.Column("started", Instant(), nullable=False),
        sa.Column("seen", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("holder", name=op.f("pk_beat")),
    )


def downgrade() -> None:
    op.drop_table("beat")
