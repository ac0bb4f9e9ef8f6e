"""What the bodies of each resource may hold, and what the domain calls it: the one table of this dialect's words.

Fields stand in the order in which clients print them.
"""

from dataclasses import replace
from typing import Final

from entrepot.server.dialects.ovbp.parse import (
    Field,
    Spec,
    anything,
    boolean,
    day,
    identifier,
    integer,
    key,
    list_of,
    moment,
    one_of,
    steps,
    text,
    word_of,
)

_NAME = Field(text, required=True)
_TEXT, _BOOLEAN, _INTEGER = Field(text), Field(boolean), Field(integer)
_TEXT_OR_NULL, _STEPS_OR_NULL = Field(text, null=True), Field(steps, null=True)
#: The wire's words for values, with the domain's.
CLOCKS: Final = {"gmt": "utc", "tzt": "standard", "dst": "local"}
KINDS: Final = {"instantaneous": "instant", "delta": "amount", "mean": "mean", "mean_derivate": "rate"}
SOURCES: Final = {"script": "genericbasicfeeder", "address": "staticwebservicefeeder"}
SIDES: Final = {"left": "start", "right": "end"}
CLOCK = word_of(CLOCKS)


def _part_of(ours: str = "") -> Field:
    return Field(identifier, required=True, fixed=True, ours=ours)


def _as(ours: str, field: Field = _TEXT) -> Field:
    return replace(field, ours=ours)


def _kept(field: Field, default: object = None) -> Field:
    return replace(field, kept=True, default=default)


