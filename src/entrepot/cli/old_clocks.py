"""Former names of clocks in commands: they work until 1.0, where what they mean can be said."""

from entrepot.errors import InvalidInput

#: Of an export, where each series' own zone may be meant.
_OF_EXPORTS = {"tzt": "standard", "dst": "wall"}


def clock_of(text: str | None) -> str | None:
    """Return the name of a clock.

    Raises
    ------
    InvalidInput
        It names no zone, and needs one.
    """
    if text in _OF_EXPORTS:
        zone = "Europe/Paris" if text == "dst" else "Europe/Paris standard"
        raise InvalidInput.field("clock", f"Name the zone, such as {zone}.")
    return "UTC" if text == "gmt" else text


def clock_of_export(text: str | None) -> str | None:
    """Return the name of the clock of an export."""
    return _OF_EXPORTS.get(text or "") or clock_of(text)
