"""Any process of a server killed while it takes points and files and works on them: nothing acknowledged is lost."""

import contextlib
import ftplib
import io
import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pandas as pd
import pytest

from tests.conftest import MakeServer
from tests.support.deadline import eventually
from tests.support.server import ServerProcess

KILLS = 8
SCRIPT = """
import pandas as pd

def parse(content_bytes, rel_path, **tools):
    return pd.read_csv(content_bytes, index_col=0, parse_dates=True)
"""


class Client:
    """Somebody who pushes points and uploads files, trying again until each is acknowledged."""

    def __init__(self, server: ServerProcess) -> None:
        self.server = server
        self.http = server.http()
        project = self.post("/api/v1/projects", {"name": "storm"})["id"]
        self.series = self.post("/api/v1/series", {"project": project, "name": "pushed"})["id"]
        self.gate = self.post("/ovbp/api/v2/odata/gates/", {"project": project, "name": "gate", "comment": ""})
        fields = {"project": project, "name": "files", "comment": "", "gate": self.gate["id"], "parse_script": SCRIPT}
        self.importer = self.post("/ovbp/api/v2/odata/importers/", fields)["id"]
        cleaners = self.get("/ovbp/api/v2/odata/cleaners/", project=project)["data"]
        self.cleaner = cleaners[0]["id"]
        unitcleaner = {"cleaner": self.cleaner, "external_name": "p", "name": "clean", "freq": "1H", "clock": "gmt",
                       "timezone": "UTC"}  # fmt: skip
        self.post("/ovbp/api/v2/odata/unitcleaners/", unitcleaner)
        account = self.gate["ftp_account"]
        address = f"/ovbp/api/v2/odata/gate_ftp_accounts/{account['id']}/password/"
        self.ftp_login = (account["login"], self.get(address)["password"])
        self.pushed: dict[int, float] = {}
        self.uploaded: dict[str, pd.Series] = {}

    def get(self, path: str, **params: Any) -> Any:
        return self.http.get(path, params=params).raise_for_status().json()

    def post(self, path: str, body: Any) -> Any:
        return self.http.post(path, json=body).raise_for_status().json()

    def push(self, number: int) -> None:
        with contextlib.suppress(httpx.HTTPError):
            body = {self.series: {"time": [number * 1_000_000], "value": [float(number)]}}
            self.post("/api/v1/points", body)
            self.pushed[number * 1_000_000] = float(number)

    def upload(self, number: int) -> None:
        day = pd.Timestamp("2024-01-01") + pd.Timedelta(days=number)
        values = pd.Series(np.arange(24.0) + number, pd.date_range(day, periods=24, freq="h"), name="p")
        name = f"day-{number:03d}.csv"
        with contextlib.suppress(ftplib.Error, OSError, EOFError), ftplib.FTP() as ftp:
            ftp.connect("127.0.0.1", self.server.ftp_port, timeout=20)
            ftp.login(*self.ftp_login)
            ftp.storbinary(f"STOR {name}", io.BytesIO(values.to_csv().encode()))
            self.uploaded[name] = values

    def run(self) -> None:
        with contextlib.suppress(httpx.HTTPError):
            self.post(f"/ovbp/api/v2/odata/importers/{self.importer}/action/", {"name": "run"})


@pytest.fixture
def server(database_kind: str, make_server: MakeServer, tmp_path: Path) -> Iterator[ServerProcess]:
    """A server that soon takes over the jobs of its dead workers."""
    with make_server(database_kind, tmp_path / "data", environment={"ENTREPOT_JOB_LEASE_SECONDS": "5"}) as server:
        yield server


@pytest.mark.slow
# Connections that the server drops in mid-transfer are left by ftplib for the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_nothing_acknowledged_is_lost_and_nothing_doubled(server: ServerProcess) -> None:
    client = Client(server)
    done = threading.Event()

    def traffic() -> None:
        number = 0
        while not done.is_set():
            client.push(number)
            if number % 10 == 0 and len(client.uploaded) < 60:
                client.upload(len(client.uploaded))
                client.run()
            number += 1
            done.wait(0.02)

    thread = threading.Thread(target=traffic)
    thread.start()
    chance = random.Random(11)
    try:
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.2, 1.0))  # the random moment, not a wait for something
            processes = [pid for pid in server.processes() if pid != server._running().pid]
            if processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(chance.choice(processes), signal.SIGKILL)
    finally:
        eventually(lambda: len(client.pushed) > 20 and len(client.uploaded) > 3, 120)
        done.set()
        thread.join()
    server.kill9()  # and all of it at once
    server.start()
    client.http.close()
    client.http = server.http()
    points = client.get(f"/api/v1/series/{client.series}/points")
    kept = dict(zip(points["time"], points["value"], strict=True))
    assert {time_: kept.get(time_) for time_ in client.pushed} == client.pushed
    client.run()
    expected = pd.concat(client.uploaded.values()).sort_index()
    eventually(lambda: raw_count(client) == len(expected) and cleaned_count(client) == len(expected) - 2, 120)
    client.http.close()


def raw_count(client: Client) -> int:
    return sum(row["count"] for row in native(client, client.importer))


def cleaned_count(client: Client) -> int:
    return sum(row["count"] for row in native(client, client.cleaner))


def native(client: Client, generator: str) -> list[dict[str, Any]]:
    project = client.get("/api/v1/projects", name="storm")["items"][0]["id"]
    rows: list[dict[str, Any]] = client.get("/api/v1/series", project=project, of=generator)["items"]
    return rows
