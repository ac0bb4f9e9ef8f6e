"""Cursors of the log as text that only this server reads: the numbers of all events would tell how much others do."""

from entrepot.errors import Unavailable
from entrepot.identity import Vault

_PURPOSE = "events after "
_LONGEST = 200


def write(vault: Vault, sequence: int) -> str:
    """Return the cursor of what comes after a sequence; it is another one each time."""
    return vault.encrypt(f"{_PURPOSE}{sequence}")


def read(vault: Vault, text: str) -> int | str:
    """Return the sequence that a cursor stands for, and what is no cursor of this server as it is."""
    if text == "0":  # the log's beginning, wherever that is
        return 0
    try:
        place = vault.decrypt(text) if len(text) <= _LONGEST else ""
    except Unavailable:
        return text
    return int(place.removeprefix(_PURPOSE)) if place.startswith(_PURPOSE) else text
