"""Making, changing and deleting projects."""

from starlette.responses import RedirectResponse, Response

from entrepot.errors import EntrepotError
from entrepot.identity import projects
from entrepot.server.api import projects as api
from entrepot.server.api.projects import ProjectChanges, ProjectRequest, ProjectShown
from entrepot.server.console import forms
from entrepot.server.console.form_page import Deletion, FormPage, refusal, require_named
from entrepot.server.console.listing import Link
from entrepot.server.console.making import Making, Owner
from entrepot.server.console.native import PageUnit, done
from entrepot.server.console.page import Page, form
from entrepot.server.endpoint import Call

_ALL = ("name", "description", "mails")
_FOLLOWS = "Its gates with their files, importers, analyses and all their series go with it, for good."
_MAKING = Making(
    noun="project",
    said="A project has gates, importers, analyses and series that belong together: a site, a farm, an experiment.",
    model=ProjectRequest,
    create=api.create_project,
    place="/console/projects",
    owner=lambda _: Owner("", Link("All projects", "/console/projects")),
)


def _settings(call: Call, error: EntrepotError | None = None) -> Response:
    project = projects.get_project(call.session, call.principal, call.path["id"], "write")
    page = f"/console/projects/{project.id}"
    typed = call.content or forms.typed_of(ProjectShown.showing(project), _ALL)
    shown = forms.entries(ProjectChanges, _ALL, typed, error)
    return FormPage(
        title=f"Settings of {project.name}",
        back=Link("To the project", page),
        action=f"{page}/settings",
        button="Save",
        entries=shown,
        refusal=refusal(error, shown),
        deletion=Deletion(f"{page}/delete", "project", project.name, _FOLLOWS),
    ).shown(call, error)


def _change(call: Call) -> Response:
    def act(unit: PageUnit, project_id: str) -> object:
        return api.change_project(unit, project_id, forms.read(ProjectChanges, _ALL, call.content))

    return done(call, "/console/projects", act, _settings)


def _delete(call: Call) -> Response:
    project = projects.get_project(call.session, call.principal, call.path["id"], "write")
    require_named(call, project.name)
    api.delete_project(PageUnit(call), project.id)
    return RedirectResponse("/console/projects", 303)


PAGES = (
    *_MAKING.pages("/console/projects/new"),
    Page("GET", "/console/projects/{id}/settings", _settings, "series", "write", write=False),
    Page("POST", "/console/projects/{id}/settings", _change, "series", "write", parse=form),
    Page("POST", "/console/projects/{id}/delete", _delete, "series", "write", parse=form),
)
