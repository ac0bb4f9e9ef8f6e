"""What became of a test of a storage or a webhook: asked for again until it ends, in the place of a page's part."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select
from starlette.responses import Response

from entrepot.errors import NotFound
from entrepot.requests.models import RequestStep
from entrepot.server.console.page import render
from entrepot.server.endpoint import Call


@dataclass(frozen=True)
class Step:
    """What was tried, and what went wrong with it; empty where nothing did."""

    name: str
    problem: str


@dataclass(frozen=True)
class Outcome:
    """What is shown of a test: where it is asked for again, whether it is over, what it does, how each step went."""

    address: str
    is_over: bool
    said: str
    steps: Sequence[Step]

    @property
    def is_well(self) -> bool:
        """Whether nothing went wrong."""
        return not any(one.problem for one in self.steps)

    def shown(self, call: Call) -> Response:
        """Return the part of the page."""
        return render(call, "outcome.html", view=self)


def test_of(call: Call, target_id: str) -> RequestStep:
    """Return the test that the address names, of this storage or webhook.

    Raises
    ------
    NotFound
        There is no such test of it.
    """
    query = select(RequestStep).where(RequestStep.id == call.path["test_id"], RequestStep.target_id == target_id)
    if (step := call.session.scalar(query)) is None:
        raise NotFound("Test not found.")
    return step
