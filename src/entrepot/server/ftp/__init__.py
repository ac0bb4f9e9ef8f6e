"""The FTP server: gates' and users' folders, each behind an account of its own.

An upload appears under its name when it is complete and safe on disk, or never.
"""

from entrepot.server.ftp.server import Server, on_upload, run

__all__ = ["Server", "on_upload", "run"]
