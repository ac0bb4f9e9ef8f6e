"""How one raw series is to be cleaned: the configuration of a channel, checked and read."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, get_args

from entrepot.errors import InvalidInput
from entrepot.series.clocks import KINDS, UTC_CLOCK, Clock, Kind, check_timezone
from entrepot.series.frequency import HOUR, MINUTE, Frequency

UnitType = Literal["instant", "amount", "mean", "rate"]
Stamped = Literal["start", "end"]
ResampleRule = Literal["mean", "first", "sum"]

OUTPUTS: Final[Mapping[str, tuple[UnitType, ...]]] = {
    "instant": ("instant", "mean", "amount", "rate"),
    "amount": ("amount", "rate"),
    "mean": ("mean",),
}
FUNCTIONS: Final = ("convert", "keep", "keep_rate", "custom")
MAX_STEPS: Final = 1_000_000
SIX_HOURS: Final = Frequency.parse("6H")
_TIME_OF_DAY: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


@dataclass(frozen=True, slots=True)
class CleaningSpec:
    """The configuration of a channel, as far as it decides what comes out.

    Attributes
    ----------
    step
        The step of the output.
    raw_kind, kind
        What a value of the input and of the output says: the state at an instant, an amount over an interval, a mean
        over an interval, an amount per second.
    stamped
        Whether amounts and means are stamped at the start or the end of their interval.
    clock, timezone
        The clock that wrote the input's stamps.
    rule
        How several states at instants become one.
    fill
        The longest gap, in steps, that is filled.
    patience
        For how long readers of the output wait for it when it is late.
    on_grid
        Whether points off the grid of `step` are dropped.
    has_operation, has_filter, has_derivative_filter, has_custom
        Which of the user's functions there are.
    delay
        How long to wait after the end of an interval before it is computed.
    day_begins
        What the wall clock shows when a day of the output begins, in microseconds; None: days begin at midnight of
        standard time.
    filter_first
        Whether the bounds and the filter drop points, before they become steps.
    minimum, maximum
        Values beyond these are dropped; None: none are.
    completeness
        The share of its points that a step must have, from 0 to 1; None: any.
    instants
        Whether the input's stamps are instants, whatever `clock` says.
    before, after
        The raw data that the custom function needs on either side of what it makes: a number of steps, or a frequency.
    """

    step: Frequency
    raw_kind: UnitType = "instant"
    kind: UnitType = "instant"
    stamped: Stamped = "start"
    clock: Kind = "standard"
    timezone: str = "Europe/Paris"
    rule: ResampleRule = "mean"
    fill: int = 0
    patience: Frequency = SIX_HOURS
    on_grid: bool = False
    has_operation: bool = False
    has_filter: bool = False
    has_derivative_filter: bool = False
    has_custom: bool = False
    delay: Frequency | None = None
    day_begins: int | None = None
    filter_first: bool = False
    minimum: float | None = None
    maximum: float | None = None
    completeness: float | None = None
    instants: bool = False
    before: int | Frequency | None = None
    after: int | Frequency | None = None

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Self:
        """Read the fields of a channel, which `validate` has accepted."""

        def length(name: str) -> Frequency | None:
            return None if fields.get(name) is None else Frequency.parse(fields[name], zero=True)

        def offset(name: str) -> int | Frequency | None:
            value = fields.get(name)
            return value if isinstance(value, int) else length(name)

        copied = ("raw_kind", "kind", "stamped", "clock", "timezone", "rule")
        operation, filter_, derivative_filter, custom = (bool((fields.get(name) or "").strip()) for name in FUNCTIONS)
        return cls(
            step=Frequency.parse(fields["step"]),
            **{name: fields[name] for name in copied},
            fill=fields["fill"],
            patience=Frequency.parse(fields["patience"], zero=True),
            on_grid=fields["on_grid"],
            has_operation=operation,
            has_filter=filter_,
            has_derivative_filter=derivative_filter,
            has_custom=custom,
            delay=length("delay"),
            day_begins=time_of_day(fields.get("day_begins")),
            filter_first=bool(fields.get("filter_first")),
            minimum=fields.get("minimum"),
            maximum=fields.get("maximum"),
            completeness=None if (share := fields.get("completeness")) is None else share / 100,
            before=offset("before"),
            after=offset("after"),
        )

    @property
    def input_clock(self) -> Clock:
        """The clock that wrote the input's stamps."""
        return UTC_CLOCK if self.instants else Clock(self.clock, self.timezone)

    @property
    def output_clock(self) -> Clock:
        """The clock in which the output is presented, whose days its grid follows."""
        return (
            Clock("standard", self.timezone)
            if self.day_begins is None
            else Clock("local", self.timezone, self.day_begins)
        )

    @property
    def filters(self) -> bool:
        """Whether some values may be dropped by what they are."""
        return self.has_filter or self.minimum is not None or self.maximum is not None

    @property
    def is_index(self) -> bool:
        """Whether the input is read off at the bounds of each step, as a meter is."""
        return self.raw_kind == "instant" and self.kind in ("amount", "rate")

    @property
    def has_durations(self) -> bool:
        """Whether a point of the input stands for a span of time rather than for an instant."""
        return self.raw_kind != "instant"

    @property
    def declared_step(self) -> int | None:
        """The step of the input, in microseconds, where it is expected to be regular."""
        return self.step.microseconds if self.on_grid else None

    @property
    def weighs_points(self) -> bool:
        """Whether it matters how much time a point stands for."""
        return self.has_durations or self.completeness is not None

    @property
    def looks_around(self) -> bool:
        """Whether the neighbours of a point say how much time it stands for."""
        return self.declared_step is None and self.weighs_points

    @property
    def drops_points(self) -> bool:
        """Whether some points of the input do not count, so that others become neighbours."""
        return self.on_grid or self.filter_first

    @property
    def makes_points_anywhere(self) -> bool:
        """Whether a change of one point may have any points become neighbours."""
        if self.has_custom and (self.custom_reach is None or self.looks_around):
            return True
        return self.looks_around and self.on_grid

    @property
    def custom_reach(self) -> tuple[int, int] | None:
        """How far before and after what it makes the custom function looks, in microseconds; None: anywhere."""
        if self.before is None and self.after is None:
            return None
        before, after = (self._reach(offset) for offset in (self.before, self.after))
        return before, after

    def _reach(self, offset: int | Frequency | None) -> int:
        if isinstance(offset, Frequency):
            return offset.longest
        return (offset or 0) * self.step.longest


