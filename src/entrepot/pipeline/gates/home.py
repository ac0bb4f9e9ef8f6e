"""Homes: the files of a gate or a user, by their paths, wherever their bytes are kept."""

from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from os import stat_result
from pathlib import Path
from typing import BinaryIO, Protocol, Self

from sqlalchemy.orm import Session

from entrepot.pipeline.gates.folders import Entry


@dataclass(frozen=True)
class Usage:
    """What lies in a home."""

    bytes: int
    files: int


@dataclass(frozen=True)
class Ready:
    """Complete bytes that are safe, and can become a file of a home.

    Attributes
    ----------
    source
        A file beside the home, the bytes themselves, or a key of the server's bucket.
    """

    source: Path | bytes | str
    size: int
    modified: float


class Home(Protocol):
    """The files and folders of a gate or a user, by paths with ``/`` between their parts and none at the front.

    The root's path is empty. What cannot be is an OSError of the kind that a file system would raise.
    """

    @property
    def name(self) -> str:
        """Which home it is: ``gates/`` or ``users/`` and an id."""

    def resolve(self, path: str) -> str:
        """Return a path that users wrote as it is kept; what is there, if anything, is in the home.

        Raises
        ------
        InvalidInput
            It has ``..``, a control character, a name that the server keeps for itself, or is too long.
        NotFound
            It leads out of the home.
        """

    def within(self, session: Session) -> Self:
        """Return the home as this unit of work sees and changes it."""

    def alone(self) -> AbstractContextManager[Self]:
        """Be the only one, of all processes, who changes files of the home, by what this gives."""

    # Looking

    def status(self, path: str) -> stat_result:
        """Return size, time and kind of what lies at a path; FileNotFoundError where nothing does."""

    def statuses(self, folder: str) -> dict[str, stat_result]:
        """Return those of what lies directly in a folder, as far as they are known without asking one by one."""

    def listed(self, folder: str = "", *, after: str | None = None, most: int | None = None) -> list[Entry]:
        """Return what lies directly in a folder, by path; NotFound where there is none.

        Parameters
        ----------
        after, most
            Which part: what follows a path, and how many.
        """

    def walked(self, folder: str = "") -> list[Entry]:
        """Return the complete files below a folder, at any depth, by path."""

    def existing(self, paths: Collection[str]) -> set[str]:
        """Return those of the paths at which something lies."""

    def count(self) -> int:
        """Return how many files and folders there are."""

    def usage(self) -> Usage:
        """Return what lies there, folders of the server included, parts not."""

    def height(self, path: str) -> int:
        """Return how many folders lie in one another at a path, that one included; 0 of what is no folder."""

    def open(self, path: str) -> BinaryIO:
        """Open a file to read from."""

    # Changing

    def scratch(self) -> AbstractContextManager[Path]:
        """Make a folder of this machine for files to :meth:`prepare`, and remove it after the block."""

    def make(self) -> None:
        """Make the home where it is missing."""

    def prepare(self, source: Path | bytes) -> Ready:
        """Bring a complete file of this machine, or some bytes, to where they can become a file of the home."""

    def put(self, ready: Ready, path: str) -> None:
        """Have what is ready appear, in place of an older file, its folders made where they are missing."""

    def move(self, path: str, target: str) -> None:
        """Give a file or folder another path, in place of an older file; folders are made where they are missing."""

    def remove(self, path: str) -> None:
        """Remove a file."""

    def make_folder(self, path: str) -> None:
        """Make a folder in one that is there."""

    def remove_folder(self, path: str) -> None:
        """Remove a folder in which nothing lies."""

    def destroy(self) -> None:
        """Remove everything, the home itself included."""

    # Parts: what came of uploads that broke off, by a name of the file's path

    def part_size(self, part: str) -> int | None:
        """Return how many bytes came; None where nothing did."""

    def part_usage(self) -> Usage:
        """Return how many parts there are, and how many bytes they have."""

    def take_part(self, part: str, target: Path) -> bool:
        """Move a part to a file of this machine; false where there is none, or somebody else took it."""

    def put_part(self, part: str, ready: Ready) -> None:
        """Keep what came, in place of what came before."""

    def drop_part(self, part: str) -> bool:
        """Remove a part, and tell whether there was one."""
