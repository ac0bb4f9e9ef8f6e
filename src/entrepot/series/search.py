"""Binary search of many values among few sorted ones, the other way round where that is faster."""

import numpy as np
from numpy.typing import NDArray


def count_upto(keys: NDArray[np.int64], values: NDArray[np.int64]) -> NDArray[np.intp]:
    """Return how many of the ascending `keys` are at or before each value.

    Values are nearly always stamps in order: then it is enough to look for the few keys among them.
    """
    if len(keys) >= len(values) or (values[1:] < values[:-1]).any():
        return np.searchsorted(keys, values, "right")
    positions = np.searchsorted(values, keys)
    return np.repeat(np.arange(len(keys) + 1), np.diff(positions, prepend=0, append=len(values)))
