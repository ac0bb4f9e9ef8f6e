"""Settings as they are sent, and whether what the server shows is what is given."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from entrepot.client.sources import text_of

#: Settings that are a function of this name, whatever the setting's.
_FUNCTIONS = ("convert", "keep", "keep_rate", "custom")


def sent(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as they are sent: functions by their text, things by their id."""
    return {name: _sent(name, value) for name, value in settings.items()}


def differing(shown: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings, as they are sent, that are not what a thing shows."""
    return {name: value for name, value in sent(settings).items() if differs(shown.get(name), value)}


def differs(shown: Any, given: Any) -> bool:
    """Tell whether what a thing shows is not what is given; things are given by id or name."""
    if isinstance(shown, dict) and isinstance(given, str):
        return given not in (shown.get("id"), shown.get("name"))
    if isinstance(shown, list) and isinstance(given, list):
        return len(shown) != len(given) or any(map(_part_differs, shown, given))
    return bool(shown != given)


def _part_differs(shown: Any, given: Any) -> bool:
    if isinstance(shown, dict):
        word = "series" if "series" in shown else "name"
        wanted = {word: given} if isinstance(given, str) else given
        return any(differs(shown.get(field), value) for field, value in wanted.items())
    return bool(shown != given)


def _sent(name: str, value: Any) -> Any:
    if isinstance(value, Path) or (callable(value) and not hasattr(value, "id")):
        return text_of(**{"fct" if name in _FUNCTIONS else name: value})
    return getattr(value, "id", value)
