"""events."""

import sqlalchemy as sa
from alembic import op

import entrepot.db.types

revision = "f2bd922c3613"
down_revision = "d1f5fa2a0128"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "event",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=True),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=True),
        sa.Column("type", sa.String(length=40), nullable=False),
        sa.Column("object_id", sa.String(length=100), nullable=False),
        sa.Column("action", sa.String(length=40), nullable=False),
        sa.Column("data", entrepot.db.types.Json(), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_event")),
        sa.UniqueConstraint("id", name=op.f("uq_event_id")),
        sa.UniqueConstraint("sequence", name=op.f("uq_event_sequence")),
    )
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_event_object_id"), ["object_id"], unique=False)
        batch_op.create_index("ix_event_organization_id_sequence", ["organization_id", "sequence"], unique=False)
        batch_op.create_index(
            "ix_event_unpublished",
            ["position"],
            unique=False,
            sqlite_where=sa.text("sequence IS NULL"),
            postgresql_where=sa.text("sequence IS NULL"),
        )

    op.create_table(
        "notification",
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("generator_kind", sa.String(length=20), nullable=True),
        sa.Column("generator_id", sa.String(length=36), nullable=True),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("message", sa.String(), nullable=False),
        sa.Column("resolved", sa.Boolean(), nullable=False),
        sa.Column("read", sa.Boolean(), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_notification")),
        sa.UniqueConstraint("id", name=op.f("uq_notification_id")),
    )
    with op.batch_alter_table("notification", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_notification_generator_id"), ["generator_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_notification_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index("ix_notification_project_resolved", ["project_id", "resolved"], unique=False)

    op.create_table(
        "webhook",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("style", sa.String(length=20), nullable=False),
        sa.Column("secret_encrypted", sa.Text(), nullable=False),
        sa.Column("types", entrepot.db.types.Json(), nullable=True),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.Column("failing_since", entrepot.db.types.Instant(), nullable=True),
        sa.Column("paused_until", entrepot.db.types.Instant(), nullable=True),
        sa.Column("pauses", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_webhook")),
        sa.UniqueConstraint("id", name=op.f("uq_webhook_id")),
    )
    with op.batch_alter_table("webhook", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webhook_organization_id"), ["organization_id"], unique=False)

    op.create_table(
        "webhook_delivery",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("webhook_id", sa.String(length=36), nullable=False),
        sa.Column("event_position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("object_key", sa.String(length=150), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", entrepot.db.types.Instant(), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.Column("delivered", entrepot.db.types.Instant(), nullable=True),
        sa.Column("log", entrepot.db.types.Json(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_position"], ["event.position"], name=op.f("fk_webhook_delivery_event_position")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_webhook_delivery")),
    )
    with op.batch_alter_table("webhook_delivery", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_webhook_delivery_event_position"), ["event_position"], unique=False)
        batch_op.create_index(
            "ix_webhook_delivery_pending",
            ["webhook_id", "object_key", "number"],
            unique=False,
            sqlite_where=sa.text("state = 'pending'"),
            postgresql_where=sa.text("state = 'pending'"),
        )
        batch_op.create_index("ix_webhook_delivery_webhook_id", ["webhook_id", "number"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("webhook_delivery", schema=None) as batch_op:
        batch_op.drop_index("ix_webhook_delivery_webhook_id")
        batch_op.drop_index(
            "ix_webhook_delivery_pending",
            sqlite_where=sa.text("state = 'pending'"),
            postgresql_where=sa.text("state = 'pending'"),
        )
        batch_op.drop_index(batch_op.f("ix_webhook_delivery_event_position"))

    op.drop_table("webhook_delivery")
    with op.batch_alter_table("webhook", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_webhook_organization_id"))

    op.drop_table("webhook")
    with op.batch_alter_table("notification", schema=None) as batch_op:
        batch_op.drop_index("ix_notification_project_resolved")
        batch_op.drop_index(batch_op.f("ix_notification_organization_id"))
        batch_op.drop_index(batch_op.f("ix_notification_generator_id"))

    op.drop_table("notification")
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_event_unpublished",
            sqlite_where=sa.text("sequence IS NULL"),
            postgresql_where=sa.text("sequence IS NULL"),
        )
        batch_op.drop_index("ix_event_organization_id_sequence")
        batch_op.drop_index(batch_op.f("ix_event_object_id"))

    op.drop_table("event")
