"""Tables of organizations, projects, users, memberships, API keys, FTP accounts, sessions, and who changed these."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from entrepot.db import Base, Instant, Json, keyset, new_id, now


class Role(StrEnum):
    """What a member may do in an organization; each role includes the ones before it."""

    READER = "reader"
    WRITER = "writer"
    ADMIN = "admin"


class Organization(Base):
    """Who owns projects and results."""

    __tablename__ = "organization"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(String(300), unique=True)
    description: Mapped[str] = mapped_column(default="")
    #: The most that it may have of each of :data:`entrepot.identity.limits.NAMES`; what is left out has no limit.
    limits: Mapped[dict[str, int]] = mapped_column(Json, default=dict)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)


class Project(Base):
    """A part of an organization's work; series, gates and scripts live in one."""

    __tablename__ = "project"
    __table_args__ = (
        UniqueConstraint("organization_id", "name"),
        Index("ix_project_deleting", "id", sqlite_where=text("deleting = 1"), postgresql_where=text("deleting")),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id", ondelete="CASCADE"), index=True)
    organization: Mapped[Organization] = relationship()
    name: Mapped[str] = mapped_column(String(300))
    description: Mapped[str] = mapped_column(default="")
    #: What clients gave that means nothing here, and get back.
    kept: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    mails: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    #: It is gone for everybody, and being emptied.
    deleting: Mapped[bool] = mapped_column(default=False)


class User(Base):
    """A person or a machine that signs in."""

    __tablename__ = "user"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    login: Mapped[str] = mapped_column(String(300), unique=True)
    password_hash: Mapped[str]
    email: Mapped[str] = mapped_column(default="")
    #: Whether notices of projects that send mails are to be sent to this address.
    mail_notices: Mapped[bool] = mapped_column(default=True)
    disabled: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)


class Membership(Base):
    """A user's role in an organization."""

    __tablename__ = "membership"
    __table_args__ = (Index("ix_membership_listed", "organization_id", "login", "user_id"),)

    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id", ondelete="CASCADE"), primary_key=True)
    #: The user's, which nobody changes: here too, so that a list of members is an index.
    login: Mapped[str] = mapped_column(String(300))
    user: Mapped[User] = relationship()
    role: Mapped[Role] = mapped_column(String(10))
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)


class ApiKey(Base):
    """A token that acts for a user in one organization; only its SHA-256 is stored."""

    __tablename__ = "api_key"
    __table_args__ = (Index("ix_api_key_listed", "organization_id", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id", ondelete="CASCADE"))
    name: Mapped[str] = mapped_column(default="")
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    #: The token before the last rotation, accepted until ``previous_expires_at``.
    previous_sha256: Mapped[str | None] = mapped_column(String(64), unique=True)
    previous_expires_at: Mapped[datetime | None] = mapped_column(Instant)
    #: ``area:right`` pairs and narrow scopes; null means all that its user may do.
    scopes: Mapped[list[str] | None] = mapped_column(Json)
    #: Ids of the only projects and series that the key reaches, and networks that it is used from; null means all.
    projects: Mapped[list[str] | None] = mapped_column(Json)
    series: Mapped[list[str] | None] = mapped_column(Json)
    networks: Mapped[list[str] | None] = mapped_column(Json)
    #: Free settings of clients that keep some on their key.
    config: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)
    #: When a request last came with it, and from where, to within a minute (:mod:`entrepot.identity.seen`).
    last_used_at: Mapped[datetime | None] = mapped_column(Instant)
    last_used_from: Mapped[str | None] = mapped_column(String(50))


class FtpAccount(Base):
    """A login of the FTP server, confined to the folder of its owner: a gate or a user.

    The password is one made for FTP alone. It is encrypted, not hashed, because clients ask for it to connect.
    """

    __tablename__ = "ftp_account"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    #: Path of the home folder below the data folder, e.g. ``gates/<gate id>``.
    home: Mapped[str] = mapped_column(String(100), unique=True)
    organization_id: Mapped[str] = mapped_column(String(36), index=True)
    login: Mapped[str] = mapped_column(String(100), unique=True)
    password_encrypted: Mapped[str]


class ConsoleSession(Base):
    """Someone who logged in to the console; only the SHA-256 of its cookie is stored."""

    __tablename__ = "console_session"
    __table_args__ = (Index("ix_console_session_listed", "user_id", "created_at", "id"),)

    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    #: Where it began, and in which program, as that says itself.
    address: Mapped[str] = mapped_column(String(50), default="")
    agent: Mapped[str] = mapped_column(String(300), default="")
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    #: When it last asked for a page, to within a minute (:mod:`entrepot.identity.seen`).
    seen_at: Mapped[datetime] = mapped_column(Instant, default=now)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)


