"""runs listed."""

import sqlalchemy as sa
from alembic import op

revision = "2165691b283f"
down_revision = "9b047172299d"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_run_organization_id"))
        batch_op.create_index(
            "ix_run_listed", ["organization_id", sa.literal_column("started DESC"), "id"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.drop_index("ix_run_listed")
        batch_op.create_index(batch_op.f("ix_run_organization_id"), ["organization_id"], unique=False)
