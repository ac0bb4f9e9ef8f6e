"""Points as a small plot shows them: few enough to be told, and without a peak lost."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sketch(times: NDArray[np.int64], values: NDArray[np.float64], most: int) -> dict[str, list[Any]]:
    """Return times in microseconds, and the lowest and the highest value at each, of at most so many points.

    Where there are more, each of half as many equal parts of the time has its extremes told at its first point.
    """
    held = np.isfinite(values)
    times, values = times[held], values[held]
    order = np.argsort(times, kind="stable")
    times, values = times[order], values[order]
    low = high = values
    if times.size > most:
        edges = np.linspace(times[0], times[-1], most // 2, endpoint=False)
        begins = np.unique(np.searchsorted(times, edges))
        low, high = np.minimum.reduceat(values, begins), np.maximum.reduceat(values, begins)
        times = times[begins]
    return {"time": times.tolist(), "min": low.tolist(), "max": high.tolist()}
