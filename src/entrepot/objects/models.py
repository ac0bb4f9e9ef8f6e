"""The table of objects that no record refers to."""

from datetime import datetime

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from entrepot.db import Base, Instant


class LooseObject(Base):
    """An object of the server's own bucket that nothing refers to, yet or any more: it is deleted when it is due.

    It is noted before its bytes are sent, so that whoever is killed leaves nothing that nobody knows of.
    """

    __tablename__ = "loose_object"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    due_at: Mapped[datetime] = mapped_column(Instant, index=True)
    #: Whether its deletion has begun: nothing may refer to it any more.
    going: Mapped[bool] = mapped_column(default=False)
