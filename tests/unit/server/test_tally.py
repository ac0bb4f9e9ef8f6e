"""What processes count is added up, and outlives them."""

import multiprocessing
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge

from entrepot.server import tally
from entrepot.server.tally import Sum, Tally, new_slot


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Tally], dict[str, float]]:
    def of(one: Tally) -> dict[str, float]:
        return {sample.name: sample.value for metric in Sum(one).collect() for sample in metric.samples}

    return of


def registry(monkeypatch: pytest.MonkeyPatch) -> tuple[Counter, Gauge]:
    own = CollectorRegistry()
    monkeypatch.setattr(tally, "REGISTRY", own)
    return Counter("done", "x", registry=own), Gauge("open", "x", registry=own)


def test_counts_of_processes_are_added_up_and_outlive_them(
    counted: Callable[[Tally], dict[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = [new_slot(), new_slot()]

    def work(own: int, times: int) -> None:
        done, open_ = registry(monkeypatch)
        one = Tally(slots, own)
        done.inc(times)
        open_.set(times)
        one.write()

    fork = multiprocessing.get_context("fork")
    for own, times in ((0, 5), (1, 7), (1, 11)):
        process = fork.Process(target=work, args=(own, times))
        process.start()
        process.join()
    _done, _open = registry(monkeypatch)
    told = counted(Tally([*slots, new_slot()], 2))
    # Part 1 ran twice: what both counted stays, what the first one had open does not.
    assert (told["done_total"], told["open"]) == (23, 16)


def test_a_slot_that_was_half_written_tells_nothing(
    counted: Callable[[Tally], dict[str, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    done, _ = registry(monkeypatch)
    slot = new_slot()
    one = Tally([slot])
    done.inc(3)
    one.write()
    assert counted(one)["done_total"] == 3
    good = slot[0]
    slot[24 + good * 512 * 1024] = 0
    assert tally._read(slot) == {}
    one.write()
    assert counted(one)["done_total"] == 3
