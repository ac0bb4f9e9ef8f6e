"""What becomes of uploads when an FTP server ends: told to, it waits for them; what a killed one left goes on."""

import time
from functools import partial
from pathlib import Path

import pytest

from entrepot.db import Database
from entrepot.pipeline.gates import parts
from entrepot.server.ftp.server import _home_of
from entrepot.server.services import Services
from entrepot.settings import Settings
from tests.support.deadline import eventually
from tests.support.ftp import Site, reset, start_upload
from tests.support.interface import interface


def test_what_a_killed_server_left_of_an_upload_goes_on_at_its_gate(database: Database, tmp_path: Path) -> None:
    api = interface(database, tmp_path)
    api.ask("POST", "/projects", 201, json={"name": "Farm"})
    gate = api.ask("POST", "/gates", 201, json={"project": "Farm", "name": "scada"})
    services = Services(Settings(data_dir=tmp_path), database)
    staging = tmp_path / "staging"
    staging.mkdir()
    home = _home_of(services, gate["id"])
    assert home is not None
    (staging / f"{parts.name_under_way(home, 'day.csv')}x").write_bytes(b"the first half")
    (staging / "gone.day.csv.x").write_bytes(b"of a gate that was deleted")
    parts.adopt(staging, partial(_home_of, services))
    assert list(staging.iterdir()) == []
    assert home.part_size(parts.name_of("day.csv")) == len(b"the first half")


def test_who_is_connected_when_the_server_is_to_stop_finishes_and_who_comes_is_refused(
    tmp_path: Path, sqlite_template: Path
) -> None:
    site = Site(tmp_path / "data", sqlite_template, drain_seconds=60)
    with site.session() as client:
        data = start_upload(client, "STOR day.csv", b"one half, ")
        site.stop.set()
        eventually(lambda: _refused(site), 20)
        data.sendall(b"and the other")
        data.close()
        assert client.voidresp().startswith("226")
        assert client.sendcmd("SIZE day.csv") == "213 23"
    site.close()  # fails where it still waits
    assert (site.gate / "day.csv").read_bytes() == b"one half, and the other"


def test_who_stays_is_cut_off_after_the_seconds_of_draining(tmp_path: Path, sqlite_template: Path) -> None:
    site = Site(tmp_path / "data", sqlite_template, drain_seconds=0.3)
    with site.session() as client:
        data = start_upload(client, "STOR day.csv", b"one half")
        began = time.monotonic()
        site.close()
        assert 0.3 <= time.monotonic() - began < 15
        reset(data)
        with pytest.raises(EOFError):
            client.voidresp()
        client.close()
    assert not (site.gate / "day.csv").exists()


def _refused(site: Site) -> bool:
    try:
        site.connect().close()
    except ConnectionRefusedError:
        return True
    return False
