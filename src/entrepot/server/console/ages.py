"""How long something lasts, in words."""

_UNITS = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def age(seconds: float | None) -> str:
    """Return a length of time by its two largest units, such as ``3 d 4 h``; empty of none."""
    if seconds is None:
        return ""
    rest = int(seconds)
    parts: list[str] = []
    for size, unit in _UNITS:
        number, rest = divmod(rest, size)
        if number or parts:
            parts.append(f"{number} {unit}" if number else "")
        if len(parts) == 2:
            break
    return " ".join(filter(None, parts)) or "0 s"
