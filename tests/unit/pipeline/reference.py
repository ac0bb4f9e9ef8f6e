"""The slow reference for cleaning, in plain Python, and the points and configurations to try it with."""

import math
import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from entrepot.pipeline.cleaning.spec import CleaningSpec, UnitType
from entrepot.series.frequency import MINUTE, Frequency

Times = NDArray[np.int64]
Values = NDArray[np.float64]
#: Stamps, in microseconds, and values.
Raw = list[tuple[int, float]]

EPOCH = datetime(1970, 1, 1)
STARTS = [
    datetime(2014, 3, 29, 18),
    datetime(2014, 10, 25, 19, 5),
    datetime(2014, 1, 30),
    datetime(2014, 6, 10, 23, 50),
]
TYPES: list[tuple[UnitType, UnitType]] = [
    ("instant", "instant"),
    ("instant", "mean"),
    ("instant", "amount"),
    ("instant", "rate"),
    ("amount", "amount"),
    ("amount", "rate"),
    ("mean", "mean"),
]


def micro(at: datetime) -> int:
    return (at - EPOCH) // timedelta(microseconds=1)


def moment(at: int) -> datetime:
    return EPOCH + timedelta(microseconds=int(at))


class Functions:
    """Stand-ins for the users' functions."""

    def operation(self, values: Values) -> Values:
        return np.where(values == 13, np.nan, values * 2 + 1)

    def filter(self, values: Values) -> NDArray[np.bool_]:
        return values > -150

    def derivative_filter(self, derivatives: Values) -> NDArray[np.bool_]:
        return np.abs(derivatives) < 0.05

    def custom(self, times: Times, values: Values) -> tuple[Times, Values]:
        """Give each point the mean of those from half an hour before to a quarter of an hour after it."""
        out = [
            float(np.nanmean(values[(times >= t - 30 * MINUTE) & (times <= t + 15 * MINUTE)]))
            if not math.isnan(v)
            else math.nan
            for t, v in zip(times.tolist(), values.tolist(), strict=True)
        ]
        return times, np.array(out, np.float64)


FUNCTIONS = Functions()


def slow_utc(at: int, spec: CleaningSpec) -> datetime:
    """What a stamp means, as a naive datetime in UTC."""
    if spec.clock == "utc":
        return moment(at)
    if spec.clock == "standard":
        return moment(at) - timedelta(hours=1)
    return moment(at).replace(tzinfo=ZoneInfo("Europe/Paris")).astimezone(UTC).replace(tzinfo=None)


def slow_bin(at: datetime, text: str) -> tuple[datetime, datetime]:
    """The start and end of the step that holds an instant; both in UTC, on the grid of Paris' standard time."""
    local = at + timedelta(hours=1)
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    if text == "MS":
        start = midnight.replace(day=1)
        stop = (start + timedelta(days=40)).replace(day=1)
    else:
        step = {"30T": 30, "1H": 60, "3H": 180, "7H": 420, "1D": 1440}[text] * timedelta(minutes=1)
        start = midnight + (local - midnight) // step * step
        stop = min(start + step, midnight + timedelta(days=1))
    return start - timedelta(hours=1), stop - timedelta(hours=1)


def slow_clean(raw: Raw, spec: CleaningSpec) -> list[tuple[datetime, float]]:
    """All of it again, one point and one step at a time."""
    first, last = slow_utc(raw[0][0], spec), slow_utc(raw[-1][0], spec)
    points = {}
    for at, value in raw:
        if not math.isnan(value):
            points[slow_utc(at, spec)] = value
    text = spec.step.text
    if spec.on_grid:
        points = {t: v for t, v in points.items() if slow_bin(t, text)[0] == t}
    times = sorted(points)
    bins = []
    step = slow_bin(first, text)[1]
    while step < last:
        start, stop = slow_bin(step, text)
        if stop <= last:
            bins.append((start, stop))
        step = stop
    declared = timedelta(microseconds=spec.declared_step) if spec.declared_step else None
    lengths = slow_lengths(times, declared, left=spec.stamped == "start")
    out = [slow_step(start, stop, points, times, lengths, spec) for start, stop in bins]
    out = slow_fill(out, bins, points, times, spec)
    if spec.kind == "rate":
        out = [None if v is None else v / (b - a).total_seconds() for v, (a, b) in zip(out, bins, strict=True)]
    kept = [(a, v) for v, (a, _) in zip(out, bins, strict=True) if v is not None]
    if spec.has_operation:
        kept = [(t, v * 2 + 1) for t, v in kept if v != 13]
    if spec.has_filter:
        kept = [(t, v) for t, v in kept if v > -150]
    if spec.has_derivative_filter:
        kept = [
            (t, v)
            for i, (t, v) in enumerate(kept)
            if i == 0 or abs((v - kept[i - 1][1]) / (t - kept[i - 1][0]).total_seconds()) < 0.05
        ]
    return kept


