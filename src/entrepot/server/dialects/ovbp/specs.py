"""What the bodies of each resource may hold."""

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
)

_NAME = Field(text, required=True)
_TEXT, _BOOLEAN, _INTEGER = Field(text), Field(boolean), Field(integer)
_TEXT_OR_NULL, _STEPS_OR_NULL = Field(text, null=True), Field(steps, null=True)


def _part_of() -> Field:
    return Field(identifier, required=True, fixed=True)


PROJECT: Final[Spec] = {
    "organization": _part_of(),
    "name": _NAME,
    "comment": _TEXT,
    "private_comment": _TEXT,
    "is_visible": _BOOLEAN,
    "display_buildings": _BOOLEAN,
    "creation_date": Field(day),
}
ODATA_PROJECT: Final[Spec] = {"name": _TEXT, "comment": _TEXT, "mail_alerts_activated": _BOOLEAN}
GATE: Final[Spec] = {"project": _part_of(), "name": _NAME, "comment": _TEXT}
BASE_FEEDER: Final[Spec] = {"gate": _part_of(), "timezone": _TEXT, "crontab": _TEXT, "active": _BOOLEAN}
_FEEDER_OPTIONS: Final[Spec] = {"parameters": Field(anything), "credentials": Field(anything, null=True)}
GENERIC_FEEDER: Final[Spec] = {"base_feeder": _part_of(), "script": Field(text, required=True), **_FEEDER_OPTIONS}
WEBSERVICE_FEEDER: Final[Spec] = {"base_feeder": _part_of(), "url": _TEXT, **_FEEDER_OPTIONS}
IMPORTER: Final[Spec] = {
    "project": _part_of(),
    "name": _NAME,
    "comment": _TEXT,
    "active": _BOOLEAN,
    "gate": Field(identifier, null=True),
    "crontab": _TEXT,
    "auto_partial_reset": _BOOLEAN,
    "parse_script": _TEXT,
    "root_dir_path": _TEXT,
    "re_run_last_file": _BOOLEAN,
    "notify_missing_files_nb": _INTEGER,
    "max_ante_scanned_files_nb": _INTEGER,
    "last_imported_path": _TEXT_OR_NULL,
}
CLEANER: Final[Spec] = {"name": _TEXT, "comment": _TEXT}
UNITCLEANER: Final[Spec] = {
    "cleaner": _part_of(),
    "external_name": _NAME,
    "name": _NAME,
    "active": _BOOLEAN,
    "freq": _TEXT,
    "input_unit_type": _TEXT,
    "unit_type": _TEXT,
    "input_convention": _TEXT,
    "clock": _TEXT,
    "timezone": _TEXT,
    "unit": _TEXT,
    "label": _TEXT,
    "resample_rule": _TEXT,
    "interpolate_limit": _INTEGER,
    "wait_offset": _TEXT,
    "input_expected_regular": _BOOLEAN,
    "operation_fct": _TEXT_OR_NULL,
    "filter_fct": _TEXT_OR_NULL,
    "derivative_filter_fct": _TEXT_OR_NULL,
    "custom_fct": _TEXT_OR_NULL,
    "custom_delay": _TEXT_OR_NULL,
    "custom_before_offset": _STEPS_OR_NULL,
    "custom_after_offset": _STEPS_OR_NULL,
    "numerical_filter": Field(anything, null=True),
}
ANALYSIS: Final[Spec] = {"project": _part_of(), "name": _NAME, "comment": _TEXT, "active": _BOOLEAN}
ANALYSIS_CONFIG: Final[Spec] = {
    "analysis": _part_of(),
    "input_freq": _NAME,
    "output_freq": _NAME,
    "script": _NAME,
    "output_tags": Field(list_of(text)),
    "clock": _TEXT,
    "output_timezone": _TEXT,
    "start_with_first": _BOOLEAN,
    "wait_for_last": _BOOLEAN,
    "custom_before_offset": _STEPS_OR_NULL,
    "custom_after_offset": _STEPS_OR_NULL,
    "before_offset_strict_mode": _BOOLEAN,
    "with_tags": _BOOLEAN,
    "wait_offset": _TEXT,
    "custom_delay": _TEXT_OR_NULL,
    "script_method": _TEXT,
}
ANALYSIS_INPUT: Final[Spec] = {
    "analysis": _part_of(),
    "input_series_generator": Field(identifier, required=True),
    "input_series_name": _NAME,
    "column_name": _NAME,
}
ANALYSIS_OUTPUT: Final[Spec] = {
    "analysis": _part_of(),
    "name": _NAME,
    "resample_rule": _TEXT,
    "label": _TEXT,
    "unit": _TEXT,
    "numerical_filter": Field(anything, null=True),
}
NOTIFICATION: Final[Spec] = {"resolved": _BOOLEAN, "read": _BOOLEAN}
#: Bodies of actions.
ACTIVE: Final[Spec] = {"value": Field(boolean, required=True)}
ACTION: Final[Spec] = {
    "name": Field(one_of("run", "clear", "reset"), required=True),
    "partial_instant": Field(moment, null=True),
}
LIST_DIR: Final[Spec] = {"path": _TEXT, "root_dir_path": _TEXT}
FTP_ACCOUNT: Final[Spec] = {
    "password": Field(text, null=True),
    **{f"custom_{name}": Field(anything, null=True) for name in ("host", "port", "protocol", "login")},
}
MULTI_SELECT: Final[Spec] = {"otsdb_pk": Field(list_of(key), required=True)}
EXPORT: Final[Spec] = {
    "series": Field(list_of(identifier), required=True),
    "start": Field(moment, null=True),
    "end": Field(moment, null=True),
    "out_freq": _TEXT_OR_NULL,
    "clock": Field(one_of("gmt", "tzt", "dst"), null=True),
    "out_mode": Field(one_of("series", "dataframe"), null=True),
    "sep": _TEXT_OR_NULL,
    "decimal": _TEXT_OR_NULL,
    "time_grouper": _TEXT_OR_NULL,
    "with_tags": Field(boolean, null=True),
    "in_start_mode": Field(one_of("left", "right"), null=True),
    "in_end_mode": Field(one_of("left", "right"), null=True),
    "publish": Field(anything, null=True),
}
