"""A real SMTP server for tests: it takes mails, wants TLS and a login where told to, refuses, stalls."""

import email
import email.policy
import socket
import ssl
import threading
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

from tests.support.ports import free_port

LOGIN, PASSWORD = "entrepot", "pass word"


class Post:
    """An SMTP server on a free port of this machine.

    Parameters
    ----------
    certificate
        PEM file of a certificate and its key, where TLS is spoken.
    tls
        ``starttls`` offers and requires it, ``tls`` speaks it from the first byte.
    login
        Whether a login is required.

    Attributes
    ----------
    got
        The mails that were taken, oldest first.
    refuse
        Returns the reply to a recipient, None to take the mail.
    """

    def __init__(
        self, certificate: Path | None = None, tls: Literal["starttls", "tls", "off"] = "off", *, login: bool = False
    ) -> None:
        self.got: list[EmailMessage] = []
        self.refuse: Callable[[str], str | None] = lambda _recipient: None
        context = None
        if certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate)
        options: dict[str, Any] = {"ssl_context": context} if tls == "tls" else {"tls_context": context}
        if login:
            options |= {"authenticator": _check, "auth_required": True, "auth_require_tls": tls == "starttls"}
        self.port = free_port()
        self._controller = Controller(
            self, "127.0.0.1", self.port, require_starttls=tls == "starttls", server_hostname="localhost", **options
        )
        self._controller.start()

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if reply := self.refuse(address):
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        assert [message["To"]] == envelope.rcpt_tos
        self.got.append(message)
        return "250 OK"

    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for message in self.got]

    def close(self) -> None:
        self._controller.stop()


class Stalling:
    """A server that takes connections and says a byte now and then, but never a whole line."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                connection, _ = self._listening.accept()
            except OSError:
                return
            with connection:
                while not self._stop.wait(0.05):
                    try:
                        connection.sendall(b"2")
                    except OSError:
                        break

    def close(self) -> None:
        self._stop.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(10)


def _check(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    right = isinstance(data, LoginPassword) and (data.login, data.password) == (LOGIN.encode(), PASSWORD.encode())
    return AuthResult(success=right, handled=False)