PROJECT: Final[Spec] = {
    "organization": _part_of(),
    "name": _NAME,
    "comment": _as("description"),
    "private_comment": _kept(_TEXT, ""),
    "is_visible": _kept(_BOOLEAN, True),
    "display_buildings": _kept(_BOOLEAN, False),
    "creation_date": _kept(Field(lambda value: day(value).isoformat())),
}
ODATA_PROJECT: Final[Spec] = {
    "name": _TEXT,
    "comment": _as("description"),
    "mail_alerts_activated": _as("mails", _BOOLEAN),
}
GATE: Final[Spec] = {
    "project": _part_of(),
    "name": _NAME,
    "comment": _as("description"),
}
BASE_FEEDER: Final[Spec] = {
    "gate": _part_of(),
    "timezone": _TEXT,
    "crontab": _as("schedule"),
    "active": _BOOLEAN,
}
_FEEDER_OPTIONS: Final[Spec] = {"parameters": Field(anything), "credentials": Field(anything, null=True)}
GENERIC_FEEDER: Final[Spec] = {"base_feeder": _part_of(), "script": Field(text, required=True), **_FEEDER_OPTIONS}
WEBSERVICE_FEEDER: Final[Spec] = {"base_feeder": _part_of(), "url": _TEXT, **_FEEDER_OPTIONS}
IMPORTER: Final[Spec] = {
    "project": _part_of(),
    "name": _NAME,
    "comment": _as("description"),
    "active": _BOOLEAN,
    "gate": Field(identifier, null=True),
    "crontab": _as("schedule"),
    "auto_partial_reset": _as("recomputes", _BOOLEAN),
    "parse_script": _as("parse"),
    "root_dir_path": _as("folder"),
    "re_run_last_file": _as("rereads_last", _BOOLEAN),
    "notify_missing_files_nb": _as("told_after", _INTEGER),
    "max_ante_scanned_files_nb": _as("rereads", _INTEGER),
    "last_imported_path": _as("last_path", _TEXT_OR_NULL),
}
CLEANER: Final[Spec] = {
    "name": _TEXT,
    "comment": _as("description"),
}
UNITCLEANER: Final[Spec] = {
    "cleaner": _part_of(),
    "active": _BOOLEAN,
    "external_name": _as("raw", _NAME),
    "name": _NAME,
    "freq": _as("step"),
    "input_unit_type": _as("raw_kind", word_of(KINDS)),
    "unit_type": _as("kind", word_of(KINDS)),
    "input_convention": _as("stamped", word_of(SIDES)),
    "clock": CLOCK,
    "timezone": _TEXT,
    "unit": _TEXT,
    "label": _as("title"),
    "resample_rule": _as("rule"),
    "interpolate_limit": _as("fill", _INTEGER),
    "wait_offset": _as("patience"),
    "input_expected_regular": _as("on_grid", _BOOLEAN),
    "operation_fct": _as("convert", _TEXT_OR_NULL),
    "filter_fct": _as("keep", _TEXT_OR_NULL),
    "derivative_filter_fct": _as("keep_rate", _TEXT_OR_NULL),
    "custom_fct": _as("custom", _TEXT_OR_NULL),
    "custom_delay": _as("delay", _TEXT_OR_NULL),
    "custom_before_offset": _as("before", _STEPS_OR_NULL),
    "custom_after_offset": _as("after", _STEPS_OR_NULL),
    "numerical_filter": _kept(Field(anything, null=True)),
}
ANALYSIS: Final[Spec] = {
    "project": _part_of(),
    "name": _NAME,
    "comment": _as("description"),
    "active": _BOOLEAN,
}
ANALYSIS_CONFIG: Final[Spec] = {
    "analysis": _part_of(),
    "output_tags": _kept(Field(list_of(text)), []),
    "clock": CLOCK,
    "output_timezone": _as("timezone"),
    "start_with_first": _as("starts_with_first", _BOOLEAN),
    "wait_for_last": _as("waits", _BOOLEAN),
    "input_freq": _as("input_step", _NAME),
    "output_freq": _as("step", _NAME),
    "custom_before_offset": _as("before", _STEPS_OR_NULL),
    "custom_after_offset": _as("after", _STEPS_OR_NULL),
    "before_offset_strict_mode": _as("strict_before", _BOOLEAN),
    "with_tags": _kept(_BOOLEAN, False),
    "script": _NAME,
    "script_method": _kept(Field(one_of("array")), "array"),
    "wait_offset": _as("patience"),
    "custom_delay": _as("delay", _TEXT_OR_NULL),
}
ANALYSIS_INPUT: Final[Spec] = {
    "analysis": _part_of(),
    "input_series_generator": _as("generator_id", Field(identifier, required=True)),
    "input_series_name": _as("series_name", _NAME),
    "column_name": _as("column", _NAME),
}
ANALYSIS_OUTPUT: Final[Spec] = {
    "analysis": _part_of(),
    "name": _NAME,
    "resample_rule": _as("rule"),
    "label": _as("title"),
    "unit": _TEXT,
    "numerical_filter": _kept(Field(anything, null=True)),
}
NOTIFICATION: Final[Spec] = {"resolved": _BOOLEAN, "read": _BOOLEAN}
#: Bodies of actions.
ACTIVE: Final[Spec] = {"value": Field(boolean, required=True)}
ACTION: Final[Spec] = {
    "name": Field(one_of("run", "clear", "reset"), required=True),
    "partial_instant": Field(moment, null=True),
}
LIST_DIR: Final[Spec] = {"path": _TEXT, "root_dir_path": _as("folder")}
FTP_ACCOUNT: Final[Spec] = {
    "password": Field(text, null=True),
    **{f"custom_{name}": Field(anything, null=True) for name in ("host", "port", "protocol", "login")},
}
MULTI_SELECT: Final[Spec] = {"otsdb_pk": Field(list_of(key), required=True)}
EXPORT: Final[Spec] = {
    "series": Field(list_of(identifier), required=True),
    "start": Field(moment, null=True),
    "end": Field(moment, null=True),
    "out_freq": _as("step", _TEXT_OR_NULL),
    "clock": replace(CLOCK, null=True),
    "out_mode": _as("layout", Field(one_of("series", "dataframe"), null=True)),
    "sep": _as("separator", _TEXT_OR_NULL),
    "decimal": _TEXT_OR_NULL,
    "time_grouper": _TEXT_OR_NULL,
    "with_tags": _as("tags", Field(boolean, null=True)),
    "in_start_mode": Field(one_of("left", "right"), null=True),
    "in_end_mode": Field(one_of("left", "right"), null=True),
    "publish": Field(anything, null=True),
}