class SignInLink(Base):
    """An address of the console that signs somebody in, once; only the SHA-256 of what is secret in it is stored."""

    __tablename__ = "sign_in_link"

    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    #: Where in the console it leads.
    path: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    expires_at: Mapped[datetime] = mapped_column(Instant, index=True)


class SignIns(Base):
    """How signing in went of late: from an address, with a login, or (`pair`) with a login from an address."""

    __tablename__ = "sign_ins"

    #: The SHA-256 of what is counted: logins that were tried are as long as strangers like.
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    kind: Mapped[str] = mapped_column(String(10))
    #: An IPv4 address, or the first 64 bits of an IPv6 one, as a network; empty for a login from anywhere.
    address: Mapped[str] = mapped_column(String(50), index=True)
    #: The login; of an address, the one that was tried last.
    login: Mapped[str] = mapped_column(String(300))
    failures: Mapped[int] = mapped_column(default=0)
    failed_at: Mapped[datetime | None] = mapped_column(Instant)
    #: When it was refused, and until when it is.
    since: Mapped[datetime | None] = mapped_column(Instant)
    until: Mapped[datetime | None] = mapped_column(Instant)
    #: The login is known at the address, having signed in from it, until then.
    known_until: Mapped[datetime | None] = mapped_column(Instant)


class KeptAnswer(Base):
    """What a request with an idempotency key was answered, for whoever sends it again."""

    __tablename__ = "kept_answer"

    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    #: The SHA-256 of the key, and of who sent what with it, and where to.
    key_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    request_sha256: Mapped[str] = mapped_column(String(64))
    status: Mapped[int]
    headers: Mapped[dict[str, str]] = mapped_column(Json)
    #: Encrypted: answers may hold what is told only once, such as the token of a new API key.
    body_encrypted: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(Instant, default=now, index=True)


class AuditEntry(Base):
    """Something of an organization that somebody changed, or signing in: who, when, from where, what."""

    __tablename__ = "audit_entry"
    __table_args__ = (
        keyset.listed("audit_entry", "organization_id", "number"),
        Index("ix_audit_entry_kind", "organization_id", "kind", text("(number + 0)")),
        Index("ix_audit_entry_login", "organization_id", "login", text("(number + 0)")),
    )

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(String(36))
    #: Who: empty where the operator did, on the server's own machine, or the server by itself. Users go, logins stay.
    user_id: Mapped[str] = mapped_column(String(36), default="")
    login: Mapped[str] = mapped_column(String(300), default="")
    #: With which key; null: with a password, or in a session of the console.
    key_id: Mapped[str | None] = mapped_column(String(36))
    address: Mapped[str] = mapped_column(String(50), default="")
    #: What it happened to (``key``, ``member``, ``webhook`` ...), its id and its name then.
    kind: Mapped[str] = mapped_column(String(20))
    object_id: Mapped[str] = mapped_column(String(73))
    name: Mapped[str] = mapped_column(String(300))
    action: Mapped[str] = mapped_column(String(20))
    #: By field, what it was and what it is; never a secret.
    changes: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now, index=True)
