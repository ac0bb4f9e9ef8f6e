"""Records as clients of this dialect know them: their keys, in the order in which clients print them.

Lists, creations and changes are answered *flat*: ids of other records, and null for ``rights``. A single record is
answered *detailed*: given who asks, ``rights`` says what it may do, and some records are nested.
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from entrepot import jobs
from entrepot.events import Notification
from entrepot.identity import FtpAccount, Organization, Principal, Project
from entrepot.pipeline import notices
from entrepot.pipeline.models import (
    Analysis,
    AnalysisConfig,
    AnalysisInput,
    AnalysisOutput,
    BaseFeeder,
    Cleaner,
    Gate,
    Importer,
    ImporterSeries,
    Unitcleaner,
)
from entrepot.series.models import Series

Record = dict[str, Any]


def instant(value: datetime | None) -> str | None:
    """Return an instant with the six digits of fraction by which clients know one."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if value else None


def second(value: datetime | None) -> str | None:
    """Return an instant to the second, which clients leave as text."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if value else None


def rights(principal: Principal | None, organization_id: str, project_id: str | None = None) -> dict[str, bool] | None:
    """Return what the caller may do with a record of the organization; None where nobody is asked about."""
    if principal is None:
        return None
    can = {right: principal.can(right, organization_id, project_id) for right in ("read", "write", "admin")}
    return {
        "can_delete": can["write"],
        "can_read": can["read"],
        "can_admin": can["admin"],
        "can_write": can["write"],
    }


def derived_id(of: str, what: str) -> str:
    """Return the id of something that this product does not keep apart from the record that it belongs to."""
    return str(uuid.uuid5(uuid.UUID(of), what))


def organization(record: Organization, principal: Principal | None = None) -> Record:
    """Render an organization."""
    return {
        "id": record.id,
        "rights": rights(principal, record.id),
        "name": record.name,
        "comment": record.comment,
        "control_affiliations": False,
        "log_activity": False,
        "ftp_account": derived_id(record.id, "ftp_account"),
    }


def project(record: Project, principal: Principal | None = None) -> Record:
    """Render a project, its organization nested."""
    return {
        "id": record.id,
        "rights": rights(principal, record.organization_id, record.id),
        "odata": record.id,
        "obuildings": derived_id(record.id, "obuildings"),
        "is_visible": record.is_visible,
        "organization": organization(record.organization),
        "name": record.name,
        "comment": record.comment,
        "private_comment": record.private_comment,
        "creation_date": record.creation_date.isoformat(),
        "display_buildings": record.display_buildings,
    }


def odata_project(record: Project, principal: Principal | None = None) -> Record:
    """Render what a project is under ``odata``: it has the same id."""
    return {
        "id": record.id,
        "rights": rights(principal, record.organization_id, record.id),
        "name": record.name,
        "comment": record.comment,
        "mail_alerts_activated": record.mail_alerts_activated,
        "organization": record.organization_id,
    }


def ftp_account(record: FtpAccount, address: tuple[str, str, int]) -> Record:
    """Render an FTP account, at a protocol, host and port; its password is asked for apart."""
    protocol, host, port = address
    return {"id": record.id, "rights": None, "protocol": protocol, "host": host, "port": port, "login": record.login}


def gate(record: Gate, account: Record | None, principal: Principal | None = None) -> Record:
    """Render a gate, its FTP account and its feeder nested."""
    return {
        "id": record.id,
        "rights": rights(principal, record.organization_id, record.project_id),
        "name": record.name,
        "comment": record.comment,
        "model": "gate",
        "project": record.project_id,
        "ftp_account": account,
        "base_feeder": base_feeder(record.feeder) if record.feeder else None,
    }


def base_feeder(record: BaseFeeder, principal: Principal | None = None) -> Record:
    """Render a feeder."""
    return {
        "id": record.id,
        "rights": rights(principal, record.gate.organization_id, record.gate.project_id),
        "gate": record.gate_id,
        "timezone": record.timezone,
        "crontab": record.crontab,
        "active": record.active,
        "child_id": record.child_id,
        "child_model": record.child_model,
    }


def feeder_child(record: BaseFeeder, principal: Principal | None = None) -> Record:
    """Render the settings of how a feeder fetches; of its credentials, which there are."""
    return {
        "id": record.child_id,
        "rights": rights(principal, record.gate.organization_id, record.gate.project_id),
        "base_feeder": record.id,
        **record.child,
        "credentials": record.credential_names,
    }


def importer(record: Importer, gate: Record | str | None, principal: Principal | None = None) -> Record:
    """Render an importer; its gate is nested where it is detailed."""
    return {
        "id": record.id,
        "rights": rights(principal, record.organization_id, record.project_id),
        "active": record.active,
        "name": record.name,
        "comment": record.comment,
        "model": record.kind,
        "crontab": record.crontab,
        "auto_partial_reset": record.auto_partial_reset,
        "parse_script": record.parse_script,
        "root_dir_path": record.root_dir_path,
        "re_run_last_file": record.re_run_last_file,
        "notify_missing_files_nb": record.notify_missing_files_nb,
        "max_ante_scanned_files_nb": record.max_ante_scanned_files_nb,
        "last_run": instant(record.last_run),
        "last_clear": instant(record.last_clear),
        "last_imported_path": record.last_imported_path,
        "latest_imported_mdate": second(record.latest_imported_mdate),
        "project": record.project_id,
        "gate": gate,
    }


def importer_series(record: ImporterSeries, unitcleaner_id: str | None, given: dict[str, bool] | None = None) -> Record:
    """Render a raw series as cleaners see it."""
    return {
        "id": record.id,
        "rights": given,
        "name": record.external_name,
        "external_name": record.external_name,
        "unitcleaner": unitcleaner_id,
        "generator": record.importer_id,
    }


def cleaner(record: Cleaner, principal: Principal | None = None) -> Record:
    """Render a cleaner."""
    return {
        "id": record.id,
        "rights": rights(principal, record.organization_id, record.project_id),
        "name": record.name,
        "comment": record.comment,
        "model": record.kind,
        "last_run": instant(record.last_run),
        "last_clear": instant(record.last_clear),
        "project": record.project_id,
        "related_importer": record.importer_id,
    }


def unitcleaner(record: Unitcleaner, principal: Principal | None = None) -> Record:
    """Render a unit cleaner: every value as it was given."""
    return {
        "id": record.id,
        "rights": rights(principal, record.cleaner.organization_id, record.cleaner.project_id),
        "active": record.active,
        "external_name": record.external_name,
        "name": record.name,
        "freq": record.freq,
        "input_unit_type": record.input_unit_type,
        "unit_type": record.unit_type,
        "input_convention": record.input_convention,
        "clock": record.clock,
        "timezone": record.timezone,
        "unit": record.unit,
        "label": record.label,
        "resample_rule": record.resample_rule,
        "interpolate_limit": record.interpolate_limit,
        "wait_offset": record.wait_offset,
        "input_expected_regular": record.input_expected_regular,
        "operation_fct": record.operation_fct,
        "filter_fct": record.filter_fct,
        "derivative_filter_fct": record.derivative_filter_fct,
        "custom_fct": record.custom_fct,
        "custom_delay": record.custom_delay,
        "custom_before_offset": record.custom_before_offset,
        "custom_after_offset": record.custom_after_offset,
        "numerical_filter": record.numerical_filter,
        "cleaner": record.cleaner_id,
    }


def analysis(record: Analysis) -> Record:
    """Render an analysis flat: its configuration by id."""
    config = record.config.id if record.config else None
    return _analysis(record, config, None, {})


def analysis_detailed(record: Analysis, unresolved: int, principal: Principal) -> Record:
    """Render an analysis with its configuration, and whether something is to be looked at."""
    config = analysis_config(record.config) if record.config else None
    more = {"is_obsolete": record.is_obsolete, "unresolved_notifications_nb": unresolved}
    return _analysis(record, config, rights(principal, record.organization_id, record.project_id), more)


def _analysis(
    record: Analysis, config: Record | str | None, given: dict[str, bool] | None, more: Mapping[str, Any]
) -> Record:
    return {
        "id": record.id,
        "rights": given,
        "analysisconfig": config,
        "active": record.active,
        **more,
        "name": record.name,
        "comment": record.comment,
        "model": record.kind,
        "last_run": instant(record.last_run),
        "last_clear": instant(record.last_clear),
        "project": record.project_id,
    }


def analysis_config(record: AnalysisConfig, principal: Principal | None = None) -> Record:
    """Render how an analysis computes."""
    return {
        "id": record.id,
        "rights": rights(principal, record.analysis.organization_id, record.analysis.project_id),
        "output_tags": record.output_tags,
        "clock": record.clock,
        "output_timezone": record.output_timezone,
        "start_with_first": record.start_with_first,
        "wait_for_last": record.wait_for_last,
        "input_freq": record.input_freq,
        "output_freq": record.output_freq,
        "custom_before_offset": record.custom_before_offset,
        "custom_after_offset": record.custom_after_offset,
        "before_offset_strict_mode": record.before_offset_strict_mode,
        "with_tags": record.with_tags,
        "script": record.script,
        "script_method": record.script_method,
        "wait_offset": record.wait_offset,
        "custom_delay": record.custom_delay,
        "analysis": record.analysis_id,
    }


def analysis_input(record: AnalysisInput, given: dict[str, bool] | None = None) -> Record:
    """Render an input; it has no name, and clients print it so."""
    return {
        "id": record.id,
        "rights": given,
        "analysis": record.analysis_id,
        "input_series_generator": record.input_series_generator,
        "input_series_name": record.input_series_name,
        "column_name": record.column_name,
    }


def analysis_output(record: AnalysisOutput, given: dict[str, bool] | None = None) -> Record:
    """Render an output."""
    return {
        "id": record.id,
        "rights": given,
        "name": record.name,
        "resample_rule": record.resample_rule,
        "label": record.label,
        "unit": record.unit,
        "numerical_filter": record.numerical_filter,
        "analysis": record.analysis_id,
    }


def series(record: Series, principal: Principal | None = None) -> Record:
    """Render a series without its points."""
    return {
        "id": record.id,
        "rights": rights(principal, record.organization_id, record.project_id),
        "otsdb_pk": record.pk,
        "name": record.name,
        "generator": record.generator_id,
        "generator_model": record.generator_kind,
        "project": record.project_id,
        "unit": record.unit,
        "label": record.label,
    }


def notification(record: Notification, principal: Principal | None = None) -> Record:
    """Render a notification."""
    return {
        "id": record.id,
        "rights": rights(principal, record.organization_id, record.project_id),
        "name": record.name,
        "message": record.message,
        "resolved": record.resolved,
        "creation_date": instant(record.created),
        "generator": record.generator_id,
        "generator_model": record.generator_kind,
        "project": record.project_id,
    }


def task(record: jobs.Job, principal: Principal | None = None) -> Record:
    """Render a job; clients poll until its status is a final one."""
    return {
        "id": record.id,
        "rights": rights(principal, record.organization_id, record.project_id) if record.organization_id else None,
        "base": {
            "status": record.status,
            "creation_date": instant(record.created_at),
            "start_date": instant(record.started_at),
            "end_date": instant(record.ended_at),
            "progress": {"done": record.progress_done, "total": record.progress_total},
            "message": _message(record),
        },
        "project": record.project_id,
    }


def _message(record: jobs.Job) -> str | None:
    """Return what is said of a job: of one that failed, with the frames of the script that raised."""
    if not record.error:
        return record.progress_message
    details = record.error_details if isinstance(record.error_details, dict) else {}
    return notices.with_details(record.error, details.get("traceback") or "")
