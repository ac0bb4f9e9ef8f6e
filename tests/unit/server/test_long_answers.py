"""Long answers: their memory does not grow with their length, and they end when nobody waits."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import anyio
import numpy as np
import pytest
from anyio.to_thread import run_sync
from starlette.requests import Request

from entrepot.bounds.budget import Budget
from entrepot.errors import TooLarge, Unavailable
from entrepot.server import patience
from entrepot.server.api import point_formats
from entrepot.settings import Settings

PAGE = 20_000


def pages(count: int) -> Iterator[point_formats.Block]:
    for number in range(count):
        times = (np.arange(PAGE) + number * PAGE) * 1_000_000
        yield point_formats.Block(times, times / 7.0)


def peak(form: str, count: int) -> int:
    tracemalloc.start()
    try:
        size = sum(map(len, point_formats.stream_one(form, {"id": "id", "name": "name"}, (), pages(count))))
        assert size > count * PAGE * 4
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("form", ["json", "csv", "arrow", "parquet"])
def test_memory_does_not_grow_with_the_length(form: str) -> None:
    peak(form, 1)  # what is imported and kept at the first time
    assert peak(form, 40) < peak(form, 4) + 2 * PAGE * 16


def test_an_answer_ends_once_its_client_has_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_ASK_SECONDS", 0.0)
    gone = False

    async def receive() -> dict[str, object]:
        if gone:
            return {"type": "http.disconnect"}
        await anyio.sleep_forever()
        raise AssertionError

    async def main() -> None:
        nonlocal gone
        budget = patience.budget_of(Settings(data_dir=tmp_path), Request({"type": "http"}, receive))
        await run_sync(budget.check)
        gone = True
        with pytest.raises(Unavailable, match="gone"):
            await run_sync(budget.check)

    anyio.run(main)


@pytest.mark.parametrize(("name", "rows", "size"), [("rows", 11, 0), ("bytes", 1, 101)])
def test_a_budget_names_its_setting(name: str, rows: int, size: int) -> None:
    budget = Budget(rows=10, bytes=100, setting="read")
    budget.made(0, 100)
    with pytest.raises(TooLarge, match=f"read_max_{name}"):
        Budget(rows=10, bytes=100, setting="read").made(rows, size)
    with pytest.raises(TooLarge, match="read_max_bytes"):
        budget.made(1, 1)
