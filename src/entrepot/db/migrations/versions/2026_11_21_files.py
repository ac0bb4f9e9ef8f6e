"""files."""

import sqlalchemy as sa
from alembic import op

import entrepot.db.types

revision = "cc2fe3829b8f"
down_revision = "e564d1787a71"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "key_permissions",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key_id", sa.String(length=36), nullable=True),
        sa.Column("scopes", entrepot.db.types.Json(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_key_permissions")),
        sa.UniqueConstraint("id", name=op.f("uq_key_permissions_id")),
    )
    with op.batch_alter_table("key_permissions", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_key_permissions_key_id"), ["key_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_key_permissions_organization_id"), ["organization_id"], unique=False)

    op.create_table(
        "poll",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key_id", sa.String(length=36), nullable=True),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("source_id", sa.String(length=36), nullable=True),
        sa.Column("session_id", sa.String(length=36), nullable=True),
        sa.Column("subscription_id", sa.String(length=36), nullable=True),
        sa.Column("payload", entrepot.db.types.Json(), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("started", entrepot.db.types.Instant(), nullable=True),
        sa.Column("completed", entrepot.db.types.Instant(), nullable=True),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_poll")),
        sa.UniqueConstraint("id", name=op.f("uq_poll_id")),
    )
    with op.batch_alter_table("poll", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_poll_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_poll_session_id"), ["session_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_poll_source_id"), ["source_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_poll_subscription_id"), ["subscription_id"], unique=False)

    op.create_table(
        "poll_task",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key_id", sa.String(length=36), nullable=True),
        sa.Column("type", sa.String(length=100), nullable=False),
        sa.Column("poll_id", sa.String(length=36), nullable=True),
        sa.Column("work_id", sa.String(length=100), nullable=True),
        sa.Column("config_id", sa.String(length=36), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("started", entrepot.db.types.Instant(), nullable=True),
        sa.Column("completed", entrepot.db.types.Instant(), nullable=True),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_poll_task")),
        sa.UniqueConstraint("id", name=op.f("uq_poll_task_id")),
    )
    with op.batch_alter_table("poll_task", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_poll_task_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_poll_task_poll_id"), ["poll_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_poll_task_work_id"), ["work_id"], unique=False)

    op.create_table(
        "published_file",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=True),
        sa.Column("poll_id", sa.String(length=36), nullable=False),
        sa.Column("task_id", sa.String(length=36), nullable=False),
        sa.Column("storage_config_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=True),
        sa.Column("identifier", sa.String(length=500), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("path", sa.String(length=200), nullable=False),
        sa.Column("type", sa.String(length=100), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("md5", sa.String(length=32), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("consumed", entrepot.db.types.Instant(), nullable=True),
        sa.Column("deleted", entrepot.db.types.Instant(), nullable=True),
        sa.Column("signed_until", entrepot.db.types.Instant(), nullable=True),
        sa.Column("mismatches", entrepot.db.types.Json(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_published_file")),
        sa.UniqueConstraint("id", name=op.f("uq_published_file_id")),
    )
    with op.batch_alter_table("published_file", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_published_file_identifier"), ["identifier"], unique=False)
        batch_op.create_index("ix_published_file_listed", ["organization_id", "state", "number"], unique=False)
        batch_op.create_index(batch_op.f("ix_published_file_md5"), ["md5"], unique=False)
        batch_op.create_index(batch_op.f("ix_published_file_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_published_file_poll_id"), ["poll_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_published_file_project_id"), ["project_id"], unique=False)
        batch_op.create_index("ix_published_file_state_created", ["state", "created"], unique=False)
        batch_op.create_index(batch_op.f("ix_published_file_storage_config_id"), ["storage_config_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_published_file_task_id"), ["task_id"], unique=False)

    op.create_table(
        "remote_session",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key_id", sa.String(length=36), nullable=True),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("source_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("expired", entrepot.db.types.Instant(), nullable=True),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_remote_session")),
        sa.UniqueConstraint("id", name=op.f("uq_remote_session_id")),
    )
    with op.batch_alter_table("remote_session", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_remote_session_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_remote_session_source_id"), ["source_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_remote_session_user_id"), ["user_id"], unique=False)

    op.create_table(
        "remote_source",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("type", sa.String(length=100), nullable=False),
        sa.Column("identifier", sa.String(length=300), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_remote_source")),
        sa.UniqueConstraint("id", name=op.f("uq_remote_source_id")),
        sa.UniqueConstraint(
            "organization_id",
            "user_id",
            "type",
            "identifier",
            name=op.f("uq_remote_source_organization_id_user_id_type_identifier"),
        ),
    )
    with op.batch_alter_table("remote_source", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_remote_source_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_remote_source_user_id"), ["user_id"], unique=False)

    op.create_table(
        "remote_user",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("identifier", sa.String(length=300), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_remote_user")),
        sa.UniqueConstraint("id", name=op.f("uq_remote_user_id")),
        sa.UniqueConstraint("organization_id", "identifier", name=op.f("uq_remote_user_organization_id_identifier")),
    )
    with op.batch_alter_table("remote_user", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_remote_user_organization_id"), ["organization_id"], unique=False)

    op.create_table(
        "storage_config",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("type", sa.String(length=10), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("credentials_encrypted", sa.Text(), nullable=True),
        sa.Column("own", sa.Boolean(), nullable=False),
        sa.Column("signed_urls_enabled", sa.Boolean(), nullable=False),
        sa.Column("signed_urls_expiry", sa.Double(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("tested", entrepot.db.types.Json(), nullable=True),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_storage_config")),
        sa.UniqueConstraint("id", name=op.f("uq_storage_config_id")),
    )
    with op.batch_alter_table("storage_config", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_storage_config_organization_id"), ["organization_id"], unique=False)

    op.create_table(
        "subscription",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("key_id", sa.String(length=36), nullable=True),
        sa.Column("source_id", sa.String(length=36), nullable=True),
        sa.Column("session_id", sa.String(length=36), nullable=True),
        sa.Column("payload", entrepot.db.types.Json(), nullable=False),
        sa.Column("interval", sa.Double(), nullable=False),
        sa.Column("start", entrepot.db.types.Instant(), nullable=True),
        sa.Column("end", entrepot.db.types.Instant(), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_subscription")),
        sa.UniqueConstraint("id", name=op.f("uq_subscription_id")),
    )
    with op.batch_alter_table("subscription", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_subscription_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_subscription_session_id"), ["session_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_subscription_source_id"), ["source_id"], unique=False)

    op.create_table(
        "upload",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("description", entrepot.db.types.Json(), nullable=False),
        sa.Column("storage_config_id", sa.String(length=36), nullable=True),
        sa.Column("path", sa.String(length=200), nullable=True),
        sa.Column("touched", entrepot.db.types.Instant(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_upload")),
        sa.UniqueConstraint("id", name=op.f("uq_upload_id")),
    )
    with op.batch_alter_table("upload", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_upload_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_upload_touched"), ["touched"], unique=False)

    op.create_table(
        "file_defaults",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("storage_config_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(
            ["organization_id"], ["organization.id"], name=op.f("fk_file_defaults_organization_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("organization_id", name=op.f("pk_file_defaults")),
    )


def downgrade() -> None:
    op.drop_table("file_defaults")
    with op.batch_alter_table("upload", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_upload_touched"))
        batch_op.drop_index(batch_op.f("ix_upload_organization_id"))

    op.drop_table("upload")
    with op.batch_alter_table("subscription", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_subscription_source_id"))
        batch_op.drop_index(batch_op.f("ix_subscription_session_id"))
        batch_op.drop_index(batch_op.f("ix_subscription_organization_id"))

    op.drop_table("subscription")
    with op.batch_alter_table("storage_config", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_storage_config_organization_id"))

    op.drop_table("storage_config")
    with op.batch_alter_table("remote_user", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_remote_user_organization_id"))

    op.drop_table("remote_user")
    with op.batch_alter_table("remote_source", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_remote_source_user_id"))
        batch_op.drop_index(batch_op.f("ix_remote_source_organization_id"))

    op.drop_table("remote_source")
    with op.batch_alter_table("remote_session", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_remote_session_user_id"))
        batch_op.drop_index(batch_op.f("ix_remote_session_source_id"))
        batch_op.drop_index(batch_op.f("ix_remote_session_organization_id"))

    op.drop_table("remote_session")
    with op.batch_alter_table("published_file", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_published_file_task_id"))
        batch_op.drop_index(batch_op.f("ix_published_file_storage_config_id"))
        batch_op.drop_index("ix_published_file_state_created")
        batch_op.drop_index(batch_op.f("ix_published_file_project_id"))
        batch_op.drop_index(batch_op.f("ix_published_file_poll_id"))
        batch_op.drop_index(batch_op.f("ix_published_file_organization_id"))
        batch_op.drop_index(batch_op.f("ix_published_file_md5"))
        batch_op.drop_index("ix_published_file_listed")
        batch_op.drop_index(batch_op.f("ix_published_file_identifier"))

    op.drop_table("published_file")
    with op.batch_alter_table("poll_task", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_poll_task_work_id"))
        batch_op.drop_index(batch_op.f("ix_poll_task_poll_id"))
        batch_op.drop_index(batch_op.f("ix_poll_task_organization_id"))

    op.drop_table("poll_task")
    with op.batch_alter_table("poll", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_poll_subscription_id"))
        batch_op.drop_index(batch_op.f("ix_poll_source_id"))
        batch_op.drop_index(batch_op.f("ix_poll_session_id"))
        batch_op.drop_index(batch_op.f("ix_poll_organization_id"))

    op.drop_table("poll")
    with op.batch_alter_table("key_permissions", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_key_permissions_organization_id"))
        batch_op.drop_index(batch_op.f("ix_key_permissions_key_id"))

    op.drop_table("key_permissions")
