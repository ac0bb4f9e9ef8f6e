"""The settings that say where a server keeps what it is given: folder, database, bucket, and the key of its secrets."""

from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from entrepot import clouds

KEY_FILE = "secret.key"


class Keeping(BaseSettings):
    """Where all is kept: in a folder of this machine, unless a database or a bucket is named."""

    data_dir: Path = Field(description="Folder of the database, gates, files and the server's secret key.")
    secret_key: SecretStr | None = Field(
        None,
        description="The secret key itself, in place of a file, best as a variable; after a blank, what it replaces.",
    )
    secret_key_file: Path = Field(
        default_factory=lambda given: given["data_dir"] / KEY_FILE,
        description="File of the key that encrypts credentials and signs links; unset: `secret.key` in the folder.",
    )
    database_url: str | None = Field(
        None, description="`postgresql://user:password@host/name`; unset: SQLite in the data folder."
    )
    database_read_url: str | None = Field(
        None,
        description="A replica of the PostgreSQL of `database_url`, for long reads, once it has all that was written.",
    )
    database_pooler: Literal["transaction"] | None = Field(
        None, description="`transaction` where `database_url` is a PgBouncer's that pools by transactions."
    )
    storage_url: clouds.BucketUrl | None = Field(
        None, description="`s3://bucket/prefix` where files are kept, by the `AWS_*` variables; unset: the data folder."
    )
    sqlite_synchronous: Literal["FULL", "NORMAL"] = Field(
        "FULL", description="SQLite's durability: NORMAL is faster and may lose the last commits with the power."
    )

    #: How the bucket of `storage_url` is reached; the parts of a server find nothing of it in their environment.
    _cloud: dict[str, str] = PrivateAttr(default_factory=clouds.variables)

    @field_validator("database_url")
    @classmethod
    def _is_of_a_known_database(cls, url: str | None) -> str | None:
        if url is not None and urlsplit(url).scheme not in ("postgresql", "postgresql+psycopg", "sqlite"):
            raise ValueError("Write postgresql://user:password@host/name; for SQLite, leave it out.")
        return url

    @field_validator("database_read_url")
    @classmethod
    def _is_of_postgresql(cls, url: str | None, others: ValidationInfo) -> str | None:
        if url is None:
            return None
        if urlsplit(url).scheme not in ("postgresql", "postgresql+psycopg"):
            raise ValueError("Write postgresql://user:password@host/name.")
        if not (others.data.get("database_url") or "").startswith("postgresql"):
            raise ValueError("Only a PostgreSQL has replicas: set database_url.")
        return url

    @property
    def url(self) -> str:
        """The database's URL in SQLAlchemy's spelling."""
        if self.database_url is None:
            return f"sqlite:///{self.data_dir.absolute() / 'entrepot.db'}"
        return self._spelled(self.database_url)

    @property
    def read_url(self) -> str | None:
        """The URL of the replica for long reads, likewise."""
        return None if self.database_read_url is None else self._spelled(self.database_read_url)

    def _spelled(self, url: str) -> str:
        url = url.replace("postgresql://", "postgresql+psycopg://", 1)
        return (
            url if self.database_pooler is None else f"{url}{'&' if '?' in url else '?'}pooler={self.database_pooler}"
        )

    @property
    def cloud(self) -> dict[str, str]:
        """The ``AWS_*`` variables of the server, by lower-case name: the way to its bucket."""
        return self._cloud

    @property
    def keeps_key(self) -> bool:
        """Whether the secret key lies in the data folder, and so in its backups."""
        return self.secret_key is None and self.secret_key_file == self.data_dir / KEY_FILE
