"""`entrepot worker --url`: makes calls of users' scripts for a server elsewhere."""

import json
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

import typer

from entrepot.cli.connection import answering, authorization, fresh_authorization, key_token
from entrepot.errors import InvalidInput, Unavailable
from entrepot.loopback import is_loopback
from entrepot.signals import ENDS, stop_on

_TIMEOUT_SECONDS = 120.0


def work(
    url: str, token: str | None, token_file: Path | None, *, at_once: int, until_idle: bool, trusted: bool
) -> None:
    """Make calls until told to stop, or until nothing waits."""
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise InvalidInput.field("url", "Write https:// and a host's name.")
    if address.scheme == "http" and not is_loopback(address.hostname):
        raise InvalidInput.field(
            "url",
            f"Data and scripts would travel to {address.hostname} in clear: write https://, and let TLS end there.",
        )
    from entrepot.client._http import Connection
    from entrepot.engines.working import RemoteWorker
    from entrepot.scripts import cgroup, level
    from entrepot.scripts.here import Here

    stop = stop_on(*ENDS)
    apart = level()
    if apart.name != "full" and not trusted:
        raise Unavailable(
            f"Users' scripts cannot be kept apart on this machine, and lack {'; '.join(apart.missing)}. Let processes "
            "make user namespaces, or accept the risk with --trusted."
        )
    cgroup.prepare()
    here = Here()
    headers = authorization(key_token(token, token_file))
    connection = Connection(url, headers=headers, timeout=_TIMEOUT_SECONDS)
    name = f"{socket.gethostname()}:{os.getpid()}"[:100]
    worker = RemoteWorker(
        connection,
        here,
        name,
        lambda line: typer.echo(line, err=True),
        fresh_headers=fresh_authorization(token_file),
    )
    try:
        here.start()
        typer.echo(f"{name} asks {url} for calls; scripts run as {apart.user}", err=True)
        with answering():
            done = worker.run(stop, at_once, until_idle=until_idle)
    finally:
        connection.close()
        here.close()
    typer.echo(json.dumps({"done": done}))
