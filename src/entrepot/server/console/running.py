"""Having an importer, a cleaner or an analysis run, from its page."""

from starlette.responses import RedirectResponse, Response

from entrepot.pipeline.generators import actions
from entrepot.pipeline.generators.finding import get_generator
from entrepot.server.console.page import Page, form
from entrepot.server.endpoint import Call


def _run(call: Call) -> Response:
    generator = get_generator(call.session, call.principal, call.path["id"], "write")
    job = actions.start(call.session, generator, "run", user_id=call.principal.user_id)
    call.session.flush()
    return RedirectResponse(f"/console/runs/{job.id}", 303)


PAGES = tuple(
    Page("POST", f"/console/{kinds}/{{id}}/runs", _run, "series", "write", parse=form)
    for kinds in ("importers", "cleaners", "analyses")
)
