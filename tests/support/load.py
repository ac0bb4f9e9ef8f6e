"""Everybody who uses a server at once, each with a ledger of what was acknowledged; and whether it was kept."""

import contextlib
import ftplib
import hashlib
import io
import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import numpy as np
import orjson
import pandas as pd
from sqlalchemy import select

from entrepot.db import Database
from entrepot.lineage import Link
from tests.support.deadline import eventually
from tests.support.server import ServerProcess

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


class Load:
    """Points, files on a gate with their imports, works, published files and webhooks, until told to stop.

    Whoever is not answered asks again, as a client does; where that would do something twice, with the same
    Idempotency-Key.
    """

    def __init__(self, server: ServerProcess, receiver: Receiver) -> None:
        self.server, self.receiver = server, receiver
        self._stop = threading.Event()
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
        #: What was acknowledged.
        self.pushed: dict[int, float] = {}
        self.uploaded: dict[str, pd.Series] = {}
        self.deposited: set[str] = set()
        self.withdrawn: Counter[str] = Counter()
        self.concluded: set[str] = set()
        self.published: dict[str, str] = {}
        self.asked = 0

    # ------------------------------------------------------------------------------------------------ asking

    def get(self, path: str, **params: Any) -> Any:
        return self._http().get(path, params=params).raise_for_status().json()

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self._http().post(path, json=body, headers=headers).raise_for_status().json()

    def _http(self) -> httpx.Client:
        """Return this thread's client, to where the server listens now."""
        at = getattr(self._local, "at", None)
        if at != self.server.url:
            if at is not None:
                self._local.client.close()
            headers = {"authorization": f"Token {self.server.token}"}
            self._local.client = self.server.http(auth=None, headers=headers, timeout=20)
            self._local.at = self.server.url
        return self._local.client  # type: ignore[no-any-return]

    def _until_told(self, ask: Callable[[], Any]) -> Any:
        """Ask again and again until there is an answer; None where it was told to stop before."""
        while not self._stop.is_set():
            with contextlib.suppress(httpx.HTTPError, ftplib.Error, OSError, EOFError):
                answer = ask()
                self.asked += 1
                return answer
            self._stop.wait(0.1)
        return None

    # ------------------------------------------------------------------------------------------------ who asks

    def start(self) -> None:
        for work in (self._push, self._upload, self._deposit, self._withdraw, self._publish):
            self._threads.append(threading.Thread(target=self._repeat, args=(work,)))
            self._threads[-1].start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, work: Callable[[int], None]) -> None:
        number = 0
        while not self._stop.is_set():
            work(number)
            number += 1
            self._stop.wait(0.05)
        if getattr(self._local, "at", None) is not None:
            self._local.client.close()

    def _push(self, number: int) -> None:
        body = {self.series: {"time": [number * 1_000_000], "value": [float(number)]}}
        if self._until_told(lambda: self.post("/api/v1/points", body)) is not None:
            self.pushed[number * 1_000_000] = float(number)

    def _upload(self, number: int) -> None:
        day = pd.Timestamp("2024-01-01") + pd.Timedelta(days=number)
        values = pd.Series(np.arange(24.0) + number, pd.date_range(day, periods=24, freq="h"), name="p")
        name = f"day-{number:04d}.csv"

        def store() -> bool:
            with ftplib.FTP() as ftp:
                ftp.connect("127.0.0.1", self.server.ftp_port, timeout=20)
                ftp.login(*self.ftp_login)
                ftp.storbinary(f"STOR {name}", io.BytesIO(values.to_csv().encode()))
            return True

        if self._until_told(store):
            self.uploaded[name] = values
            self._until_told(self.run_importer)
        self._stop.wait(0.3)

    def run_importer(self) -> Any:
        return self.post(f"/ovbp/api/v2/odata/importers/{self.importer}/action/", {"name": "run"})

    def _deposit(self, number: int) -> None:
        work = {"pipeline": "storm", "site": "local", "user": "me", "parameters": {"number": number}}
        key = str(uuid.uuid4())
        if answer := self._until_told(lambda: self.post("/api/v1/works", [work], **{"idempotency-key": key})):
            self.deposited.update(answer["ids"])

    def _withdraw(self, _number: int) -> None:
        key = {"idempotency-key": str(uuid.uuid4())}
        body = {"query": {"pipeline": "storm"}, "lease_seconds": 600}
        for work in self._until_told(lambda: self.post("/api/v1/works/withdraw", body, **key)) or ():
            self.withdrawn[work["id"]] += 1
            done = work | {"status": "success", "results": {"n": work["parameters"]["number"]}}
            if self._until_told(partial(self._conclude, done)):
                self.concluded.add(work["id"])

    def _conclude(self, work: dict[str, Any]) -> httpx.Response:
        return self._http().put("/api/v1/works", json=[work]).raise_for_status()

    def _publish(self, number: int) -> None:
        content = random.Random(number).randbytes(random.Random(number).choice([1000, 100_000, 3_000_000]))
        name, key = f"file-{number}", {"idempotency-key": str(uuid.uuid4())}

        def send() -> Any:
            form = {"file": (name, content)}
            return self._http().post("/api/v1/files", files=form, headers=key).raise_for_status().json()

        if answer := self._until_told(send):
            self.published[answer["id"]] = hashlib.sha256(content).hexdigest()
        self._stop.wait(0.1)

    # ------------------------------------------------------------------------------------------------ what was kept

    def check(self) -> dict[str, tuple[int, int, int]]:
        """Return of each kind how many were acknowledged, how many of them are lost, and how many are there twice."""
        found = {
            "points": self._points(),
            "files imported": self._imported(),
            "works": self._works(),
            "files published": self._files(),
            "webhooks": self._webhooks(),
        }
        self._local.client.close()
        return found

    def _points(self) -> tuple[int, int, int]:
        points = self.get(f"/api/v1/series/{self.series}/points")
        kept = dict(zip(points["time"], points["value"], strict=True))
        lost = sum(kept.get(time) != value for time, value in self.pushed.items())
        return len(self.pushed), lost, len(points["time"]) - len(kept)

    def _imported(self) -> tuple[int, int, int]:
        self.run_importer()
        points = 24 * len(self.uploaded)

        def settled() -> bool:
            return self._count(self.importer) >= points and self._count(self.cleaner) >= points - 2

        with contextlib.suppress(AssertionError):
            eventually(settled, SETTLE_SECONDS, every=0.5)
        missing = max(points - self._count(self.importer), points - 2 - self._count(self.cleaner), 0)
        database = Database(self.server.database_url)
        with database.read() as session:
            links = select(Link.result_id).where(Link.kind == "gate file", Link.direction == "in")
            read = Counter(session.scalars(links))
        database.close()
        return len(self.uploaded), -(-missing // 24), sum(count - 1 for count in read.values())

    def _count(self, generator: str) -> int:
        rows = self.get("/api/v1/series", project=self.project, of=generator)["items"]
        return sum(row["count"] for row in rows)

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
        records: list[dict[str, Any]] = []
        address: str | None = "/api/v1/files?limit=1000"
        while address:
            page = self.get(address)
            records += page["items"]
            address = page["next"]
        known = {record["id"]: record for record in records}
        lost = len(self.published.keys() - known.keys())
        for id_, sha256 in self.published.items():
            content = self._http().get(f"/api/v1/files/{id_}/download").content
            lost += hashlib.sha256(content).hexdigest() != sha256
        names = Counter(record["name"] for record in records)
        return len(self.published), lost, sum(count - 1 for count in names.values())

    def _webhooks(self) -> tuple[int, int, int]:
        """Each published file is one event; one that comes again, since nobody saw that it had, has the same id."""
        with contextlib.suppress(AssertionError):
            eventually(lambda: self.published.keys() <= self.receiver.published.keys(), SETTLE_SECONDS, every=0.5)
        lost = len(self.published.keys() - self.receiver.published.keys())
        return len(self.published), lost, sum(len(ids) - 1 for ids in self.receiver.published.values())
