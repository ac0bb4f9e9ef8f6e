"""Runs as counts in time: a bar a stretch, in as many colours as there are ends; never a mark a run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import case, func, select

from entrepot.lineage import Run
from entrepot.server.console.page import may
from entrepot.server.endpoint import Call

BARS = 48
_WIDTH, _HEIGHT, _FOOT = 960, 120, 18
#: How runs that ended so are shown, from the bottom up; what is none of these is `other`.
ENDS = ("finished", "running", "failed", "other")


@dataclass(frozen=True)
class Part:
    """A part of a bar, in the places of the drawing."""

    end: str
    y: float
    height: float


@dataclass(frozen=True)
class Bar:
    """The runs that began within a stretch of time.

    Attributes
    ----------
    x, width
        Where it stands.
    since
        When the stretch begins.
    said
        How many runs of which end, in words.
    address
        Where they are listed.
    """

    x: float
    width: float
    since: datetime
    said: str
    address: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Timeline:
    """Bars, and how large their drawing is.

    Attributes
    ----------
    counts
        Of each end, how many runs they are in all, and where these are listed; empty where they are several lists.
    since, until
        When it begins and stops.
    """

    bars: Sequence[Bar]
    width: int
    height: int
    counts: dict[str, tuple[int, str]]
    since: datetime
    until: datetime


def of_runs(call: Call, since: datetime, until: datetime, *conditions: Any) -> Timeline:
    """Return the caller's runs that began between two instants."""
    step = (until - since) / BARS
    edges = [since + step * number for number in range(1, BARS)]
    number = case(*((Run.started_at < edge, at) for at, edge in enumerate(edges)), else_=BARS - 1)
    query = select(number, Run.status, func.count()).where(
        call.principal.within(Run), Run.started_at >= since, Run.started_at < until, *conditions
    )
    found: dict[int, dict[str, int]] = {}
    counts = dict.fromkeys(ENDS, 0)
    for at, status, count in call.session.execute(query.group_by(number, Run.status)) if may(call, "series") else ():
        end = status if status in ENDS else "other"
        of_bar = found.setdefault(at, {})
        of_bar[end] = of_bar.get(end, 0) + count
        counts[end] += count
    most = max((sum(ends.values()) for ends in found.values()), default=1)
    bars = [_bar(at, ends, most, since + step * at, since + step * (at + 1)) for at, ends in sorted(found.items())]
    told = {end: (count, "" if end == "other" else _listed(since, until, status=end)) for end, count in counts.items()}
    return Timeline(bars, _WIDTH, _HEIGHT + _FOOT, told, since, until)


def _listed(since: datetime, until: datetime, **asked: str) -> str:
    ends = {"since": since.isoformat(timespec="seconds"), "until": until.isoformat(timespec="seconds")}
    return f"/console/runs?{urlencode(asked | ends)}"


def _bar(at: int, ends: dict[str, int], most: int, since: datetime, until: datetime) -> Bar:
    width, y, parts = _WIDTH / BARS, float(_HEIGHT), []
    for end in ENDS:
        if count := ends.get(end, 0):
            height = max(2.0, count / most * (_HEIGHT - 8))
            y -= height
            parts.append(Part(end, round(y, 1), round(height, 1)))
    said = ", ".join(f"{ends[end]:,} {end}" for end in ENDS if ends.get(end))
    return Bar(round(at * width, 1), round(width, 1), since, said, _listed(since, until), parts)
