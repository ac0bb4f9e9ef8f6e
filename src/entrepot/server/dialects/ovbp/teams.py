"""Organizations, projects and users."""

from entrepot.errors import Conflict, InvalidInput, NotFound
from entrepot.events import mail
from entrepot.identity import FtpAccount, Project, User, ftp, projects, records
from entrepot.pipeline.runs.exports import user_home
from entrepot.pipeline.runs.projects import delete_project
from entrepot.server.dialects.ovbp import parse, render, specs
from entrepot.server.dialects.ovbp.render import Record
from entrepot.server.dialects.ovbp.table import Resource
from entrepot.server.endpoint import Call


def _organizations(call: Call) -> list[Record]:
    page, found = parse.page(call.query), parse.filters(call.query, name="name")
    records = projects.list_organizations(call.session, call.principal, found["name"])
    return [render.organization(record) for record in records[page.offset : page.offset + page.limit]]


def _organization(call: Call) -> Record:
    return render.organization(projects.get_organization(call.session, call.principal, call.path["id"]), call.principal)


def _found_projects(call: Call) -> list[Project]:
    if parse.flag(call.query, "empty"):
        return []
    page = parse.page(call.query)
    found = parse.filters(call.query, name="name", organization_id="organization")
    records = projects.list_projects(call.session, call.principal, **found)
    if (odata := call.query.get("odata")) is not None:
        records = [record for record in records if record.id == odata]
    return records[page.offset : page.offset + page.limit]


def _project(call: Call) -> Project:
    return projects.get_project(call.session, call.principal, call.path["id"])


def _create_project(call: Call) -> Record:
    fields = parse.created(call.fields, specs.PROJECT)
    organization_id, name = fields.pop("organization"), fields.pop("name")
    try:
        project = projects.create_project(call.session, call.principal, organization_id, name)
    except Conflict as error:
        raise InvalidInput.field("name", error.message) from error
    return render.project(_changed(call, project, fields))


def _update_project(call: Call, spec: parse.Spec) -> Project:
    project = projects.get_project(call.session, call.principal, call.path["id"], "write")
    fields = parse.changed(call.fields, spec)
    if "name" in fields:
        try:
            projects.rename_project(call.session, project, fields.pop("name"))
        except Conflict as error:
            raise InvalidInput.field("name", error.message) from error
    return _changed(call, project, fields)


def _changed(call: Call, project: Project, fields: Record) -> Project:
    if "mails" in fields:
        mail.activate(call.session, project, value=fields.pop("mails"))
    return projects.change_project(call.session, project, fields)


def _delete_project(call: Call) -> None:
    delete_project(call.session, call.principal, call.path["id"])


def _user(call: Call) -> User:
    """Return the user, who is the caller: others are nobody's business here."""
    user: User | None = records.by_id(call.session, User, call.principal.user_id)
    if user is None or call.path.get("id", user.id) not in (user.id, "me"):
        raise NotFound("User not found.")
    return user


def _oteams_user(call: Call) -> Record:
    user = _user(call)
    return {"id": user.id, "rights": None, "odata": user.id, "login": user.login, "email": user.email}


def user_account(call: Call) -> FtpAccount:
    """Return the caller's FTP account, made when there is none yet."""
    principal = call.principal
    # The user's exports are of any project.
    principal.require("read")
    home = user_home(principal.user_id)
    return ftp.ensure_account(call.session, call.services.vault, principal.organization_id, home)


def _odata_user(call: Call) -> Record:
    user = _user(call)
    return {"id": user.id, "rights": None, "ftp_account": user_account(call).id, "login": user.login}


def _only(record: Record, call: Call) -> list[Record]:
    page = parse.page(call.query)
    return [record][page.offset : page.offset + page.limit]


RESOURCES = (
    Resource("oteams/organizations", _organizations, _organization),
    Resource(
        "oteams/projects",
        lambda call: [render.project(project) for project in _found_projects(call)],
        lambda call: render.project(_project(call), call.principal),
        create=_create_project,
        update=lambda call: render.project(_update_project(call, specs.PROJECT)),
        delete=_delete_project,
        spec=specs.PROJECT,
    ),
    Resource(
        "odata/projects",
        lambda call: [render.odata_project(project) for project in _found_projects(call)],
        lambda call: render.odata_project(_project(call), call.principal),
        update=lambda call: render.odata_project(_update_project(call, specs.ODATA_PROJECT)),
    ),
    Resource("oteams/users", lambda call: _only(_oteams_user(call), call), _oteams_user),
    Resource("odata/users", lambda call: _only(_odata_user(call), call), _odata_user, reading_writes=True),
)
