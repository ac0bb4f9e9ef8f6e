"""What all processes of a server have counted, added up: in memory that they share, which no full disk can spoil."""

import mmap
import struct
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence

import orjson
import structlog
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from entrepot.measures import REGISTRY

log = structlog.get_logger("entrepot.metrics")

SECONDS = 1.0
_HALF = 512 * 1024
_HEAD = struct.Struct("<QQQ")  # which half is good, and how many bytes each has

Key = tuple[str, tuple[tuple[str, str], ...]]
Sums = dict[Key, float]


def new_slot() -> mmap.mmap:
    """Return the memory of one part, to be made before processes are forked; it takes what is written to it."""
    return mmap.mmap(-1, _HEAD.size + 2 * _HALF)


class Tally:
    """The counts of this part, and those of the others.

    A part that is started again goes on where the one before it ended: what a dead process counted is kept.

    Parameters
    ----------
    slots
        Of all parts.
    own
        Which is this part's.
    """

    def __init__(self, slots: Sequence[mmap.mmap], own: int = 0) -> None:
        self._slots = slots
        self._own = slots[own]
        self._lock = threading.Lock()
        passing = {metric.name for metric in REGISTRY.collect() if metric.type == "gauge"}
        self._before = {key: value for key, value in _read(self._own).items() if key[0] not in passing}

    def begin(self) -> None:
        """Have what is counted written every second."""
        threading.Thread(target=self._run, daemon=True, name="tally").start()

    def write(self) -> None:
        """Write what was counted until now."""
        with self._lock:
            sums = dict(self._before)
            for metric in REGISTRY.collect():
                for sample in metric.samples:
                    if not sample.name.endswith("_created"):
                        key = sample.name, tuple(sorted(sample.labels.items()))
                        sums[key] = sums.get(key, 0.0) + sample.value
            _write(self._own, sums)

    def sums(self) -> Sums:
        """Return the counts of all parts together."""
        self.write()
        sums: defaultdict[Key, float] = defaultdict(float)
        for slot in self._slots:
            for key, value in _read(slot).items():
                sums[key] += value
        return dict(sums)

    def _run(self) -> None:
        stop = threading.Event()
        while not stop.wait(SECONDS):
            self.write()


class Sum(Collector):
    """The metrics of :mod:`entrepot.measures`, over all parts."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally

    def describe(self) -> list[Metric]:
        """Return nothing: names are known by :mod:`entrepot.measures`."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the sums."""
        sums = self._tally.sums()
        for own in REGISTRY.collect():
            metric = Metric(own.name, own.documentation, own.type)
            names = {own.name, *(f"{own.name}_{end}" for end in ("total", "bucket", "count", "sum"))}
            for (name, labels), value in sums.items():
                if name in names:
                    metric.add_sample(name, dict(labels), value)
            yield metric


def _read(slot: mmap.mmap) -> Sums:
    good, *sizes = _HEAD.unpack_from(slot)
    start = _HEAD.size + good * _HALF
    if not sizes[good]:
        return {}
    try:
        rows = orjson.loads(slot[start : start + sizes[good]])
    except orjson.JSONDecodeError:  # twice rewritten while it was read, or by a process that was killed then
        return {}
    return {(name, tuple((key, text) for key, text in labels)): value for name, labels, value in rows}


def _write(slot: mmap.mmap, sums: Sums) -> None:
    content = orjson.dumps([[name, labels, value] for (name, labels), value in sums.items()])
    if len(content) > _HALF:
        log.error("too many metrics to add up", cause="metrics", bytes=len(content))
        return
    good, *sizes = _HEAD.unpack_from(slot)
    other = 1 - good
    start = _HEAD.size + other * _HALF
    slot[start : start + len(content)] = content
    sizes[other] = len(content)
    _HEAD.pack_into(slot, 0, other, *sizes)
