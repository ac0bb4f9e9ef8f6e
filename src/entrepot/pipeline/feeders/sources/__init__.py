"""Where feeders fetch from: FTP, FTPS, SFTP, HTTP and S3, behind the same few verbs.

Every connection goes through :mod:`entrepot.net`: to public addresses and those that the operator allows, and to the
very address that was checked.
"""

from entrepot.pipeline.feeders.sources.base import (
    Denied,
    Remote,
    Source,
    Unreachable,
    Unreadable,
    Vanished,
    open_source,
)

__all__ = ["Denied", "Remote", "Source", "Unreachable", "Unreadable", "Vanished", "open_source"]
