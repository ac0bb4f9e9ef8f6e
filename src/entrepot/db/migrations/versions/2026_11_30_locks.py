"""Locks of all kinds of results, in one table; files that are locked; labels of series and channels, and their list."""

import sqlalchemy as sa
from alembic import op

from entrepot.db.types import Instant, Json

revision = "4c8e1fa07b93"
down_revision = "3b9f5d20c7e8"
branch_labels = None
depends_on = None

_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "lock",
        sa.Column("number", _KEY, nullable=False),
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("organization_id", sa.String(36), nullable=False),
        sa.Column("project_id", sa.String(36), nullable=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("until", Instant(), nullable=True),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("user_id", sa.String(36), nullable=True),
        sa.Column("created", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_lock")),
        sa.UniqueConstraint("id", name=op.f("uq_lock_id")),
        sa.UniqueConstraint("organization_id", "kind", "target", name=op.f("uq_lock_organization_id_kind_target")),
    )
    op.create_index(op.f("ix_lock_project_id"), "lock", ["project_id"])
    op.create_table(
        "series_label",
        sa.Column("series", _KEY, nullable=False),
        sa.Column("key", sa.String(100), nullable=False),
        sa.Column("value", sa.String(300), nullable=False),
        sa.ForeignKeyConstraint(
            ["series"], ["series.pk"], name=op.f("fk_series_label_series_series"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("series", "key", name=op.f("pk_series_label")),
    )
    op.create_index("ix_series_label_found", "series_label", ["key", "value", "series"])
    op.create_index("ix_series_listed", "series", ["organization_id", "name", "id"])
    op.add_column("unitcleaner", sa.Column("labels", Json(), nullable=False, server_default="{}"))
    with op.batch_alter_table("unitcleaner", schema=None) as batch_op:
        batch_op.alter_column("labels", existing_type=Json(), server_default=None)
    op.add_column("published_file", sa.Column("locked", sa.Boolean(), nullable=False, server_default=sa.false()))
    with op.batch_alter_table("published_file", schema=None) as batch_op:
        batch_op.alter_column("locked", existing_type=sa.Boolean(), server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("published_file", schema=None) as batch_op:
        batch_op.drop_column("locked")
    with op.batch_alter_table("unitcleaner", schema=None) as batch_op:
        batch_op.drop_column("labels")
    op.drop_index("ix_series_listed", "series")
    op.drop_table("series_label")
    op.drop_table("lock")
