"""Zip archives whose members are compressed by ISA-L: four times as fast as zlib, at nearly the same size."""

import zipfile
from datetime import UTC, datetime
from typing import IO

from isal import isal_zlib

LEVEL = 2


class Archive(zipfile.ZipFile):
    """A new archive, written from its beginning to its end."""

    def member(self, name: str) -> IO[bytes]:
        """Return a file to write the member of that name to; one at a time."""
        info = zipfile.ZipInfo(name, datetime.now(UTC).timetuple()[:6])
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o644 << 16
        file = self.open(info, "w", force_zip64=True)
        # zipfile offers no choice of compressor. Were this attribute to go, archives would be as right, only slower.
        compressor = isal_zlib.compressobj(LEVEL, isal_zlib.DEFLATED, -isal_zlib.MAX_WBITS)
        file._compressor = compressor  # type: ignore[attr-defined]  # noqa: SLF001
        return file
