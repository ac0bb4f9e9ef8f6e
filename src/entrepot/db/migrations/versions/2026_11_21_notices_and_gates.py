"""Notices by mail, watches, quarantine, quotas and bans."""

import sqlalchemy as sa
from alembic import op

import entrepot.db.types

revision = "c3c7390ec1da"
down_revision = "3c61f0a5b7d2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ban",
        sa.Column("address", sa.String(length=50), nullable=False),
        sa.Column("login", sa.String(length=300), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.Column("until", entrepot.db.types.Instant(), nullable=False),
        sa.PrimaryKeyConstraint("address", name=op.f("pk_ban")),
    )
    op.create_table(
        "mail",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", entrepot.db.types.Instant(), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.Column("sent_at", entrepot.db.types.Instant(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_mail")),
        sa.UniqueConstraint("id", name=op.f("uq_mail_id")),
    )
    with op.batch_alter_table("mail", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_mail_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(
            "ix_mail_pending",
            ["next_at"],
            unique=False,
            sqlite_where=sa.text("state = 'pending'"),
            postgresql_where=sa.text("state = 'pending'"),
        )

    op.create_table(
        "silence_watch",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("generator_id", sa.String(length=36), nullable=False),
        sa.Column("series_name", sa.String(), nullable=False),
        sa.Column("grace", sa.String(length=32), nullable=True),
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_silence_watch_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_silence_watch")),
        sa.UniqueConstraint("generator_id", "series_name", name=op.f("uq_silence_watch_generator_id_series_name")),
        sa.UniqueConstraint("id", name=op.f("uq_silence_watch_id")),
    )
    with op.batch_alter_table("silence_watch", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_silence_watch_organization_id"), ["organization_id"], unique=False)

    op.create_table(
        "quarantined_file",
        sa.Column("gate_id", sa.String(length=36), nullable=False),
        sa.Column("importer_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("stored", sa.String(), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("modified", entrepot.db.types.Instant(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("details", sa.String(), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.Column("retried", sa.Boolean(), nullable=False),
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(["gate_id"], ["gate.id"], name=op.f("fk_quarantined_file_gate_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["importer_id"], ["importer.id"], name=op.f("fk_quarantined_file_importer_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_quarantined_file")),
        sa.UniqueConstraint("id", name=op.f("uq_quarantined_file_id")),
    )
    with op.batch_alter_table("quarantined_file", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_quarantined_file_gate_id"), ["gate_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_quarantined_file_importer_id"), ["importer_id"], unique=False)

    with op.batch_alter_table("gate", schema=None) as batch_op:
        batch_op.add_column(sa.Column("quota_bytes", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("quota_files", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("quarantine", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column("after_import", sa.String(length=10), nullable=False, server_default="keep"))

    with op.batch_alter_table("notification", schema=None) as batch_op:
        batch_op.add_column(sa.Column("subject", sa.String(length=300), nullable=True))
        batch_op.add_column(sa.Column("origin", sa.String(length=400), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("resolved_at", entrepot.db.types.Instant(), nullable=True))
        batch_op.add_column(sa.Column("mailed_at", entrepot.db.types.Instant(), nullable=True))

    with op.batch_alter_table("user", schema=None) as batch_op:
        batch_op.add_column(sa.Column("mail_notices", sa.Boolean(), nullable=False, server_default=sa.true()))


def downgrade() -> None:
    with op.batch_alter_table("user", schema=None) as batch_op:
        batch_op.drop_column("mail_notices")

    with op.batch_alter_table("notification", schema=None) as batch_op:
        batch_op.drop_column("mailed_at")
        batch_op.drop_column("resolved_at")
        batch_op.drop_column("origin")
        batch_op.drop_column("subject")

    with op.batch_alter_table("gate", schema=None) as batch_op:
        batch_op.drop_column("after_import")
        batch_op.drop_column("quarantine")
        batch_op.drop_column("quota_files")
        batch_op.drop_column("quota_bytes")

    with op.batch_alter_table("quarantined_file", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_quarantined_file_importer_id"))
        batch_op.drop_index(batch_op.f("ix_quarantined_file_gate_id"))

    op.drop_table("quarantined_file")
    with op.batch_alter_table("silence_watch", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_silence_watch_organization_id"))

    op.drop_table("silence_watch")
    with op.batch_alter_table("mail", schema=None) as batch_op:
        batch_op.drop_index(
            "ix_mail_pending", sqlite_where=sa.text("state = 'pending'"), postgresql_where=sa.text("state = 'pending'")
        )
        batch_op.drop_index(batch_op.f("ix_mail_organization_id"))

    op.drop_table("mail")
    op.drop_table("ban")
