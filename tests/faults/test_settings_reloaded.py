"""SIGHUP reads the settings again in every process, and ends nothing; nonsense in them changes nothing."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from entrepot.server.names import named
from entrepot.settings import Settings, load
from tests.conftest import MakeServer
from tests.support.deadline import eventually
from tests.support.server import ServerProcess


@pytest.fixture
def server(make_server: MakeServer, tmp_path: Path) -> Iterator[ServerProcess]:
    environment = {"ENTREPOT_SMTP_HOST": "mail.invalid"}
    with make_server("sqlite", tmp_path / "data", environment=environment) as made:
        yield made


def test_sighup_reloads_what_can_be_reloaded_and_kills_nothing(server: ServerProcess) -> None:
    before = server.processes()
    (file := server.data_dir / "entrepot.toml").write_text("wrokers = 2\n")
    hang_up(server)
    eventually(lambda: "did you mean workers?" in server.log_tail(), 30)
    file.write_text('workers = 2\nlog_format = "json"\nmetrics_token = "open sesame"\n')
    hang_up(server)
    eventually(lambda: "settings read again" in server.log_tail(), 30)
    told = server.log_tail()
    assert "log_format" in told
    assert "metrics_token" in told
    assert "after_a_restart" in told
    eventually(lambda: metrics(server) == (401, 200), 30)
    assert set(before) <= set(server.processes()), "a process ended"
    assert "a host in the settings does not resolve" in server.log.read_text()


def hang_up(server: ServerProcess) -> None:
    os.kill(server._running().pid, signal.SIGHUP)


def metrics(server: ServerProcess) -> tuple[int, int]:
    with server.http(auth=None) as client:
        known = client.get("/metrics", headers={"authorization": "Bearer open sesame"})
        return client.get("/metrics").status_code, known.status_code


def test_what_needs_a_restart_is_told_and_left(tmp_path: Path) -> None:
    settings = load(data_dir=tmp_path, port=0)
    serving = settings.model_copy(update={"port": 4711})
    (tmp_path / "entrepot.toml").write_text("workers = 7\nscript_seconds = 5.0\nport = 9")
    assert serving.take(load(data_dir=tmp_path, port=0)) == (["script_seconds"], ["workers"])
    assert (serving.workers, serving.script_seconds, serving.port) == (1, 5.0, 4711)


def test_hosts_in_the_settings_are_known_by_name(tmp_path: Path) -> None:
    settings = Settings(
        data_dir=tmp_path,
        database_url="postgresql://u:p@db.invalid/d",
        smtp_host="mail.invalid",
        public_url="https://data.invalid/x",
    )
    assert named(settings) == {
        "database_url": "db.invalid",
        "smtp_host": "mail.invalid",
        "public_url": "data.invalid",
    }
