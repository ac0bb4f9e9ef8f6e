"""answers are kept for requests that come again; equal rows are two."""

import sqlalchemy as sa
from alembic import op

import entrepot.db.types

revision = "c40d8e2f71b5"
down_revision = "e4a7c1905bd2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "kept_answer",
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("key_sha256", sa.String(length=64), nullable=False),
        sa.Column("request_sha256", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("headers", entrepot.db.types.Json(), nullable=False),
        sa.Column("body_encrypted", sa.String(), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_kept_answer_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "key_sha256", name=op.f("pk_kept_answer")),
    )
    op.create_index(op.f("ix_kept_answer_created"), "kept_answer", ["created"])
    op.drop_column("result_row", "bulk_at")


def downgrade() -> None:
    op.add_column("result_row", sa.Column("bulk_at", entrepot.db.types.Instant(), nullable=True))
    op.drop_table("kept_answer")
