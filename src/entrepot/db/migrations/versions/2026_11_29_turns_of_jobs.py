"""Jobs take turns by organization and project."""

import sqlalchemy as sa
from alembic import op

import entrepot.db.types

revision = "a41c7e0b9d52"
down_revision = "b81e4c07d9a3"
branch_labels = None
depends_on = None

_PENDING = sa.text("status = 'pending'")
_RUNNING = sa.text("status = 'running'")


def upgrade() -> None:
    op.drop_index("ix_job_urgency", table_name="job")
    op.add_column("job", sa.Column("tenant", sa.String(length=80), nullable=False, server_default="/"))
    op.add_column("job", sa.Column("place", sa.Integer(), nullable=False, server_default="0"))
    op.execute(
        "UPDATE job SET tenant = coalesce(organization_id, '') || '/' || coalesce(project_id, '')"
        " WHERE status IN ('pending', 'running')"
    )
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index(
            "ix_job_turn",
            ["kind", "tenant", sa.literal_column("priority DESC"), "place", "run_at", "number"],
            unique=False,
            sqlite_where=_PENDING,
            postgresql_where=_PENDING,
        )
        batch_op.create_index(
            "ix_job_running", ["kind", "tenant"], unique=False, sqlite_where=_RUNNING, postgresql_where=_RUNNING
        )
    # Schedules of importers did not say whose project they are of.
    op.execute(
        "UPDATE schedule SET project_id = (SELECT project_id FROM importer WHERE 'importer:' || importer.id = name)"
        " WHERE project_id IS NULL AND name LIKE 'importer:%'"
    )
    op.create_table(
        "job_turn",
        sa.Column("pool", sa.String(length=20), nullable=False),
        sa.Column("holder", sa.String(length=80), nullable=False),
        sa.Column("taken", entrepot.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("pool", "holder", name=op.f("pk_job_turn")),
    )


def downgrade() -> None:
    op.drop_table("job_turn")
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.drop_index("ix_job_running")
        batch_op.drop_index("ix_job_turn")
    op.drop_column("job", "place")
    op.drop_column("job", "tenant")
    with op.batch_alter_table("job", schema=None) as batch_op:
        batch_op.create_index(
            "ix_job_urgency",
            [sa.literal_column("priority DESC"), "run_at", "number"],
            unique=False,
            sqlite_where=_PENDING,
            postgresql_where=_PENDING,
        )
