"""console sessions as rows, and failed logins counted for all doors."""

import hashlib
from typing import Any

import sqlalchemy as sa
from alembic import op

import entrepot.db.types

revision = "5d1c7a90e3b2"
down_revision = "2165691b283f"
branch_labels = None
depends_on = None

_BAN: tuple[sa.Column[Any], ...] = (
    sa.Column("address", sa.String(length=50), nullable=False),
    sa.Column("login", sa.String(length=300), nullable=False),
    sa.Column("created", entrepot.db.types.Instant(), nullable=False),
    sa.Column("until", entrepot.db.types.Instant(), nullable=False),
)


def upgrade() -> None:
    op.create_table(
        "console_session",
        sa.Column("token_sha256", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.Column("expires", entrepot.db.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], name=op.f("fk_console_session_user_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_console_session")),
    )
    op.create_index(op.f("ix_console_session_user_id"), "console_session", ["user_id"])
    op.create_index(op.f("ix_console_session_expires"), "console_session", ["expires"])
    sign_ins = op.create_table(
        "sign_ins",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("address", sa.String(length=50), nullable=False),
        sa.Column("login", sa.String(length=300), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed", entrepot.db.types.Instant(), nullable=True),
        sa.Column("since", entrepot.db.types.Instant(), nullable=True),
        sa.Column("until", entrepot.db.types.Instant(), nullable=True),
        sa.Column("known_until", entrepot.db.types.Instant(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_sign_ins")),
    )
    op.create_index(op.f("ix_sign_ins_address"), "sign_ins", ["address"])
    kept = [
        {
            "key": hashlib.sha256(f"{ban.address}\0".encode()).hexdigest(),
            "kind": "address",
            "address": ban.address,
            "login": ban.login,
            "failures": 0,
            "since": ban.created,
            "until": ban.until,
        }
        for ban in op.get_bind().execute(sa.select(sa.table("ban", *(sa.column(c.name, c.type) for c in _BAN))))
    ]
    if kept:
        op.bulk_insert(sign_ins, kept)
    op.drop_table("ban")


def downgrade() -> None:
    op.create_table("ban", *(column.copy() for column in _BAN), sa.PrimaryKeyConstraint("address", name=op.f("pk_ban")))
    op.drop_table("sign_ins")
    op.drop_table("console_session")
