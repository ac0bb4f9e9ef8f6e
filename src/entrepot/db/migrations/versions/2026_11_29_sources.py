"""States of users and sources, and sources that are parts of others."""

import sqlalchemy as sa
from alembic import op

revision = "e4a7c1905bd2"
down_revision = "2f6d81c4be07"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("remote_user", sa.Column("key_id", sa.String(length=36), nullable=True))
    op.add_column("remote_user", sa.Column("state", sa.String(length=20), nullable=False, server_default="active"))
    op.add_column("remote_source", sa.Column("parent_id", sa.String(length=36), nullable=True))
    state = sa.Column("state", sa.String(length=20), nullable=False, server_default="unvalidated")
    op.add_column("remote_source", state)
    op.create_index(op.f("ix_remote_source_parent_id"), "remote_source", ["parent_id"])
    op.execute("UPDATE remote_source SET state = 'active' WHERE id IN (SELECT source_id FROM remote_session)")


def downgrade() -> None:
    op.drop_index(op.f("ix_remote_source_parent_id"), "remote_source")
    for table, columns in (("remote_source", ("state", "parent_id")), ("remote_user", ("state", "key_id"))):
        for column in columns:
            op.drop_column(table, column)
