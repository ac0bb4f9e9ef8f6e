"""files that are attached to parts of structures, and to what measures them."""

import sqlalchemy as sa
from alembic import op

import entrepot.db.types

revision = "4a7e19c0d2b6"
down_revision = "3b9f5d20c7e8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attachment",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("part_id", sa.Integer(), nullable=False),
        sa.Column("field", sa.String(length=50), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("organization_id", "kind", "part_id", "field", name=op.f("pk_attachment")),
    )
    if op.get_bind().dialect.name == "postgresql":
        # Pictures and PDFs are compressed already.
        op.execute("ALTER TABLE attachment ALTER COLUMN content SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("attachment")
