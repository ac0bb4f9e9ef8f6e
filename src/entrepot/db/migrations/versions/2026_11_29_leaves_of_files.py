"""Digests of the leaves of published files."""

import sqlalchemy as sa
from alembic import op

revision = "9d42c7f018be"
down_revision = "3e8d5b07c1fa"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("published_file", sa.Column("leaves", sa.LargeBinary(), nullable=True))


def downgrade() -> None:
    op.drop_column("published_file", "leaves")
