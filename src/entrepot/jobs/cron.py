"""Six-field crons (seconds first) in a time zone, across changes of time.

A cron that names its hours speaks of the wall clock: in the hour that comes twice it fires once, and what falls into
the hour that does not exist fires an hour later by the clock. A cron whose hour is ``*`` speaks of elapsed time: it
fires on through both.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import CroniterError, croniter

from entrepot.errors import InvalidInput

_HOUR = 2


def validate_cron(text: str) -> None:
    """Raise :class:`InvalidInput`, with the reason, unless it is a cron of six fields that fires some day."""
    fields = text.split()
    if len(fields) != 6:
        raise InvalidInput(f"A cron has six fields (second minute hour day month weekday), not {len(fields)}.")
    if any(field[0] in "RrHh" for field in fields):
        raise InvalidInput("Random and hashed fields are not supported in a cron.")
    try:
        _next_on_the_clock(text, datetime(2024, 1, 1))  # noqa: DTZ001 - a wall clock
    except CroniterError as error:
        raise InvalidInput(f"Not a cron: {error}.") from error


def next_after(text: str, timezone: str, after: datetime) -> datetime:
    """Return the first instant later than `after` at which a cron fires, in UTC.

    Parameters
    ----------
    text
        A valid cron.
    timezone
        IANA name of the zone in which it is meant.
    after
        Aware instant.
    """
    zone = ZoneInfo(timezone)
    if text.split()[_HOUR] == "*":
        return _next_by_elapsed_time(text, zone, after)
    wall = after.astimezone(zone).replace(tzinfo=None)
    while True:
        wall = _next_on_the_clock(text, wall)
        # fold=0 is the first of two equal readings, and carries on past a gap.
        instant = wall.replace(tzinfo=zone).astimezone(UTC)
        if instant > after:
            return instant


def _next_by_elapsed_time(text: str, zone: ZoneInfo, after: datetime) -> datetime:
    start, offset = after.astimezone(UTC), _offset(after, zone)
    while True:
        instant = (_next_on_the_clock(text, (start + offset).replace(tzinfo=None)) - offset).replace(tzinfo=UTC)
        if _offset(instant, zone) == offset:
            return instant
        # The clock changes before: look on from there, with the new offset.
        change = _first_change(start, instant, zone)
        start, offset = change - timedelta(seconds=1), _offset(change, zone)


def _first_change(start: datetime, stop: datetime, zone: ZoneInfo) -> datetime:
    """Return the first second after `start`, until `stop`, that has another offset than `start`."""
    old = _offset(start, zone)
    before, since = int(start.timestamp()), int(stop.timestamp())
    while since - before > 1:
        middle = (before + since) // 2
        if _offset(datetime.fromtimestamp(middle, UTC), zone) == old:
            before = middle
        else:
            since = middle
    return datetime.fromtimestamp(since, UTC)


def _offset(instant: datetime, zone: ZoneInfo) -> timedelta:
    return instant.astimezone(zone).utcoffset() or timedelta()


def _next_on_the_clock(text: str, wall: datetime) -> datetime:
    following: datetime = croniter(text, wall, second_at_beginning=True).get_next(datetime)
    return following
