"""What a session sees of the file system: its own folder, as ``/``."""

import os
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from pyftpdlib.exceptions import FilesystemError
from pyftpdlib.filesystems import AbstractedFS

from entrepot.errors import InvalidInput, TooLarge
from entrepot.pipeline.gates import parts, trees
from entrepot.pipeline.gates.files import ENTRIES, RESERVED, alone, is_reserved
from entrepot.pipeline.gates.folders import HIDDEN_PREFIX, is_text, put_in_place, require_shallow
from entrepot.server.ftp.uploads import Upload


class Folder(AbstractedFS):  # type: ignore[misc]
    """An account's folder. Paths that leave it are refused by pyftpdlib, which asks :meth:`validpath`."""

    def validpath(self, path: str) -> bool:
        """Tell whether a path stays in the folder, links followed, and is none of the server's own."""
        return super().validpath(path) and not any(
            part.startswith(HIDDEN_PREFIX) for part in Path(path).relative_to(self.root).parts
        )

    def receive(self, filename: str, mode: str, position: int = 0) -> Upload:
        """Open an upload that will become a file."""
        self._require_free(filename)
        if not Path(filename).exists():
            self._require_shallow(filename)
        session = self.cmd_channel
        return Upload(
            Path(self.root), Path(filename), session.staging, mode, session.quota(),
            position=position, keeps_parts=session.services.settings.ftp_part_hours > 0,
        )  # fmt: skip

    def came(self, path: str) -> int | None:
        """Return how many bytes came of a file whose upload broke off; None where none did."""
        return parts.size_of(Path(self.root), Path(path))

    def open(self, filename: str, mode: str) -> Any:
        """Open a file to send it."""
        if Path(filename).exists() and not Path(filename).is_file():
            raise FilesystemError("Not a plain file")
        return super().open(filename, mode)

    def chdir(self, path: str) -> None:
        """Go to a folder; the process, which serves others too, stays where it is."""
        os.scandir(path).close()
        self.cwd = self.fs2ftp(path)

    def listdir(self, path: str) -> list[str]:
        """Return the names in a folder: what importers see."""
        with os.scandir(path) as entries:
            return [
                entry.name
                for entry in entries
                if is_text(entry.name) and not entry.name.startswith(HIDDEN_PREFIX) and not entry.is_symlink()
            ]

    def mkdir(self, path: str) -> None:
        """Make a folder."""
        self._require_free(path)
        self._require_shallow(path)
        try:
            ENTRIES.require(Path(self.root))
        except TooLarge as error:
            raise FilesystemError(error.message) from None
        super().mkdir(path)

    def rename(self, src: str, dst: str) -> None:
        """Rename a file or folder, for good."""
        for path in (src, dst):
            self._require_free(path)
        self._require_shallow(dst, max(trees.height(Path(src)) - 1, 0))
        with alone(Path(self.root)):
            put_in_place(Path(src), Path(dst))
            parts.drop(Path(self.root), Path(dst))

    def remove(self, path: str) -> None:
        """Remove a file, and what came of it."""
        part = parts.drop(Path(self.root), Path(path))
        try:
            super().remove(path)
        except FileNotFoundError:
            if not part:
                raise

    def chmod(self, path: str, _mode: int) -> None:
        """Leave the mode as it is, which is the server's."""
        os.lstat(path)

    def utime(self, path: str, _modified: float) -> None:
        """Leave the time as it is: when the file was complete, which importers rely on."""
        os.lstat(path)

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
