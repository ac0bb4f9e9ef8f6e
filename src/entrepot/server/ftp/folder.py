"""What a session sees of the file system: its own files, as ``/``."""

import errno
import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from stat import S_ISDIR, S_ISREG
from typing import Any, BinaryIO

from pyftpdlib.exceptions import FilesystemError
from pyftpdlib.filesystems import AbstractedFS

from entrepot.errors import EntrepotError, InvalidInput, TooLarge
from entrepot.pipeline.gates import parts
from entrepot.pipeline.gates.files import ENTRIES, RESERVED, exists, is_folder, is_reserved
from entrepot.pipeline.gates.folders import require_shallow
from entrepot.pipeline.gates.home import Home
from entrepot.server.ftp.uploads import Upload


class Folder(AbstractedFS):  # type: ignore[misc]
    """An account's files. What pyftpdlib takes for a path of the system is the home's name and a path in it."""

    def __init__(self, root: str, cmd_channel: Any) -> None:
        super().__init__(root, cmd_channel)
        self._files: Home = cmd_channel.authorizer.files
        self._known: dict[str, os.stat_result] = {}

    def validpath(self, path: str) -> bool:
        """Tell whether a path stays in the folder, links followed, and is none of the server's own."""
        if path != self.root and not path.startswith(f"{self.root}/"):
            return False
        try:
            self._files.resolve(self.within(path))
        except EntrepotError:
            return False
        return True

    def within(self, path: str) -> str:
        """Return the path in the home."""
        return path[len(self.root) :].strip("/")

    def receive(self, filename: str, mode: str, position: int = 0) -> Upload:
        """Open an upload that will become a file."""
        self._require_free(filename)
        path = self.within(filename)
        if not exists(self._files, path):
            self._require_shallow(filename)
        session = self.cmd_channel
        return Upload(
            self._files, path, session.staging, mode, session.quota(),
            position=position, keeps_parts=session.services.settings.ftp_part_hours > 0,
        )  # fmt: skip

    def came(self, path: str) -> int | None:
        """Return how many bytes came of a file whose upload broke off; None where none did."""
        return self._files.part_size(parts.name_of(self.within(path)))

    def open(self, filename: str, mode: str) -> Any:
        """Open a file to send it."""
        path = self.within(filename)
        if not S_ISREG(self._files.status(path).st_mode):
            raise FilesystemError("Not a plain file")
        return Sent(self._files.open(path), filename)

    def chdir(self, path: str) -> None:
        """Go to a folder; the process, which serves others too, stays where it is."""
        if not S_ISDIR(self.stat(path).st_mode):
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
        self.cwd = self.fs2ftp(path)

    def listdir(self, path: str) -> list[str]:
        """Return the names in a folder: what importers see."""
        folder = self.within(path)
        return [entry.name for entry in self._files.listed(folder)]

    def format_list(self, basedir: str, listing: list[str], ignore_err: bool = True) -> Iterator[bytes]:
        """Yield the lines of a listing."""
        self._know(basedir)
        yield from super().format_list(basedir, listing, ignore_err)

    def format_mlsx(self, basedir: str, listing: list[str], *arguments: Any, **options: Any) -> Iterator[bytes]:
        """Yield the lines of a listing for machines."""
        self._know(basedir)
        yield from super().format_mlsx(basedir, listing, *arguments, **options)

    def _know(self, folder: str) -> None:
        """Remember what lies in a folder, of which a listing asks one by one."""
        self._known = {f"{self.root}/{path}": one for path, one in self._files.statuses(self.within(folder)).items()}

    def mkdir(self, path: str) -> None:
        """Make a folder."""
        self._require_free(path)
        self._require_shallow(path)
        try:
            ENTRIES.require(self._files)
        except TooLarge as error:
            raise FilesystemError(error.message) from None
        self._files.make_folder(self.within(path))

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        self._files.remove_folder(self.within(path))

    def rename(self, src: str, dst: str) -> None:
        """Rename a file or folder, for good."""
        for path in (src, dst):
            self._require_free(path)
        source, target = self.within(src), self.within(dst)
        self._require_shallow(dst, max(self._files.height(source) - 1, 0))
        with self._files.alone() as turn:
            if "/" in target and not is_folder(turn, target.rpartition("/")[0]):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), dst)
            turn.move(source, target)
            parts.drop(turn, target)

    def remove(self, path: str) -> None:
        """Remove a file, and what came of it."""
        part = parts.drop(self._files, self.within(path))
        try:
            self._files.remove(self.within(path))
        except FileNotFoundError:
            if not part:
                raise

    def chmod(self, path: str, _mode: int) -> None:
        """Leave the mode as it is, which is the server's."""
        self.lstat(path)

    def utime(self, path: str, _modified: float) -> None:
        """Leave the time as it is: when the file was complete, which importers rely on."""
        self.lstat(path)

    def stat(self, path: str) -> os.stat_result:
        """Return what is known of what lies at a path."""
        return self._known.get(path) or self._files.status(self.within(path))

    lstat = stat

    def isfile(self, path: str) -> bool:
        """Tell whether a plain file lies there."""
        return self.lexists(path) and S_ISREG(self._files.status(self.within(path)).st_mode)

    def islink(self, _path: str) -> bool:
        """Tell that there are no links."""
        return False

    def isdir(self, path: str) -> bool:
        """Tell whether a folder lies there."""
        return is_folder(self._files, self.within(path))

    def getsize(self, path: str) -> int:
        """Return the size of a file."""
        return self._files.status(self.within(path)).st_size

    def getmtime(self, path: str) -> float:
        """Return when a file was complete."""
        return self._files.status(self.within(path)).st_mtime

    def realpath(self, path: str) -> str:
        """Return a path in its one spelling."""
        return os.path.normpath(path)

    def lexists(self, path: str) -> bool:
        """Tell whether something lies there."""
        return exists(self._files, self.within(path))

    def matching(self, pattern: str) -> list[str]:
        """Return the names in a folder that fit a pattern, its last part; hidden ones where it begins as they do."""
        folder, wanted = os.path.split(pattern)
        return [
            name
            for name in self.listdir(folder)
            if fnmatchcase(name, wanted) and (wanted.startswith(".") or not name.startswith("."))
        ]

    def _require_shallow(self, path: str, below: int = 0) -> None:
        try:
            require_shallow(self.fs2ftp(path), below)
        except InvalidInput as error:
            raise FilesystemError(error.fields["path"][0]) from None

    def _require_free(self, path: str) -> None:
        if is_reserved(self.fs2ftp(path)):
            raise FilesystemError(f"{' and '.join(f'/{name}' for name in RESERVED)} are the server's own")

    def get_user_by_uid(self, _uid: int) -> str:
        """Return the owner that listings show: which users the machine has is nobody's business."""
        return "entrepot"

    def get_group_by_gid(self, _gid: int) -> str:
        """Return the group that listings show."""
        return "entrepot"


class Sent:
    """A file that is sent: pyftpdlib tells of it by its name."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self.name = name

    def __getattr__(self, name: str) -> Any:
        """Be the file in all else; one that the bucket has lacks a descriptor."""
        return getattr(self._file, name)