def slow_lengths(times: Sequence[datetime], declared: timedelta | None, *, left: bool) -> list[timedelta]:
    """How long each point lasts: to the next one, but no longer than a step of its neighbourhood if that is far."""
    if not left:
        mirrored = [EPOCH - (t - EPOCH) for t in reversed(times)]
        return slow_lengths(mirrored, declared, left=True)[::-1]
    gaps = [b - a for a, b in pairwise(times)]
    lengths = []
    for i in range(len(times)):
        before, after = (
            declared or (statistics.median_low(some) if some else None)
            for some in (gaps[max(0, i - 5) : i], gaps[i + 1 : i + 6])
        )
        own = before or after or (gaps[i] if i < len(gaps) else timedelta())
        far = max(before or own, after or own)
        lengths.append(gaps[i] if i < len(gaps) and gaps[i] <= far + far // 2 else own)
    return lengths


def slow_step(
    start: datetime,
    stop: datetime,
    points: Mapping[datetime, float],
    times: Sequence[datetime],
    lengths: Sequence[timedelta],
    spec: CleaningSpec,
) -> float | None:
    inside = [points[t] for t in times if start <= t < stop]
    if spec.raw_kind == "instant":
        if spec.kind in ("amount", "rate"):
            low, high = slow_index(start, points, times, spec), slow_index(stop, points, times, spec)
            return None if low is None or high is None else high - low
        if not inside:
            return None
        rule = spec.rule if spec.kind == "instant" else "mean"
        return {"first": inside[0], "sum": math.fsum(inside), "mean": math.fsum(inside) / len(inside)}[rule]
    shares, weights = [], []
    for t, lasting in zip(times, lengths, strict=True):
        begin, end = (t, t + lasting) if spec.stamped == "start" else (t - lasting, t)
        if spec.raw_kind == "amount":
            own = slow_bin(begin, spec.step.text)
            if lasting <= own[1] - own[0]:
                if own[0] == start and lasting:
                    shares.append(points[t])
                continue
        shared = (min(end, stop) - max(begin, start)).total_seconds()
        if shared > 0:
            share = shared / lasting.total_seconds() if spec.raw_kind == "amount" else shared
            shares.append(points[t] * share)
            weights.append(shared)
    if not shares:
        return None
    return math.fsum(shares) if spec.raw_kind == "amount" else math.fsum(shares) / math.fsum(weights)


def slow_index(
    edge: datetime, points: Mapping[datetime, float], times: Sequence[datetime], spec: CleaningSpec
) -> float | None:
    if edge in points:
        return points[edge]
    before, after = [t for t in times if t < edge], [t for t in times if t > edge]
    start, stop = slow_bin(edge, spec.step.text)
    if not before or not after or after[0] - before[-1] >= 2 * (stop - start):
        return None
    share = (edge - before[-1]) / (after[0] - before[-1])
    return points[before[-1]] + share * (points[after[0]] - points[before[-1]])


def slow_fill(
    out: Sequence[float | None],
    bins: Sequence[tuple[datetime, datetime]],
    points: Mapping[datetime, float],
    times: Sequence[datetime],
    spec: CleaningSpec,
) -> list[float | None]:
    known = [i for i, v in enumerate(out) if v is not None]
    filled = list(out)
    for a, b in pairwise(known):
        if not 0 < b - a - 1 <= spec.fill:
            continue
        if spec.kind in ("amount", "rate") and spec.raw_kind == "instant":
            edges = [bins[i][0] for i in range(a + 1, b + 1)]
            marks = [(e, v) for e in edges if (v := slow_index(e, points, times, spec)) is not None]

            def on_line(at: datetime, marks: Sequence[tuple[datetime, float]] = marks) -> float:
                low = max((m for m in marks if m[0] <= at), key=lambda m: m[0])
                high = min((m for m in marks if m[0] >= at), key=lambda m: m[0])
                return low[1] + (high[1] - low[1]) * ((at - low[0]) / ((high[0] - low[0]) or timedelta(1)))

            for i in range(a + 1, b):
                filled[i] = on_line(bins[i][1]) - on_line(bins[i][0])
        else:
            for i in range(a + 1, b):
                share = (bins[i][0] - bins[a][0]) / (bins[b][0] - bins[a][0])
                filled[i] = out[a] + share * (out[b] - out[a])
    return filled


@st.composite
def raws(draw: st.DrawFn, max_size: int = 45) -> Raw:
    """Points as sensors deliver them: mostly regular, with gaps, jitter, strays and empty values."""
    at = micro(draw(st.sampled_from(STARTS)))
    step = draw(st.sampled_from([10, 15, 60, 90, 180]))
    odd = st.sampled_from([1, 7, 13, 20, 25, 45, 60, 120, 300, 1500])
    gaps = draw(st.lists(st.one_of(st.just(step), st.just(step), st.just(step), odd), min_size=1, max_size=max_size))
    value = st.one_of(st.integers(-200, 200).map(float), st.just(math.nan) if draw(st.booleans()) else st.just(1.0))
    out = [(at, draw(value))]
    for gap in gaps:
        at += gap * MINUTE
        out.append((at, draw(value)))
    return out


@st.composite
def specs(draw: st.DrawFn, custom: bool = False) -> CleaningSpec:
    source, target = draw(st.sampled_from(TYPES))
    with_custom = custom and draw(st.booleans())
    return CleaningSpec(
        step=Frequency.parse(draw(st.sampled_from(["30T", "1H", "1H", "3H", "7H", "1D"]))),
        raw_kind=source,
        kind=target,
        stamped=draw(st.sampled_from(["start", "end"])),
        clock=draw(st.sampled_from(["utc", "standard", "local"])),
        rule=draw(st.sampled_from(["mean", "first", "sum"])),
        fill=draw(st.sampled_from([0, 0, 1, 2, 5])),
        on_grid=draw(st.sampled_from([False, False, False, True])),
        has_operation=draw(st.booleans()),
        has_filter=draw(st.booleans()),
        has_derivative_filter=draw(st.sampled_from([False, False, True])),
        has_custom=with_custom,
        before=Frequency.parse("30T") if with_custom else None,
        after=1 if with_custom else None,
    )


def arrays(raw: Raw) -> tuple[Times, Values]:
    return np.array([t for t, _ in raw], np.int64), np.array([v for _, v in raw], np.float64)
