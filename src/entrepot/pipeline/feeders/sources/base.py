"""What every kind of source offers, and the words for what goes wrong there."""

import importlib
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from entrepot.errors import Forbidden, NotFound, Unavailable
from entrepot.net import Network
from entrepot.pipeline.feeders.options import Address, Credentials, Options

#: Bytes that are read at once.
BLOCK = 256 * 1024
#: Deepest folder that is looked into: a link to a folder above would have no end.
DEEPEST = 32
#: Files and folders that a listing may show, and bytes that it may take.
MOST_ENTRIES = 300_000
MOST_LISTED_BYTES = 64 * 2**20


class Unreachable(Unavailable):
    """The source does not answer as it should; it may later."""


class Denied(Forbidden):
    """The source, or what vouches for it, refuses: asking again is of no use."""


class Unreadable(Forbidden):
    """This file cannot be read."""


class Vanished(NotFound):
    """This file is gone."""


@dataclass(frozen=True)
class Remote:
    """A file of a source, as a listing shows it.

    Attributes
    ----------
    path
        Below the source's address, with ``/`` between its parts.
    size
        Bytes; None where the source does not say.
    version
        Text that changes when the file does; None where only its content tells.
    modified
        When it was changed last, where the source says so.
    whole
        Whether the source shows files only once they are complete.
    """

    path: str
    size: int | None = None
    version: str | None = None
    modified: datetime | None = None
    whole: bool = False


@dataclass
class Tally:
    """What a listing has taken so far: a source may invent folders and names without end."""

    entries: int = 0
    size: int = 0

    def entry(self) -> None:
        """Count a file or folder.

        Raises
        ------
        Denied
            There are too many.
        """
        self.entries += 1
        if self.entries > MOST_ENTRIES:
            raise Denied(f"The listing has more than {MOST_ENTRIES} entries: name a folder with fewer.")

    def took(self, size: int) -> None:
        """Count bytes; raise Denied where there are too many."""
        self.size += size
        if self.size > MOST_LISTED_BYTES:
            raise Denied(f"The listing has more than {MOST_LISTED_BYTES} bytes: name a folder with fewer files.")


@dataclass(frozen=True)
class Access:
    """How a source is reached.

    Attributes
    ----------
    allowed
        Networks inside which the operator lets feeders reach.
    seconds
        Longest that the whole visit may take.
    known_host_key
        Fingerprint that an SSH server had when it was first seen.
    """

    address: Address
    options: Options
    credentials: Credentials
    allowed: tuple[Network, ...] = ()
    seconds: float = 3600.0
    known_host_key: str | None = None

    @property
    def patience(self) -> float:
        """How long the source may be silent, in seconds."""
        return min(self.options.stall_seconds, self.seconds)

    def trust(self) -> ssl.SSLContext:
        """Return what checks the certificates of servers."""
        return ssl.create_default_context(cadata=self.options.certificate)


class Source(Protocol):
    """An open connection to a source. Its verbs raise the errors of this module."""

    #: The fingerprint that an SSH server showed; None of others.
    host_key: str | None
    #: Folders and names that could not be listed, with the reason.
    problems: list[tuple[str, str]]

    def files(self) -> Iterator[Remote]:
        """Yield the files of the source, at any depth unless told otherwise."""

    def read(self, remote: Remote) -> Iterator[bytes]:
        """Yield a file's bytes."""

    def unchanged(self, remote: Remote) -> bool:
        """Tell, after it was read, whether the file still is as it was listed."""

    def abort(self) -> None:
        """Break off what goes on in another thread."""

    def close(self) -> None:
        """End the connection."""


_KINDS = {"ftp": "ftp", "ftps": "ftp", "sftp": "sftp", "http": "http", "https": "http", "s3": "s3"}


def open_source(access: Access) -> Source:
    """Connect to a source.

    Raises
    ------
    Refused
        The address leads inside.
    Denied
        The credentials, the certificate or the host key are not accepted.
    Unreachable
        It does not answer.
    """
    module = importlib.import_module(f"entrepot.pipeline.feeders.sources.{_KINDS[access.address.scheme]}")
    opened: Callable[[Access], Source] = module.open_source
    return opened(access)
