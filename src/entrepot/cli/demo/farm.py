"""The wind farm that the demo is of: its files, its turbines, and what many of its steps need."""

import time
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import TypeVar

import pandas as pd

from entrepot.client.series import Series
from entrepot.errors import Unavailable

FARM = Path(str(files("entrepot.cli.demo") / "wind_farm"))
NAME = "La Haute Borne"
TURBINES = ("R80711", "R80721", "R80736", "R80790")
ZONE = "Europe/Paris"
_WAIT_SECONDS = 300
FoundT = TypeVar("FoundT")


def eventually(look: Callable[[], FoundT | None]) -> FoundT:
    """Return what comes to be there within some minutes."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while time.monotonic() < deadline:
        if (found := look()) is not None:
            return found
        time.sleep(0.1)
    raise Unavailable(f"Nothing came out in {_WAIT_SECONDS} s.")


def framed(series: list[Series]) -> pd.DataFrame:
    """Return series on the farm's wall clock, a column each."""
    columns = {one.name: one.read().tz_convert(ZONE).tz_localize(None) for one in series}
    return pd.DataFrame(columns).sort_index(axis=1)
