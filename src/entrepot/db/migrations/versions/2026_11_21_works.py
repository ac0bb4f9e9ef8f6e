"""works."""

import sqlalchemy as sa
from alembic import op

import entrepot.db.types

revision = "6c7b2ec2d3c1"
down_revision = "20f68230e8d0"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "archived_work",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("pipeline", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("site", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("user", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("status", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("creation", sa.Double(), nullable=False),
        sa.Column("start", sa.Double(), nullable=True),
        sa.Column("stop", sa.Double(), nullable=True),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("retries", sa.BigInteger(), nullable=False),
        sa.Column("timeout", sa.Double(), nullable=False),
        sa.Column("parent", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("body", entrepot.db.types.Body(), nullable=False),
        sa.Column("opaque", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_archived_work")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("archived_work", schema=None) as batch_op:
        batch_op.create_index("ix_archived_work_creation", ["organization_id", "pipeline", "creation"], unique=False)
        batch_op.create_index("ix_archived_work_id", ["organization_id", "id"], unique=False)
        batch_op.create_index(
            "ix_archived_work_locked",
            ["organization_id", "pipeline", "id"],
            unique=False,
            sqlite_where=sa.text("locked"),
            postgresql_where=sa.text("locked"),
        )
        batch_op.create_index(
            "ix_archived_work_parent",
            ["organization_id", "parent"],
            unique=False,
            sqlite_where=sa.text("parent IS NOT NULL"),
            postgresql_where=sa.text("parent IS NOT NULL"),
        )
        batch_op.create_index("ix_archived_work_priority", ["organization_id", "pipeline", "priority"], unique=False)
        batch_op.create_index("ix_archived_work_site", ["organization_id", "site"], unique=False)
        batch_op.create_index("ix_archived_work_status", ["organization_id", "pipeline", "status"], unique=False)
        batch_op.create_index("ix_archived_work_user", ["organization_id", "user"], unique=False)
        batch_op.create_index("uq_archived_work_id", ["organization_id", "pipeline", "id"], unique=True)

    op.create_table(
        "work",
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.Double(), nullable=True),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("id", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("pipeline", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("site", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("user", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("status", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("priority", sa.BigInteger(), nullable=False),
        sa.Column("creation", sa.Double(), nullable=False),
        sa.Column("start", sa.Double(), nullable=True),
        sa.Column("stop", sa.Double(), nullable=True),
        sa.Column("attempt", sa.BigInteger(), nullable=False),
        sa.Column("retries", sa.BigInteger(), nullable=False),
        sa.Column("timeout", sa.Double(), nullable=False),
        sa.Column("parent", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("document", sa.Text(), nullable=True),
        sa.Column("body", entrepot.db.types.Body(), nullable=False),
        sa.Column("opaque", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_work")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("work", schema=None) as batch_op:
        batch_op.create_index("ix_work_creation", ["organization_id", "creation"], unique=False)
        batch_op.create_index(
            "ix_work_queued",
            ["organization_id", "pipeline", sa.literal_column("priority DESC"), "creation", "id"],
            unique=False,
            sqlite_where=sa.text("status = 'queued'"),
            postgresql_where=sa.text("status = 'queued'"),
        )
        batch_op.create_index(
            "ix_work_queued_parent",
            ["organization_id", "parent", sa.literal_column("priority DESC"), "creation"],
            unique=False,
            sqlite_where=sa.text("status = 'queued' AND parent IS NOT NULL"),
            postgresql_where=sa.text("status = 'queued' AND parent IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_work_running",
            ["organization_id", "start"],
            unique=False,
            sqlite_where=sa.text("status = 'running'"),
            postgresql_where=sa.text("status = 'running'"),
        )
        batch_op.create_index("ix_work_site", ["organization_id", "site"], unique=False)
        batch_op.create_index("ix_work_status", ["organization_id", "pipeline", "status"], unique=False)
        batch_op.create_index("ix_work_user", ["organization_id", "user"], unique=False)
        batch_op.create_index("uq_work_id", ["organization_id", "id"], unique=True)

    op.create_table(
        "work_deposit",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("ids", sa.Text(), nullable=False),
        sa.Column("at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_work_deposit")),
    )
    with op.batch_alter_table("work_deposit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_work_deposit_at"), ["at"], unique=False)

    op.create_table(
        "archived_work_event",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(
            ["number"], ["archived_work.number"], name=op.f("fk_archived_work_event_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", "value", name=op.f("pk_archived_work_event")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("archived_work_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_archived_work_event_number"), ["number"], unique=False)

    op.create_table(
        "archived_work_tag",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("value", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(
            ["number"], ["archived_work.number"], name=op.f("fk_archived_work_tag_number"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("number", "value", name=op.f("pk_archived_work_tag")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("archived_work_tag", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_archived_work_tag_number"), ["number"], unique=False)

    op.create_table(
        "work_event",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["number"], ["work.number"], name=op.f("fk_work_event_number"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", "value", name=op.f("pk_work_event")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("work_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_work_event_number"), ["number"], unique=False)

    op.create_table(
        "work_tag",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("value", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.ForeignKeyConstraint(["number"], ["work.number"], name=op.f("fk_work_tag_number"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("number", "value", name=op.f("pk_work_tag")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("work_tag", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_work_tag_number"), ["number"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("work_tag", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_work_tag_number"))

    op.drop_table("work_tag")
    with op.batch_alter_table("work_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_work_event_number"))

    op.drop_table("work_event")
    with op.batch_alter_table("archived_work_tag", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archived_work_tag_number"))

    op.drop_table("archived_work_tag")
    with op.batch_alter_table("archived_work_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_archived_work_event_number"))

    op.drop_table("archived_work_event")
    with op.batch_alter_table("work_deposit", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_work_deposit_at"))

    op.drop_table("work_deposit")
    with op.batch_alter_table("work", schema=None) as batch_op:
        batch_op.drop_index("uq_work_id")
        batch_op.drop_index("ix_work_user")
        batch_op.drop_index("ix_work_status")
        batch_op.drop_index("ix_work_site")
        batch_op.drop_index(
            "ix_work_running",
            sqlite_where=sa.text("status = 'running'"),
            postgresql_where=sa.text("status = 'running'"),
        )
        batch_op.drop_index(
            "ix_work_queued_parent",
            sqlite_where=sa.text("status = 'queued' AND parent IS NOT NULL"),
            postgresql_where=sa.text("status = 'queued' AND parent IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_work_queued", sqlite_where=sa.text("status = 'queued'"), postgresql_where=sa.text("status = 'queued'")
        )
        batch_op.drop_index("ix_work_creation")

    op.drop_table("work")
    with op.batch_alter_table("archived_work", schema=None) as batch_op:
        batch_op.drop_index("uq_archived_work_id")
        batch_op.drop_index("ix_archived_work_user")
        batch_op.drop_index("ix_archived_work_status")
        batch_op.drop_index("ix_archived_work_site")
        batch_op.drop_index("ix_archived_work_priority")
        batch_op.drop_index(
            "ix_archived_work_parent",
            sqlite_where=sa.text("parent IS NOT NULL"),
            postgresql_where=sa.text("parent IS NOT NULL"),
        )
        batch_op.drop_index(
            "ix_archived_work_locked", sqlite_where=sa.text("locked"), postgresql_where=sa.text("locked")
        )
        batch_op.drop_index("ix_archived_work_id")
        batch_op.drop_index("ix_archived_work_creation")

    op.drop_table("archived_work")
