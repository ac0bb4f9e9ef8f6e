"""Series say when points of them cannot be read."""

import sqlalchemy as sa
from alembic import op

revision = "b7d20f6e31c8"
down_revision = "a41c7e0b9d52"
branch_labels = None
depends_on = None

_DAMAGED = sa.text("damage IS NOT NULL")


def upgrade() -> None:
    op.add_column("series", sa.Column("damage", sa.Text(), nullable=True))
    op.create_index("ix_series_damaged", "series", ["pk"], sqlite_where=_DAMAGED, postgresql_where=_DAMAGED)


def downgrade() -> None:
    op.drop_index("ix_series_damaged", table_name="series")
    op.drop_column("series", "damage")
