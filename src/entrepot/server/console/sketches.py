"""Small plots of what a trial told: drawn by the server, so that they are there with the words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_SMALL, _LARGE, _EDGE = (220, 40), (900, 260), 4


@dataclass(frozen=True)
class Line:
    """Points of one kind as a path; and as marks, where they are few."""

    name: str
    path: str
    marks: Sequence[tuple[float, float]] = ()


@dataclass(frozen=True)
class Sketch:
    """A plot of a few lines: its size, its lines, and what its corners mean, in words."""

    width: int
    height: int
    lines: Sequence[Line]
    low: str = ""
    high: str = ""
    first: str = ""
    last: str = ""


def small(points: Any) -> Sketch | None:
    """Return what a column looks like; None where there is nothing to see."""
    return _drawn({"values": points}, *_SMALL) if points and points.get("time") else None


def large(kinds: dict[str, Any]) -> Sketch | None:
    """Return points of several kinds over each other, by what they are called."""
    return _drawn({name: one for name, one in kinds.items() if one and one.get("time")}, *_LARGE)


def _drawn(kinds: dict[str, Any], width: int, height: int) -> Sketch | None:
    if not kinds:
        return None
    first: int = min(one["time"][0] for one in kinds.values())
    last: int = max(one["time"][-1] for one in kinds.values())
    low: float = min(min(one["min"]) for one in kinds.values())
    high: float = max(max(one["max"]) for one in kinds.values())

    def x(time: int) -> float:
        return round(_EDGE + (width - 2 * _EDGE) * (time - first) / ((last - first) or 1), 1)

    def y(value: float) -> float:
        return round(height - _EDGE - (height - 2 * _EDGE) * ((value - low) / (high - low) if high > low else 0.5), 1)

    lines = []
    for name, one in kinds.items():
        corners = [(x(time), y(a), y(b)) for time, a, b in zip(one["time"], one["min"], one["max"], strict=True)]
        path = "".join(
            f"{'L' if at else 'M'}{left} {a}" + (f"L{left} {b}" if a != b else "")
            for at, (left, a, b) in enumerate(corners)
        )
        few = len(corners) <= width / 8
        lines.append(Line(name, path, [(left, a) for left, a, _ in corners] if few else ()))
    return Sketch(width, height, lines, f"{low:.6g}", f"{high:.6g}", _stamp(first), _stamp(last))


def _stamp(microseconds: int) -> str:
    return f"{datetime.fromtimestamp(microseconds / 1e6, UTC):%Y-%m-%d %H:%M}"
