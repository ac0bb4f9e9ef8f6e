"""FTP accounts: of gates, where files come in, and of users, where exports are fetched."""

import ftplib
from typing import Any

import ftputil
import ftputil.session

from entrepot.client.ovbp.records import BaseModel


class FtpEntry:
    """A file or folder: its ``name``, its ``type`` (``file`` or another word) and its ``path`` are attributes."""

    def __init__(self, **data: Any) -> None:
        self.data = data

    def __getattr__(self, item: str) -> Any:
        try:
            return self.__dict__["data"][item]
        except KeyError:
            raise AttributeError(f"{item} not found") from None

    def __repr__(self) -> str:
        return f"<{self.data.get('type', 'entry')}: {self.data.get('path')}>"


class FtpAccount(BaseModel):
    """An account on an FTP server; its password is not among its data, but is asked for when needed."""

    def get_password(self) -> str:
        """Return the password."""
        password: str = self.detail_action("get", "password")["password"]
        return password

    def get_ftputil_client(self) -> ftputil.FTPHost:
        """Return a connected FTP client, to be used as a context manager.

        An account of protocol ``ftps`` is spoken to over TLS.

        Raises
        ------
        TypeError
            The account is for SFTP, which is no kind of FTP.
        ValueError
            The account has no server yet.
        """
        if self.protocol == "sftp":
            raise TypeError("This account speaks SFTP, which needs another client.")
        if not self.host:
            raise ValueError("This account is not configured: it has no host.")
        session = ftputil.session.session_factory(
            base_class=ftplib.FTP_TLS if self.protocol == "ftps" else ftplib.FTP, port=self.port, encoding="UTF-8"
        )
        return ftputil.FTPHost(self.host, self.login, self.get_password(), session_factory=session)

    def list_dir(self, path: str = "/", root_dir_path: str = "/", start: int = 0, limit: int = 200) -> list[FtpEntry]:
        """Return what a folder holds.

        Parameters
        ----------
        path
            The folder, from `root_dir_path`.
        root_dir_path
            Where paths begin.
        start, limit
            Which part of a long list.
        """
        answer = self.detail_action(
            "post",
            "list_dir",
            params={"start": start, "length": limit},
            data={"path": path, "root_dir_path": root_dir_path},
        )
        return [FtpEntry(**entry) for entry in answer["data"]]


class GateFtpAccount(FtpAccount):
    """The FTP account of a gate."""

    def attach_new_oftp_account(self) -> None:
        """Have the account kept by the platform itself, with a login and a password of its own."""
        self.data = self.detail_action("POST", "attach_new_oftp_account")
