"""The table of files of gates and users, where the server keeps them in a bucket."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from entrepot.db import Base, Instant


class StoredFile(Base):
    """A file or a folder of a gate or a user, where the server keeps files in a bucket."""

    __tablename__ = "stored_file"
    __table_args__ = (UniqueConstraint("home", "path"), Index("ix_stored_file_folder", "home", "folder"))

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    #: ``gates/`` or ``users/`` and an id; with ``.parts``, what came of uploads to it that broke off.
    home: Mapped[str] = mapped_column(String(60))
    #: Compared byte by byte, so that what lies below a folder is a range.
    path: Mapped[str] = mapped_column(Text().with_variant(Text(collation="C"), "postgresql"))
    #: A digest of the path of the folder that it lies in.
    folder: Mapped[str] = mapped_column(String(32))
    #: The object that has its bytes; null: it is a folder.
    key: Mapped[str | None] = mapped_column(String(200))
    size: Mapped[int] = mapped_column(BigInteger)
    modified_at: Mapped[datetime] = mapped_column(Instant)
