"""What pages have in common that make a thing by a form, or delete one whose name was written."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import RedirectResponse, Response

from entrepot.errors import EntrepotError
from entrepot.identity import projects
from entrepot.pipeline import configuration
from entrepot.server.api.nouns import Noun
from entrepot.server.console import forms
from entrepot.server.console.form_page import FormPage, refusal, require_named
from entrepot.server.console.listing import Link
from entrepot.server.console.native import PageUnit, attempted
from entrepot.server.console.page import Page, form
from entrepot.server.endpoint import Call


@dataclass(frozen=True)
class Owner:
    """What a new thing is to belong to: how it is called, where it is, and what the form need not say of the thing."""

    called: str
    back: Link
    fixed: Mapping[str, Any] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)


def of_project(call: Call) -> Owner:
    """Return the project of an address, for whom may write to it."""
    project = projects.get_project(call.session, call.principal, call.path["id"], "write")
    return Owner(project.name, Link("To the project", f"/console/projects/{project.id}"), {"project": project.id})


@dataclass(frozen=True)
class Making:
    """A form that makes a thing.

    Attributes
    ----------
    noun, said
        What it is, and what it is for.
    model, create
        The request of the interface, and what takes it.
    place
        Where things of this kind have their pages.
    owner
        What it is to belong to.
    names, fixed
        What the form asks, and what it says besides.
    """

    noun: str
    said: str
    model: type[Noun]
    create: Callable[[Any, Any], Any]
    place: str
    owner: Callable[[Call], Owner] = of_project
    names: tuple[str, ...] = ("name", "description")
    fixed: Mapping[str, Any] = field(default_factory=dict)

    def pages(self, path: str) -> tuple[Page, Page]:
        """Return the page of the form, and what takes it."""
        return (
            Page("GET", path, self._show, "series", "write", write=False),
            Page("POST", path, self._make, "series", "write", parse=form),
        )

    def _show(self, call: Call, error: EntrepotError | None = None) -> Response:
        owner = self.owner(call)
        shown = forms.entries(self.model, self.names, call.content or owner.typed, error)
        return FormPage(
            title=f"New {self.noun} of {owner.called}" if owner.called else f"New {self.noun}",
            said=self.said,
            back=owner.back,
            action=call.request.url.path,
            button="Make it",
            entries=shown,
            refusal=refusal(error, shown),
        ).shown(call, error)

    def _make(self, call: Call) -> Response:
        unit, fixed = PageUnit(call), {**self.owner(call).fixed, **self.fixed}
        made, error = attempted(
            call.session, lambda: self.create(unit, forms.read(self.model, self.names, call.content, **fixed))
        )
        return self._show(call, error) if made is None else RedirectResponse(f"{self.place}/{made.id}", 303)


def deleting(
    path: str,
    model: Any,
    delete: Callable[[PageUnit, str], None],
    then: Callable[[Any], str] = lambda record: f"/console/projects/{record.project_id}",
) -> Page:
    """Return what deletes a thing whose id is in the path, and then shows where `then` says."""

    def act(call: Call) -> Response:
        (id_,) = call.path.values()
        record = configuration.get(call.session, call.principal, model, id_, "write")
        require_named(call, record.name)
        place = then(record)
        delete(PageUnit(call), record.id)
        return RedirectResponse(place, 303)

    return Page("POST", path, act, "series", "write", parse=form)
