"""Everybody who uses a server at once, each with a ledger of what was acknowledged; and whether it was kept."""

import contextlib
import ftplib
import hashlib
import io
import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Sized
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

import httpx
import numpy as np
import orjson
import pandas as pd
from sqlalchemy import select

from entrepot.db import Database
from entrepot.lineage import Link
from tests.support.deadline import eventually

SCRIPT = """
import pandas as pd

def parse(content_bytes, rel_path, **tools):
    return pd.read_csv(content_bytes, index_col=0, parse_dates=True)
"""
SETTLE_SECONDS = 120


class Receiver:
    """Takes webhooks, and counts how often each event came."""

    def __init__(self) -> None:
        self.came: Counter[str] = Counter()
        self.published: dict[str, set[str]] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                event = orjson.loads(self.rfile.read(int(self.headers["content-length"])))
                id_ = self.headers["webhook-id"]
                outer.came[id_] += 1
                outer.published.setdefault(event["data"]["object_id"], set()).add(id_)
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Used(Protocol):
    """What is used: one server, or what stands before many."""

    url: str
    token: str
    database_url: str

    @property
    def ftp_ports(self) -> Sequence[int]:
        """Where files go by FTP: the next one is tried where one refuses."""

    def http(self, **options: Any) -> httpx.Client:
        """Return a client; `options` are those of ``httpx.Client``."""


