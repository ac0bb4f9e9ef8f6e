"""`entrepot serve` and `entrepot worker`: the processes of a server."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from entrepot.cli.common import DATA_DIR_VARIABLE, DataDir, load_settings, reporting_database_errors
from entrepot.cli.connection import KeyToken, KeyTokenFile

_Workers = Annotated[int | None, typer.Option(min=0, help="Worker processes.")]
_WorkerDataDir = Annotated[
    Path | None, typer.Option("--data-dir", envvar=DATA_DIR_VARIABLE, help="The server's data folder.")
]


class Part(StrEnum):
    """The kinds of parts of a server."""

    web = "web"
    ftp = "ftp"
    scheduler = "scheduler"
    worker = "worker"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(serve)
    app.command()(worker)


def serve(
    data_dir: DataDir,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port of the web server; 0: a free one.")] = None,
    ftp_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Port of the FTP server; 0: a free one.")
    ] = None,
    web_processes: Annotated[int | None, typer.Option(min=1, help="Web processes; always 1 on SQLite.")] = None,
    workers: _Workers = None,
    only: Annotated[
        list[Part] | None, typer.Option(help="Only parts of this kind; may be repeated. The others run elsewhere.")
    ] = None,
    no_ftp: Annotated[bool, typer.Option("--no-ftp", help="Without the FTP server.")] = False,
    no_scheduler: Annotated[bool, typer.Option("--no-scheduler", help="Without the scheduler.")] = False,
    tls_certificate: Annotated[Path | None, typer.Option(help="PEM certificate of the web server.")] = None,
    tls_key: Annotated[Path | None, typer.Option(help="PEM key of the web server.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Serve an address that others reach without TLS all the same.")
    ] = False,
) -> None:
    """Run everything: web, FTP, scheduler and workers. Ctrl-C or SIGTERM ends it.

    What no flag says is taken from the data folder's `entrepot.toml`, `ENTREPOT_*` variables and the defaults.

    With `storage_url` and a PostgreSQL database, parts of each kind may run anywhere, each on a folder of its own.

    Example: `entrepot serve --data-dir /srv/entrepot --port 8000 --ftp-port 2121 --workers 2`
    """
    _without_threads()
    from entrepot.server.run import serve as server

    settings = load_settings(
        data_dir,
        host=host,
        port=port,
        ftp_port=ftp_port,
        web_processes=web_processes,
        workers=workers,
        ftp=False if no_ftp else None,
        scheduler=False if no_scheduler else None,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        insecure=insecure or None,
    )
    with reporting_database_errors():
        raise typer.Exit(server.serve(settings, [part.value for part in only or Part]))


def worker(
    data_dir: _WorkerDataDir = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Worker processes; with --url, calls at a time.")] = None,
    url: Annotated[str | None, typer.Option(help="Address of a server with `engine = remote`.")] = None,
    token: KeyToken = None,
    token_file: KeyTokenFile = None,
    until_idle: Annotated[bool, typer.Option("--until-idle", help="End once nothing waits; with --url.")] = False,
    trusted: Annotated[
        bool, typer.Option("--trusted", help="Run scripts though they cannot be kept apart here; with --url.")
    ] = False,
) -> None:
    """Run more workers, on this machine or another that has the same database and secret key.

    With `--url`, it needs neither: it asks the server for calls of users' scripts, and sends what came of them. The key
    is an administrator's, with the scope `calls:work`; `http://` is taken for this machine alone.

    Example: `entrepot worker --data-dir /srv/entrepot --workers 4`
    """
    _without_threads()
    if url is not None:
        from entrepot.cli.remote_worker import work

        work(url, token, token_file, at_once=workers or 1, until_idle=until_idle, trusted=trusted)
        return
    if data_dir is None:
        raise typer.BadParameter("say the data folder, --data-dir, or the address of a server, --url")
    if until_idle or trusted:
        raise typer.BadParameter("--until-idle and --trusted go with --url")
    from entrepot.server.run import serve as server

    with reporting_database_errors():
        raise typer.Exit(server.work(load_settings(data_dir, workers=workers)))


def _without_threads() -> None:
    """Have NumPy, once it is imported, start no threads: parts are forked, and use several processes as it is."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
