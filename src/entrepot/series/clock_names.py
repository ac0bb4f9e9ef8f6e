"""Clocks by name: ``UTC``, ``Europe/Paris`` (its wall clock), ``Europe/Paris standard`` (standard time, all year)."""

from typing import Final

from entrepot.errors import InvalidInput
from entrepot.series.clocks import Clock, Kind

UTC: Final = "UTC"
_STANDARD: Final = " standard"


def clock_name(kind: Kind | str | None, timezone: str | None) -> str | None:
    """Return what people call a clock; None where it is not known."""
    if kind is None:
        return None
    if kind == "utc":
        return UTC
    return f"{timezone}{_STANDARD}" if kind == "standard" else timezone


def read_clock(name: str) -> Clock:
    """Return the clock of this name.

    Raises
    ------
    InvalidInput
        There is none; the field is ``clock``.
    """
    if name.upper() in (UTC, "Z"):
        return Clock("utc")
    zone = name.removesuffix(_STANDARD)
    try:
        return Clock("local" if zone == name else "standard", zone)
    except InvalidInput as error:
        raise InvalidInput.field(
            "clock",
            f"{name[:60]!r} is no clock: write UTC, a time zone such as Europe/Paris, "
            "or its standard time all year as Europe/Paris standard.",
        ) from error
