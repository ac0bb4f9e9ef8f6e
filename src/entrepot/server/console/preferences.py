"""How somebody likes pages to be: light or dark, and in which time zone; the browser keeps it."""

from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response

from entrepot.errors import InvalidInput

THEMES = {"system": "as the system", "light": "light", "dark": "dark"}
_COOKIE = "entrepot_{}"
_YEAR = 31_536_000


@dataclass(frozen=True)
class Preferences:
    """What one browser keeps.

    Attributes
    ----------
    theme
        ``system``, ``light`` or ``dark``.
    zone
        IANA name of the time zone in which instants are shown.
    """

    theme: str = "system"
    zone: str = "UTC"

    @classmethod
    def of(cls, request: Request) -> "Preferences":
        """Return the preferences of who asks; what a browser sends that is none counts as not sent."""
        theme, zone = (request.cookies.get(_COOKIE.format(name), "") for name in ("theme", "zone"))
        return cls(theme if theme in THEMES else "system", zone if zone in zones() else "UTC")

    @property
    def tzinfo(self) -> tzinfo:
        """The time zone."""
        return UTC if self.zone == "UTC" else ZoneInfo(self.zone)

    def at(self, value: datetime | None) -> str:
        """Return an instant to the second, for a page."""
        if value is None:
            return ""
        utc = value.astimezone(UTC)
        shown = value.astimezone(self.tzinfo).strftime("%Y-%m-%d %H:%M:%S")
        return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
            utc.strftime("%Y-%m-%dT%H:%M:%SZ"), utc.strftime("%Y-%m-%d %H:%M:%S"), shown
        )


@cache
def zones() -> frozenset[str]:
    """Return the names of the time zones there are."""
    return frozenset(name for name in available_timezones() if name[0].isupper() and not name.startswith("Etc/"))


def keep(request: Request, response: Response, fields: dict[str, str]) -> Response:
    """Have the browser keep what a form says."""
    choices = {"theme": THEMES.keys(), "zone": zones()}
    for name, known in choices.items():
        if name in fields:
            if fields[name] not in known:
                raise InvalidInput.field(name, "There is none of this name.")
            response.set_cookie(
                _COOKIE.format(name), fields[name], max_age=_YEAR, path="/console", httponly=True, samesite="lax",
                secure=request.url.scheme == "https",
            )  # fmt: skip
    return response