class Load:
    """Points, files on a gate with their imports, rows, works, published files and webhooks, until told to stop.

    Whoever is not answered asks again, as a client does; where that would do something twice, with the same
    Idempotency-Key.

    Parameters
    ----------
    readers
        How many look at what is there meanwhile, each some ten times a second.
    pause
        How many seconds each waits before it asks for the next; several times as many where that is more work.
    """

    def __init__(self, server: Used, receiver: Receiver, *, readers: int = 0, pause: float = 0.05) -> None:
        self.server, self.receiver, self._readers, self._pause = server, receiver, readers, pause
        self.stopped = threading.Event()
        self._local = threading.local()
        self._threads: list[threading.Thread] = []
        project = self.post("/api/v1/projects", {"name": "storm"})["id"]
        self.project = project
        self.series = self.post("/api/v1/series", {"project": project, "name": "pushed"})["id"]
        gate = self.post("/ovbp/api/v2/odata/gates/", {"project": project, "name": "gate", "comment": ""})
        fields = {"project": project, "name": "files", "comment": "", "gate": gate["id"], "parse_script": SCRIPT}
        self.importer = self.post("/ovbp/api/v2/odata/importers/", fields)["id"]
        self.cleaner = self.get("/ovbp/api/v2/odata/cleaners/", project=project)["data"][0]["id"]
        unitcleaner = {"cleaner": self.cleaner, "external_name": "p", "name": "clean", "freq": "1H", "clock": "gmt",
                       "timezone": "UTC"}  # fmt: skip
        self.post("/ovbp/api/v2/odata/unitcleaners/", unitcleaner)
        account = gate["ftp_account"]
        address = f"/ovbp/api/v2/odata/gate_ftp_accounts/{account['id']}/password/"
        self.ftp_login = (account["login"], self.get(address)["password"])
        self.post("/api/v1/webhooks", {"url": receiver.url, "types": ["file"]})
        self.post("/api/v1/sites", {"name": "storm"})
        model = self.post("/api/v1/model-definitions", {"site": "storm", "name": "as built"})["id"]
        self.result_set = self.post("/api/v1/result-sets", {"model": model, "name": "curves"})["id"]
        #: What was acknowledged.
        self.pushed: dict[int, float] = {}
        self.uploaded: dict[str, pd.Series] = {}
        self.recorded: dict[str, list[float]] = {}
        self.deposited: set[str] = set()
        self.withdrawn: Counter[str] = Counter()
        self.concluded: set[str] = set()
        self.published: dict[str, str] = {}
        self.asked = 0
        #: What was not answered as it should have been, and had to be asked again.
        self.failed: list[str] = []

    # ------------------------------------------------------------------------------------------------ asking

    def get(self, path: str, **params: Any) -> Any:
        return self.http().get(path, params=params or None).raise_for_status().json()  # none keep those of the path

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self.http().post(path, json=body, headers=headers).raise_for_status().json()

    def http(self) -> httpx.Client:
        """Return this thread's client, to where the server listens now."""
        at = getattr(self._local, "at", None)
        if at != self.server.url:
            self.hang_up()
            headers = {"authorization": f"Token {self.server.token}"}
            self._local.client = self.server.http(auth=None, headers=headers, timeout=20)
            self._local.at = self.server.url
        return self._local.client

    def hang_up(self) -> None:
        """Close this thread's client."""
        if getattr(self._local, "at", None) is not None:
            self._local.client.close()
            self._local.at = None

    def until_told(self, ask: Callable[[], Any]) -> Any:
        """Ask again and again until there is an answer; None where it was told to stop before."""
        while not self.stopped.is_set():
            try:
                answer = ask()
            except (httpx.HTTPError, ftplib.Error, OSError, EOFError) as error:
                self.failed.append(f"{ask}: {error!r}")
                self.stopped.wait(0.1)
            else:
                self.asked += 1
                return answer
        return None

    # ------------------------------------------------------------------------------------------------ who asks

    def start(self) -> None:
        writers = (self._push, self._upload, self._record, self._deposit, self._withdraw, self._publish)
        for work in (*writers, *(self._read,) * self._readers):
            self._threads.append(threading.Thread(target=self._repeat, args=(work,)))
            self._threads[-1].start()

    def stop(self) -> None:
        self.stopped.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, work: Callable[[int], None]) -> None:
        number = 0
        while not self.stopped.is_set():
            work(number)
            number += 1
            self.stopped.wait(self._pause)
        self.hang_up()

    def _push(self, number: int) -> None:
        body = {self.series: {"time": [number * 1_000_000], "value": [float(number)]}}
        if self.until_told(lambda: self.post("/api/v1/points", body)) is not None:
            self.pushed[number * 1_000_000] = float(number)

    def _upload(self, number: int) -> None:
        day = pd.Timestamp("2024-01-01") + pd.Timedelta(days=number)
        values = pd.Series(np.arange(24.0) + number, pd.date_range(day, periods=24, freq="h"), name="p")
        name = f"day-{number:04d}.csv"

        if self.until_told(partial(self.store, name, values)):
            self.uploaded[name] = values
            self.until_told(self.run_importer)
        self.stopped.wait(6 * self._pause)

    def store(self, name: str, values: pd.Series) -> bool:
        """Put the points of a day on the gate."""
        return self.put(self.ftp_login, name, values.to_csv().encode())

    def put(self, login: tuple[str, str], name: str, content: bytes) -> bool:
        """Put a file on a gate by FTP."""
        with ftplib.FTP() as ftp:
            self._connect(ftp)
            ftp.login(*login)
            ftp.storbinary(f"STOR {name}", io.BytesIO(content))
        return True

    def _connect(self, ftp: ftplib.FTP) -> None:
        *others, last = self.server.ftp_ports
        for port in others:
            with contextlib.suppress(ConnectionRefusedError):
                ftp.connect("127.0.0.1", port, timeout=20)
                return
        ftp.connect("127.0.0.1", last, timeout=20)

    def run_importer(self) -> Any:
        return self.post(f"/ovbp/api/v2/odata/importers/{self.importer}/action/", {"name": "run"})

    def _record(self, number: int) -> None:
        name, values, key = f"row-{number}", [float(number), number / 3], str(uuid.uuid4())
        columns = [{"name": name, "unit": "m/s", "values": values} for name in ("wind", "gust")]
        rows = {"rows": [{"name": name, "columns": columns}]}
        path = f"/api/v1/result-sets/{self.result_set}/rows"
        if self.until_told(lambda: self.post(path, rows, **{"idempotency-key": key})):
            self.recorded[name] = values
        self.stopped.wait(2 * self._pause)

    def _deposit(self, number: int) -> None:
        work = {"pipeline": "storm", "site": "local", "user": "me", "parameters": {"number": number}}
        key = str(uuid.uuid4())
        if answer := self.until_told(lambda: self.post("/api/v1/works", [work], **{"idempotency-key": key})):
            self.deposited.update(answer["ids"])

    def _withdraw(self, _number: int) -> None:
        key = {"idempotency-key": str(uuid.uuid4())}
        body = {"query": {"pipeline": "storm"}, "lease_seconds": 600}
        for work in self.until_told(lambda: self.post("/api/v1/works/withdraw", body, **key)) or ():
            self.withdrawn[work["id"]] += 1
            done = work | {"status": "success", "results": {"n": work["parameters"]["number"]}}
            if self.until_told(partial(self._conclude, done)):
                self.concluded.add(work["id"])

    def _conclude(self, work: dict[str, Any]) -> httpx.Response:
        return self.http().put("/api/v1/works", json=[work]).raise_for_status()

    def _publish(self, number: int) -> None:
        content = random.Random(number).randbytes(random.Random(number).choice([1000, 100_000, 3_000_000]))
        name, key = f"file-{number}", {"idempotency-key": str(uuid.uuid4())}

        def send() -> Any:
            form = {"file": (name, content)}
            return self.http().post("/api/v1/files", files=form, headers=key).raise_for_status().json()

        if answer := self.until_told(send):
            self.published[answer["id"]] = hashlib.sha256(content).hexdigest()
        self.stopped.wait(2 * self._pause)

    def _read(self, number: int) -> None:
        paths = (
            f"/api/v1/series/{self.series}/points?limit=100",
            f"/api/v1/rows?result_set={self.result_set}&limit=10",
            f"/api/v1/runs?project={self.project}&limit=10",
            "/api/v1/files?limit=10",
            "/api/v1/me",
        )
        self.until_told(partial(self.get, paths[number % len(paths)]))

    @property
    def ledgers(self) -> Sequence[Sized]:
        """What was acknowledged, by kind."""
        return self.pushed, self.uploaded, self.recorded, self.deposited, self.concluded, self.published

    # ------------------------------------------------------------------------------------------------ what was kept

    def check(self) -> dict[str, tuple[int, int, int]]:
        """Return of each kind how many were acknowledged, how many of them are lost, and how many are there twice."""
        found = {
            "points": self._points(),
            "files imported": self._imported(),
            "rows": self._rows(),
            "works": self._works(),
            "files published": self._files(),
            "webhooks": self._webhooks(),
        }
        self.hang_up()
        return found

    def _points(self) -> tuple[int, int, int]:
        points = self.get(f"/api/v1/series/{self.series}/points")
        kept = dict(zip(points["time"], points["value"], strict=True))
        lost = sum(kept.get(time) != value for time, value in self.pushed.items())
        return len(self.pushed), lost, len(points["time"]) - len(kept)

    def _imported(self) -> tuple[int, int, int]:
        self.run_importer()
        points = 24 * len(self.uploaded)
        self.settled()
        missing = max(points - self._count(self.importer), points - 2 - self._count(self.cleaner), 0)
        database = Database(self.server.database_url)
        with database.read() as session:
            links = select(Link.result_id).where(Link.kind == "gate file", Link.direction == "in")
            read = Counter(session.scalars(links))
        database.close()
        return len(self.uploaded), -(-missing // 24), sum(count - 1 for count in read.values())

    def settled(self) -> bool:
        """Wait until all that was uploaded is imported and cleaned, and tell whether it is."""
        points = 24 * len(self.uploaded)

        def done() -> bool:
            return self._count(self.importer) >= points and self._count(self.cleaner) >= points - 2

        with contextlib.suppress(AssertionError):
            return eventually(done, SETTLE_SECONDS, every=0.5)
        return False

    def made(self) -> dict[str, Any]:
        """Return the points of what is imported and cleaned, by the names of the series."""
        found = {}
        for generator in (self.importer, self.cleaner):
            for row in self.get("/api/v1/series", project=self.project, of=generator)["items"]:
                points = self.get(f"/api/v1/series/{row['id']}/points")
                found[row["name"]] = {name: points[name] for name in ("time", "value")}
        return found

    def _count(self, generator: str) -> int:
        rows = self.get("/api/v1/series", project=self.project, of=generator)["items"]
        return sum(row["count"] for row in rows)

    def _all(self, address: str | None) -> Iterator[dict[str, Any]]:
        while address:
            page = self.get(address)
            yield from page["items"]
            address = page["next"]

    def _rows(self) -> tuple[int, int, int]:
        kept: Counter[str] = Counter()
        lost = 0
        for row in self._all(f"/api/v1/rows?result_set={self.result_set}&limit=500"):
            kept[row["name"]] += 1
            lost += any(one["values"] != self.recorded.get(row["name"], one["values"]) for one in row["columns"])
        return len(self.recorded), lost + len(self.recorded.keys() - kept), sum(kept.values()) - len(kept)

    def _works(self) -> tuple[int, int, int]:
        there: Counter[str] = Counter()
        status: dict[str, str] = {}
        numbers: Counter[int] = Counter()
        for place in ("works", "archive"):
            cursor = None
            while True:
                body = {"query": {"pipeline": "storm"}, "limit": 1000, "cursor": cursor}
                page = self.post(f"/api/v1/{place}/view", body)
                for work in page["items"]:
                    there[work["id"]] += 1
                    status[work["id"]] = work["status"]
                    numbers[work["parameters"]["number"]] += 1
                if (cursor := page["next"]) is None:
                    break
        lost = len(self.deposited - there.keys()) + sum(status.get(one) != "success" for one in self.concluded)
        twice = sum(count - 1 for count in (*self.withdrawn.values(), *there.values(), *numbers.values()))
        return len(self.deposited) + len(self.concluded), lost, twice

    def _files(self) -> tuple[int, int, int]:
        records = list(self._all("/api/v1/files?limit=1000"))
        known = {record["id"]: record for record in records}
        lost = len(self.published.keys() - known.keys())
        for id_, sha256 in self.published.items():
            content = self.http().get(f"/api/v1/files/{id_}/download").content
            lost += hashlib.sha256(content).hexdigest() != sha256
        names = Counter(record["name"] for record in records)
        return len(self.published), lost, sum(count - 1 for count in names.values())

    def _webhooks(self) -> tuple[int, int, int]:
        """Each published file is one event; one that comes again, since nobody saw that it had, has the same id."""
        with contextlib.suppress(AssertionError):
            eventually(lambda: self.published.keys() <= self.receiver.published.keys(), SETTLE_SECONDS, every=0.5)
        lost = len(self.published.keys() - self.receiver.published.keys())
        return len(self.published), lost, sum(len(ids) - 1 for ids in self.receiver.published.values())
