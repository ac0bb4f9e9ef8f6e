"""A server that is killed while files come in: each is whole or absent."""

import hashlib
import random
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.server import ServerProcess

KILLS = 2

pytestmark = pytest.mark.slow


def test_uploads_are_whole_or_absent(live_server: ServerProcess) -> None:
    chance = random.Random(6)
    content = chance.randbytes(6_000_000)
    told: list[str] = []

    def send(url: str, token: str, seed: int) -> None:
        own = random.Random(seed)
        headers = {"authorization": f"Token {token}"}
        try:
            with httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=60) as client:
                while True:
                    size = own.choice([1000, 100_000, len(content)])
                    form = {"file": (f"{size}", content[:size])}
                    answer = client.post("/api/v1/files", files=form, data={"identifier": str(size)})
                    if answer.status_code == 201:
                        told.append(answer.json()["id"])
        except (httpx.TransportError, ValueError):
            return

    for round_ in range(KILLS):
        threads = [
            threading.Thread(target=send, args=(live_server.url, live_server.token, 10 * round_ + number))
            for number in range(3)
        ]
        for thread in threads:
            thread.start()
        threads[0].join(chance.uniform(0.3, 1.5))
        live_server.kill9()
        for thread in threads:
            thread.join()
        live_server.start()
    headers = {"authorization": f"Token {live_server.token}"}
    with live_server.http(auth=None, headers=headers) as client:
        known = {}
        for record in _all(client):
            known[record["id"]] = record
            whole = client.get(f"/api/v1/files/{record['id']}/download").content
            assert len(whole) == record["size"] == int(record["identifier"])
            assert hashlib.sha256(whole).hexdigest() == record["sha256"]
        assert set(told) <= set(known), "what was answered is there"
        polls = client.get("/ricloud/polls", params={"limit": 1000}).json()
        assert {one["state"] for one in polls["data"]} <= {"completed"}


def test_an_upload_in_parts_goes_on_after_a_kill(live_server: ServerProcess) -> None:
    content = random.Random(7).randbytes(12_000_000)
    headers = {"authorization": f"Token {live_server.token}"}
    with live_server.http(auth=None, headers=headers) as client:
        upload = client.post("/api/v1/uploads", json={"size": len(content)}).json()
        client.patch(f"/api/v1/uploads/{upload['id']}", content=content[:5_000_000], headers={"upload-offset": "0"})
    live_server.kill9()
    live_server.start()
    with live_server.http(auth=None, headers=headers) as client:
        path = f"/api/v1/uploads/{upload['id']}"
        offset = client.get(path).json()["offset"]
        assert offset == 5_000_000
        client.patch(path, content=content[offset:], headers={"upload-offset": str(offset)}).raise_for_status()
        record = client.post(f"{path}/publish").json()
        assert record["sha256"] == hashlib.sha256(content).hexdigest()


def _all(client: httpx.Client) -> Iterator[dict[str, Any]]:
    address = "/api/v1/files?limit=1000"
    while address:
        page = client.get(address).json()
        yield from page["items"]
        address = page["next"]
