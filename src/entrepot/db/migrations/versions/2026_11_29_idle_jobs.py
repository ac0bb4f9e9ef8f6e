"""Jobs that found nothing are counted; ended jobs of a key, old runs and intervals are found by an index."""

import sqlalchemy as sa
from alembic import op

import entrepot.db.types

revision = "c6e02b91d7f4"
down_revision = "9d42c7f018be"
branch_labels = None
depends_on = None

_ENDED = sa.text("ended_at IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "idle_job",
        sa.Column("kind", sa.String(length=100), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=True),
        sa.Column("project_id", sa.String(length=36), nullable=True),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("since", entrepot.db.types.Instant(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created_at", entrepot.db.types.Instant(), nullable=False),
        sa.Column("started_at", entrepot.db.types.Instant(), nullable=True),
        sa.Column("ended_at", entrepot.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name=op.f("pk_idle_job")),
        sa.UniqueConstraint("id", name=op.f("uq_idle_job_id")),
    )
    op.create_index(op.f("ix_idle_job_ended_at"), "idle_job", ["ended_at"])
    op.create_index(op.f("ix_idle_job_project_id"), "idle_job", ["project_id"])
    op.create_index("ix_job_key_ended", "job", ["key", "kind", "number"], sqlite_where=_ENDED, postgresql_where=_ENDED)
    op.create_index("ix_webhook_delivery_created", "webhook_delivery", ["created"])
    op.add_column("run", sa.Column("reviewed", entrepot.db.types.Instant(), nullable=True))
    op.create_index("ix_run_reviewed", "run", ["reviewed", "started"])
    op.drop_index("ix_lineage_result", table_name="lineage")
    op.create_index("ix_lineage_result", "lineage", ["kind", "result_id", "direction", "start"])
    # What was done by a job of this kind is done by another one now.
    op.execute("DELETE FROM schedule WHERE name = 'identity.prune_answers'")
    op.execute("DELETE FROM job WHERE kind = 'identity.prune_answers'")


def downgrade() -> None:
    op.drop_index("ix_webhook_delivery_created", table_name="webhook_delivery")
    op.drop_index("ix_lineage_result", table_name="lineage")
    op.create_index("ix_lineage_result", "lineage", ["kind", "result_id", "direction"])
    op.drop_index("ix_run_reviewed", table_name="run")
    op.drop_column("run", "reviewed")
    op.drop_index("ix_job_key_ended", table_name="job")
    op.drop_table("idle_job")
