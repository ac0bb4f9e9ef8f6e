"""lineage."""

import sqlalchemy as sa
from alembic import op

import entrepot.db.types

revision = "cb1cef8bcbbb"
down_revision = "f2bd922c3613"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "run",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=True),
        sa.Column("generator_kind", sa.String(length=20), nullable=False),
        sa.Column("generator_id", sa.Text(), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("script_sha256", sa.String(length=64), nullable=True),
        sa.Column("started", entrepot.db.types.Instant(), nullable=False),
        sa.Column("ended", entrepot.db.types.Instant(), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("report", entrepot.db.types.Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run")),
    )
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.create_index("ix_run_generator", ["generator_id", "started"], unique=False)
        batch_op.create_index(batch_op.f("ix_run_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_run_project_id"), ["project_id"], unique=False)

    op.create_table(
        "lineage",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("direction", sa.String(length=4), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("result_id", sa.String(length=400), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=True),
        sa.Column("stop", sa.BigInteger(), nullable=True),
        sa.Column("detail", entrepot.db.types.Json(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], name=op.f("fk_lineage_run_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_lineage")),
    )
    with op.batch_alter_table("lineage", schema=None) as batch_op:
        batch_op.create_index("ix_lineage_result", ["kind", "result_id", "direction"], unique=False)
        batch_op.create_index("ix_lineage_run", ["run_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("lineage", schema=None) as batch_op:
        batch_op.drop_index("ix_lineage_run")
        batch_op.drop_index("ix_lineage_result")

    op.drop_table("lineage")
    with op.batch_alter_table("run", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_run_project_id"))
        batch_op.drop_index(batch_op.f("ix_run_organization_id"))
        batch_op.drop_index("ix_run_generator")

    op.drop_table("run")
