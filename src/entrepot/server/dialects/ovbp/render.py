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
from entrepot.pipeline.generators import notices
from entrepot.pipeline.models import (
    Analysis,
    AnalysisInput,
    AnalysisOutput,
    AnalysisSettings,
    Channel,
    Cleaner,
    Feeder,
    Gate,
    Importer,
    ImporterSeries,
)
from entrepot.series.models import Series
from entrepot.server.dialects.ovbp import parse, specs

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
        "comment": record.description,
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
        **parse.shown(record, specs.PROJECT, "is_visible"),
        "organization": organization(record.organization),
        "name": record.name,
        "comment": record.description,
        **parse.shown(record, specs.PROJECT, "private_comment"),
        "creation_date": record.kept.get("creation_date") or record.created_at.date().isoformat(),
        **parse.shown(record, specs.PROJECT, "display_buildings"),
    }


def odata_project(record: Project, principal: Principal | None = None) -> Record:
    """Render what a project is under ``odata``: it has the same id."""
    return {
        "id": record.id,
        "rights": rights(principal, record.organization_id, record.id),
        "name": record.name,
        "comment": record.description,
        "mail_alerts_activated": record.mails,
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
        "comment": record.description,
        "model": "gate",
        "project": record.project_id,
        "ftp_account": account,
        "base_feeder": base_feeder(record.feeder) if record.feeder else None,
    }


def base_feeder(record: Feeder, principal: Principal | None = None) -> Record:
    """Render a feeder."""
    return {
        "id": record.id,
        "rights": rights(principal, record.organization_id, record.project_id),
        "gate": record.gate_id,
        "timezone": record.timezone,
        "crontab": record.schedule,
        "active": record.active,
        "child_id": record.source_id,
        "child_model": specs.SOURCES[record.source_kind] if record.source_kind else None,
    }


def feeder_child(record: Feeder, principal: Principal | None = None) -> Record:
    """Render the settings of how a feeder fetches; of its credentials, which there are."""
    return {
        "id": record.source_id,
        "rights": rights(principal, record.organization_id, record.project_id),
        "base_feeder": record.id,
        **record.source,
        "credentials": record.credential_names,
    }


def importer(record: Importer, gate: Record | str | None, principal: Principal | None = None) -> Record:
    """Render an importer; its gate is nested where it is detailed."""
    return {
        "id": record.id,
        "rights": rights(principal, record.organization_id, record.project_id),
        "active": record.active,
        "name": record.name,
        "comment": record.description,
        "model": record.kind,
        **parse.shown(
            record,
            specs.IMPORTER,
            "crontab",
            "auto_partial_reset",
            "parse_script",
            "root_dir_path",
            "re_run_last_file",
            "notify_missing_files_nb",
            "max_ante_scanned_files_nb",
        ),
        "last_run": instant(record.last_run_at),
        "last_clear": instant(record.last_cleared_at),
        "last_imported_path": record.last_path,
        "latest_imported_mdate": second(record.last_modified_at),
        "project": record.project_id,
        "gate": gate,
    }


def importer_series(record: ImporterSeries, unitcleaner_id: str | None, given: dict[str, bool] | None = None) -> Record:
    """Render a raw series as cleaners see it."""
    return {
        "id": record.id,
        "rights": given,
        "name": record.raw,
        "external_name": record.raw,
        "unitcleaner": unitcleaner_id,
        "generator": record.importer_id,
    }


def cleaner(record: Cleaner, principal: Principal | None = None) -> Record:
    """Render a cleaner."""
    return {
        "id": record.id,
        "rights": rights(principal, record.organization_id, record.project_id),
        "name": record.name,
        "comment": record.description,
        "model": record.kind,
        "last_run": instant(record.last_run_at),
        "last_clear": instant(record.last_cleared_at),
        "project": record.project_id,
        "related_importer": record.importer_id,
    }


def unitcleaner(record: Channel, principal: Principal | None = None) -> Record:
    """Render a unit cleaner: every value as it was given."""
    return {
        "id": record.id,
        "rights": rights(principal, record.organization_id, record.project_id),
        **parse.shown(record, specs.UNITCLEANER),
        "cleaner": record.cleaner_id,
    }


def analysis(record: Analysis) -> Record:
    """Render an analysis flat: its configuration by id."""
    config = record.config.id if record.config else None
    return _analysis(record, config, None, {})


def analysis_detailed(record: Analysis, unresolved: int, principal: Principal) -> Record:
    """Render an analysis with its configuration, and whether something is to be looked at."""
    config = analysis_config(record.config) if record.config else None
    more = {"is_obsolete": record.behind, "unresolved_notifications_nb": unresolved}
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
        "comment": record.description,
        "model": record.kind,
        "last_run": instant(record.last_run_at),
        "last_clear": instant(record.last_cleared_at),
        "project": record.project_id,
    }


def analysis_config(record: AnalysisSettings, principal: Principal | None = None) -> Record:
    """Render how an analysis computes."""
    return {
        "id": record.id,
        "rights": rights(principal, record.analysis.organization_id, record.analysis.project_id),
        **parse.shown(record, specs.ANALYSIS_CONFIG),
        "analysis": record.analysis_id,
    }


def analysis_input(record: AnalysisInput, given: dict[str, bool] | None = None) -> Record:
    """Render an input; it has no name, and clients print it so."""
    return {
        "id": record.id,
        "rights": given,
        "analysis": record.analysis_id,
        **parse.shown(record, specs.ANALYSIS_INPUT),
    }


def analysis_output(record: AnalysisOutput, given: dict[str, bool] | None = None) -> Record:
    """Render an output."""
    return {
        "id": record.id,
        "rights": given,
        **parse.shown(record, specs.ANALYSIS_OUTPUT),
        "analysis": record.analysis_id,
    }


def series(record: Series, principal: Principal | None = None) -> Record:
    """Render a series without its points."""
    return {
        "id": record.id,
        "rights": rights(principal, record.organization_id, record.project_id),
        "otsdb_pk": record.number,
        "name": record.name,
        "generator": record.generator_id,
        "generator_model": record.generator_kind,
        "project": record.project_id,
        "unit": record.unit,
        "label": record.title,
    }


def notification(record: Notification, principal: Principal | None = None) -> Record:
    """Render a notification."""
    return {
        "id": record.id,
        "rights": rights(principal, record.organization_id, record.project_id),
        "name": record.name,
        "message": record.message,
        "resolved": record.resolved,
        "creation_date": instant(record.created_at),
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