def time_of_day(text: str | None) -> int | None:
    """Return what a clock shows, such as ``06:00``, in microseconds since midnight.

    Raises
    ------
    InvalidInput
        It is none.
    """
    if text is None:
        return None
    if not isinstance(text, str) or not _TIME_OF_DAY.fullmatch(text):
        raise InvalidInput(f"{_shown(text)} is no time of day such as 06:00.")
    hours, minutes = text.split(":")
    return int(hours) * HOUR + int(minutes) * MINUTE


def validate(fields: Mapping[str, Any]) -> None:
    """Refuse the fields of a channel that cannot be accepted.

    Parameters
    ----------
    fields
        Those of the fields that are to be set, by name; for a change of some, give the whole record as it will be,
        so that the two unit types are judged together. Names that are not fields of a channel are not looked at.

    Raises
    ------
    InvalidInput
        Names each field at fault.
    """
    faults: dict[str, list[str]] = {}
    for name, value in fields.items():
        check = _CHECKS.get(name)
        fault = check(value) if check is not None else None
        if fault is not None:
            faults[name] = [fault]
    both = {"raw_kind", "kind"}
    if both <= fields.keys() and not both & faults.keys() and fields["kind"] not in OUTPUTS[fields["raw_kind"]]:
        source, target = fields["raw_kind"], fields["kind"]
        faults["kind"] = [f"{source} can become {' or '.join(OUTPUTS[source])}, not {target}."]
    least, most = fields.get("minimum"), fields.get("maximum")
    if least is not None and most is not None and not {"minimum", "maximum"} & faults.keys() and least > most:
        faults["maximum"] = ["This is less than the minimum."]
    if faults:
        raise InvalidInput(fields=faults)


def _one_of(*allowed: str) -> Any:
    def check(value: object) -> str | None:
        known = isinstance(value, str) and value in allowed
        return None if known else f"{_shown(value)} is not one of {', '.join(allowed)}."

    return check


def _text(value: object) -> str | None:
    return None if isinstance(value, str) else f"{_shown(value)} is not a text."


def _name(value: object) -> str | None:
    return None if isinstance(value, str) and value.strip() else "A name is needed."


def _optional_text(value: object) -> str | None:
    return None if value is None else _text(value)


def _flag(value: object) -> str | None:
    return None if isinstance(value, bool) else f"{_shown(value)} is neither true nor false."


def _day_begins(value: object) -> str | None:
    try:
        time_of_day(value)  # type: ignore[arg-type]
    except InvalidInput as error:
        return error.message
    return None


def _per_cent(value: object) -> str | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 100):
        return None
    return f"{_shown(value)} is not a share in per cent, more than 0 and at most 100."


def _bound(value: object) -> str | None:
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)):
        return None
    return f"{_shown(value)} is not a number."


def _steps(value: object) -> str | None:
    whole = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_STEPS
    return None if whole else f"{_shown(value)} is not a whole number from 0 to {MAX_STEPS}."


def _frequency(value: object, *, zero: bool = False) -> str | None:
    try:
        Frequency.parse(value, zero=zero)
    except InvalidInput as error:
        return error.message
    return None


def _length(value: object) -> str | None:
    return _frequency(value, zero=True)


def _optional_length(value: object) -> str | None:
    return None if value is None else _length(value)


def _offset(value: object) -> str | None:
    return _steps(value) if isinstance(value, (int, float)) else _optional_length(value)


def _timezone(value: object) -> str | None:
    try:
        check_timezone(value)
    except InvalidInput as error:
        return " ".join(error.fields["timezone"])
    return None


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."


_CHECKS: Final[Mapping[str, Any]] = {
    "raw": _name,
    "name": _name,
    "step": _frequency,
    "raw_kind": _one_of(*OUTPUTS),
    "kind": _one_of(*get_args(UnitType)),
    "stamped": _one_of(*get_args(Stamped)),
    "clock": _one_of(*KINDS),
    "timezone": _timezone,
    "unit": _text,
    "title": _text,
    "rule": _one_of(*get_args(ResampleRule)),
    "fill": _steps,
    "patience": _length,
    "on_grid": _flag,
    **dict.fromkeys(FUNCTIONS, _optional_text),
    "delay": _optional_length,
    "day_begins": _day_begins,
    "filter_first": _flag,
    "minimum": _bound,
    "maximum": _bound,
    "completeness": _per_cent,
    "before": _offset,
    "after": _offset,
}
