"""Tables of organizations, projects, users, memberships, API keys and FTP accounts."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from entrepot.db import Base, Instant, Json, new_id, now


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
        Index("ix_project_deleting", "id", sqlite_where=text("deleting"), postgresql_where=text("deleting")),
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

    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    organization_id: Mapped[str] = mapped_column(
        ForeignKey("organization.id", ondelete="CASCADE"), primary_key=True, index=True
    )
    role: Mapped[Role] = mapped_column(String(10))
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)


class ApiKey(Base):
    """A token that acts for a user in one organization; only its SHA-256 is stored."""

    __tablename__ = "api_key"

    id: Mapped[str] = mapped_column(String(36), primary_key=True, default=new_id)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    organization_id: Mapped[str] = mapped_column(ForeignKey("organization.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(default="")
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    #: The token before the last rotation, accepted until ``previous_expires``.
    previous_sha256: Mapped[str | None] = mapped_column(String(64), unique=True)
    previous_expires: Mapped[datetime | None] = mapped_column(Instant)
    #: ``area:right`` pairs and narrow scopes; null means all that its user may do.
    scopes: Mapped[list[str] | None] = mapped_column(Json)
    #: Ids of the only projects and series that the key reaches, and networks that it is used from; null means all.
    projects: Mapped[list[str] | None] = mapped_column(Json)
    series: Mapped[list[str] | None] = mapped_column(Json)
    networks: Mapped[list[str] | None] = mapped_column(Json)
    #: Free settings of clients that keep some on their key.
    config: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    expires: Mapped[datetime | None] = mapped_column(Instant)
    revoked: Mapped[datetime | None] = mapped_column(Instant)


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

    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    expires: Mapped[datetime] = mapped_column(Instant, index=True)


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
    failed: Mapped[datetime | None] = mapped_column(Instant)
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
