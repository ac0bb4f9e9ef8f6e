"""The tables of calls that wait for remote workers, which exist as long as somebody waits for their answers."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Integer, LargeBinary, String
from sqlalchemy.orm import Mapped, mapped_column

from entrepot.db import Base, Instant, Json, new_id, now

_Key = BigInteger().with_variant(Integer, "sqlite")


class RemoteCall(Base):
    """A call: ``coming`` as long as its bytes are written, ``waiting``, ``claimed`` by a worker, ``answered``."""

    __tablename__ = "remote_call"

    number: Mapped[int] = mapped_column(_Key, primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    organization_id: Mapped[str] = mapped_column(String(36), index=True)
    limits: Mapped[Any] = mapped_column(Json)
    status: Mapped[str] = mapped_column(String(10), default="coming")
    #: Bytes of the request, and of the answer.
    size: Mapped[int] = mapped_column(BigInteger)
    answer_size: Mapped[int | None] = mapped_column(BigInteger)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)
    #: Until when somebody waits for it: whoever does prolongs this.
    kept_until: Mapped[datetime] = mapped_column(Instant, index=True)
    fence: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None] = mapped_column(String(100))
    lease_until: Mapped[datetime | None] = mapped_column(Instant)
    #: No lease goes beyond: a worker that says that it lives, and never answers, loses the call.
    ends_at: Mapped[datetime | None] = mapped_column(Instant)


class RemoteCallPart(Base):
    """A piece of the bytes of a call's request (fence 0), or of the answer of whoever claimed it with this fence."""

    __tablename__ = "remote_call_part"

    call: Mapped[int] = mapped_column(_Key, ForeignKey("remote_call.number", ondelete="CASCADE"), primary_key=True)
    fence: Mapped[int] = mapped_column(primary_key=True)
    place: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)
