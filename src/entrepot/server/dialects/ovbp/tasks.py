"""Tasks, as clients poll them, and notifications."""

from functools import partial

from entrepot import jobs
from entrepot.errors import NotFound
from entrepot.events import notifications
from entrepot.server.dialects.ovbp import parse, render, specs
from entrepot.server.dialects.ovbp.render import Record
from entrepot.server.dialects.ovbp.table import Resource
from entrepot.server.endpoint import Call

#: The kinds of job that each resource shows.
KINDS = {
    "odata/base_feeder_tasks": ("feeder.feed",),
    "odata/importer_tasks": ("importer.run", "importer.clear"),
    "odata/cleaner_tasks": ("cleaner.run", "cleaner.clear"),
    "odata/analysis_tasks": ("analysis.run", "analysis.clear"),
    "odata/series_export_tasks": ("series.export",),
}


def _tasks(call: Call, kinds: tuple[str, ...]) -> list[Record]:
    page, found = parse.page(call.query), parse.filters(call.query, project_id="project")
    within = call.principal.within(jobs.Job)
    records = [
        job
        for kind in kinds
        for job in jobs.list_(call.session, within=within, kind=kind, limit=page.offset + page.limit, **found)
    ]
    # Runs that found nothing leave a count: of each generator, the last one is shown as the task that it was.
    of = [getattr(jobs.Idle, name) == value for name, value in found.items()]
    of += [call.principal.within(jobs.Idle), jobs.Idle.kind.in_(kinds)]
    records += map(jobs.idle.as_job, jobs.idle.list_(call.session, *of, limit=page.offset + page.limit))
    records.sort(key=lambda job: job.number, reverse=True)
    return [render.task(job) for job in records[page.offset : page.offset + page.limit]]


def _task(call: Call, kinds: tuple[str, ...]) -> Record:
    job = jobs.get(call.session, call.path["id"])
    if job.kind not in kinds or job.organization_id is None:
        raise NotFound("Task not found.")
    call.principal.require("read", job.organization_id, "Task", job.project_id)
    return render.task(job, call.principal)


def _notifications(call: Call) -> list[Record]:
    page, found = parse.page(call.query), parse.filters(call.query, project_id="project", generator_id="generator")
    resolved = parse.flag(call.query, "resolved")
    records = notifications.list_notifications(
        call.session, call.principal, resolved=resolved, offset=page.offset, limit=page.limit, **found
    )
    return [render.notification(record) for record in records]


def _notification(call: Call) -> Record:
    record = notifications.get_notification(call.session, call.principal, call.path["id"])
    return render.notification(record, call.principal)


def _update_notification(call: Call) -> Record:
    fields = parse.changed(call.fields, specs.NOTIFICATION)
    return render.notification(notifications.change(call.session, call.principal, call.path["id"], **fields))


RESOURCES = (
    *(Resource(path, partial(_tasks, kinds=kinds), partial(_task, kinds=kinds)) for path, kinds in KINDS.items()),
    Resource("odata/notifications", _notifications, _notification, update=_update_notification),
)
