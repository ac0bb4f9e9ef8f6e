"""What records of the pipeline have in common: an id, versions, a project and a name."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, declared_attr, mapped_column

from entrepot.db import Instant, new_id, now


class Record:
    """What every record has: ``number`` orders records by creation, ``id`` names them outside."""

    number: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    created_at: Mapped[datetime] = mapped_column(Instant, default=now)


class Edited(Record):
    """What people change: ``version`` grows with each change of its settings."""

    version: Mapped[int] = mapped_column(default=1)
    changed_at: Mapped[datetime] = mapped_column(Instant, default=now)

    def touch(self) -> None:
        """Note that this is another version."""
        self.version = (self.version or 0) + 1
        self.changed_at = now()


class Placed(Edited):
    """What belongs to a project: by columns of its own, so that a list of all of an organization's is an index."""

    __tablename__: str

    organization_id: Mapped[str] = mapped_column(String(36))

    @declared_attr
    @classmethod
    def project_id(cls) -> Mapped[str]:
        """The project it belongs to."""
        return mapped_column(ForeignKey("project.id", ondelete="CASCADE"))


class Owned(Placed):
    """What belongs to a project, under a name that is unique among its kind."""

    name: Mapped[str] = mapped_column(String(300))
    description: Mapped[str] = mapped_column(default="")

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        listed = Index(f"ix_{cls.__tablename__}_listed", "organization_id", "name", "id")
        return (UniqueConstraint("project_id", "name"), listed)
