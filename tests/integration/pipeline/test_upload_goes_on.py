"""An upload that broke off and goes on, as an importer sees it: nothing before it is whole, then every point."""

import contextlib
import ftplib
import io
import socket
import threading
from collections.abc import Iterator

import pytest

from entrepot.identity import ftp
from entrepot.server.ftp.server import Server
from entrepot.server.services import Services
from tests.support.cases import Case
from tests.support.deadline import eventually
from tests.support.ftp import reset, start_upload

from .conftest import World


@contextlib.contextmanager
def gate_open(world: World) -> Iterator[tuple[int, tuple[str, str]]]:
    """Serve the world's gate by FTP; yield the port, and the login and the password of its account."""
    services = Services(world.settings, world.database)
    with world.database.write() as session:
        account = ftp.ensure_account(session, world.vault, world.principal.organization_id, f"gates/{world.gate}")
        login = account.login, ftp.account_password(world.vault, account)
    server = Server(services, socket.create_server(("127.0.0.1", 0)))
    server.poll_timeout = 0.02
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), kwargs={"handle_exit": False})
    thread.start()
    yield server.address[1], login
    server.ioloop.call_later(0, server.close_all)
    thread.join(20)


@pytest.mark.parametrize("how", ["REST", "APPE"])
def test_an_upload_that_goes_on_is_imported_whole(world: World, how: str) -> None:
    case = Case("upload-that-goes-on")
    content, right, cut = (case.path / "frequency.csv").read_bytes(), case.json("expected.json"), 7001
    assert case.json("case.json")["cut_after_bytes"] == cut
    world.configure(parse=case.text("parse.py"))
    staging = world.settings.data_dir / "uploads"
    with gate_open(world) as (port, login):
        broken = ftplib.FTP(timeout=20)
        broken.connect("127.0.0.1", port)
        broken.login(*login)
        data = start_upload(broken, "STOR frequency.csv", content[:cut])
        eventually(lambda: any(path.stat().st_size >= cut for path in staging.iterdir()))
        reset(data)
        assert broken.sock is not None
        reset(broken.sock)
        broken.close()
        eventually(lambda: not any(staging.iterdir()))
        assert world.act(world.importer).result["read"] == right["seen_by_importers_before_it_is_whole"]
        with ftplib.FTP(timeout=20) as client:
            client.connect("127.0.0.1", port)
            client.login(*login)
            client.voidcmd("TYPE I")
            rest = io.BytesIO(content[cut:])
            if how == "REST":
                client.storbinary("STOR frequency.csv", rest, rest=cut)
            else:
                client.storbinary("APPE frequency.csv", rest)
    job = world.act(world.importer)
    (points,) = world.series(world.importer).values()
    assert (job.status, job.result["read"], job.result["added"]) == ("finished", 1, right["points"])
    assert (len(points), points.sum()) == (right["points"], right["sum_of_points"])
