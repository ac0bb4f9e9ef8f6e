"""rows of analyses."""

import sqlalchemy as sa
from alembic import op

revision = "f2cc1ec117d9"
down_revision = "cc2fe3829b8f"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("analysis", schema=None) as batch_op:
        batch_op.add_column(sa.Column("rows_analysis_id", sa.Integer(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("analysis", schema=None) as batch_op:
        batch_op.drop_column("rows_analysis_id")
