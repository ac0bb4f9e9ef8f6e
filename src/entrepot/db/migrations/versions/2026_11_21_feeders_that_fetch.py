"""feeders that fetch."""

import sqlalchemy as sa
from alembic import op

import entrepot.db.types

revision = "9b047172299d"
down_revision = "c3c7390ec1da"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "fed_file",
        sa.Column("feeder_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("target", sa.String(), nullable=True),
        sa.Column("staged", sa.String(), nullable=True),
        sa.Column("run_id", sa.String(length=36), nullable=True),
        sa.Column("fetched", entrepot.db.types.Instant(), nullable=True),
        sa.Column("seen", sa.String(), nullable=True),
        sa.Column("seen_since", entrepot.db.types.Instant(), nullable=True),
        sa.ForeignKeyConstraint(
            ["feeder_id"], ["base_feeder.id"], name=op.f("fk_fed_file_feeder_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("feeder_id", "path", name=op.f("pk_fed_file")),
    )
    with op.batch_alter_table("base_feeder", schema=None) as batch_op:
        batch_op.add_column(sa.Column("credentials", sa.String(), nullable=True))
        batch_op.add_column(
            sa.Column("credential_names", entrepot.db.types.Json(), nullable=False, server_default="[]")
        )
        batch_op.add_column(sa.Column("known_host_key", sa.String(), nullable=True))
        batch_op.add_column(sa.Column("state", entrepot.db.types.Json(), nullable=True))
        batch_op.add_column(sa.Column("last_run", entrepot.db.types.Instant(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("base_feeder", schema=None) as batch_op:
        batch_op.drop_column("last_run")
        batch_op.drop_column("state")
        batch_op.drop_column("known_host_key")
        batch_op.drop_column("credential_names")
        batch_op.drop_column("credentials")

    op.drop_table("fed_file")
