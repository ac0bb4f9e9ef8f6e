"""Projects vanish at once and are emptied afterwards."""

import sqlalchemy as sa
from alembic import op

revision = "c93e51fa7d04"
down_revision = "b7d20f6e31c8"
branch_labels = None
depends_on = None

_DELETING = sa.text("deleting")


def upgrade() -> None:
    op.add_column("project", sa.Column("deleting", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_index("ix_project_deleting", "project", ["id"], sqlite_where=_DELETING, postgresql_where=_DELETING)


def downgrade() -> None:
    op.drop_index("ix_project_deleting", table_name="project")
    op.drop_column("project", "deleting")
