"""How series are looked at, on a plot, as a table and as files: in which steps, by which clock, beside which period."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from entrepot.errors import EntrepotError
from entrepot.series.clock_names import clock_name
from entrepot.series.looking import PERIOD, Look
from entrepot.series.models import Series
from entrepot.series.points import EMPTY, Points, concatenate
from entrepot.series.stepping import AGGREGATES
from entrepot.server.api.envelopes import LOOK, look_of
from entrepot.server.api.parameters import instant_of
from entrepot.server.console.listing import Field
from entrepot.server.console.preferences import Preferences
from entrepot.server.endpoint import Call
from entrepot.server.patience import budget_of

_STEPS = {
    "": "as they are", "1min": "1 minute", "10min": "10 minutes", "1h": "1 hour", "1D": "1 day", "1W": "1 week",
    "1M": "1 month", "1Y": "1 year",
}  # fmt: skip
_BEFORE = {
    "": "nothing", PERIOD: "the period before", "1D": "1 day before", "1W": "1 week before", "4W": "4 weeks before",
    "1M": "1 month before", "1Y": "1 year before",
}  # fmt: skip


@dataclass(frozen=True)
class Seen:
    """A column of what is seen: a series, how it is called there, and how it is looked at."""

    series: Series
    name: str
    look: Look

    def points(self, call: Call, start: int, stop: int, most: int) -> Points:
        """Return its points in [start, stop): all of them, or somewhat more than so many."""
        held, count = [EMPTY], 0
        for part in self.look.points(call.session, self.series, start, stop, budget_of(call.services.settings).check):
            held.append(part)
            if (count := count + len(part)) > most:
                break
        return concatenate(held)


def asked(call: Call) -> dict[str, str]:
    """Return what the address says of it."""
    return {name: text for name in LOOK if (text := call.query.get(name, "").strip())}


def fields(given: dict[str, str]) -> list[Field]:
    """Return the fields by which somebody chooses how to look; what the address has besides is a choice, too."""
    step, how, before = (given.get(name, "") for name in ("step", "aggregate", "before"))
    hows = ((name, name.replace("_", " ")) for name in AGGREGATES)
    return [
        Field("step", "Steps", step, tuple(({step: step} | _STEPS).items())),
        Field("aggregate", "Of a step, the", how or "mean", tuple(hows)),
        Field("clock", "Clock, as Europe/Paris", given.get("clock", "")),
        Field("before", "Compared with", before, tuple(({before: f"{before} before"} | _BEFORE).items())),
    ]


def read(call: Call) -> tuple[Look, EntrepotError | None]:
    """Return how to look, or how one looks usually and why what the address says is no way."""
    try:
        return look_of(call), None
    except EntrepotError as error:
        return Look(), error


def said_before(look: Look) -> str:
    """Return the earlier period in words; empty where there is none."""
    return _BEFORE.get(look.before, f"{look.before} before") if look.before else ""


def columns(look: Look, chosen: Sequence[Series]) -> list[Seen]:
    """Return what is seen: each series, and each in the earlier period."""
    now = replace(look, before="")
    found = [Seen(one, one.name, now) for one in chosen]
    earlier = [Seen(one, f"{one.name}, {said_before(look)}", look) for one in chosen] if look.before else []
    return [*found, *earlier]


def window(call: Call, chosen: Sequence[Series]) -> tuple[int, int]:
    """Return from when to when is seen: what the address says, or all that the series hold."""
    start, stop = instant_of(call, "from"), instant_of(call, "to")
    if start is None:
        start = min((one.first for one in chosen if one.first is not None), default=0)
    if stop is None:
        stop = max((one.last + 1 for one in chosen if one.last is not None), default=start + 1)
    return start, max(start + 1, stop)


def preferences(call: Call, look: Look) -> Preferences:
    """Return how instants are shown: by the clock that was chosen, where it is one of the wall."""
    liked = Preferences.of(call.request)
    name = clock_name(look.clock.kind, look.clock.timezone) if look.clock is not None else None
    shown = name if look.clock is not None and look.clock.kind != "standard" else None
    return replace(liked, zone=shown) if shown else liked
