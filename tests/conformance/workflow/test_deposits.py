"""What is accepted of hostile deposits, the published client can take; what is refused, it cannot."""

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from entrepot.db import Database
from entrepot.errors import InvalidInput
from entrepot.identity import Principal, users
from entrepot.identity.models import Role
from entrepot.works import queue
from entrepot.works.query.searchable import is_storable
from entrepot.works.withdraw import withdraw
from tests.conformance.runner import run_script
from tests.conformance.workflow.deposits import SITES, document

pytestmark = pytest.mark.conformance

CASES = Path(__file__).parents[2] / "cases"
COUNT = int(os.environ.get("ENTREPOT_DEPOSITS", "400"))


@pytest.fixture
def writer(database: Database) -> Principal:
    with database.write() as session:
        found = users.create_organization(session, "Lab")
        user, _ = users.create_user(session, "me", "a long password")
        return Principal(user_id=user.id, login="me", organization_id=found.id, roles={found.id: Role.WRITER})


def _deposited(database: Database, writer: Principal, given: dict[str, Any]) -> tuple[dict[str, Any], list[str] | None]:
    """Return what a worker withdraws of a deposit; or the deposit itself, with the fields for which it was refused."""
    try:
        with database.write() as session:
            queue.deposit(session, writer, [given])
            (taken,) = withdraw(session, writer, {})
            queue.delete_ids(session, writer, [taken["id"]])
            return taken, None
    except InvalidInput as refusal:
        return given, list(refusal.fields)


def _read(documents: list[dict[str, Any]], folder: Path) -> list[str | None]:
    """Return why the published client cannot take each, None where it can."""
    given: dict[str, Any] = {"url": "http://127.0.0.1:9", "token": "t", "documents": documents, "sites": SITES}
    taken: list[str | None] = run_script("workflow", "workflow_models", folder, given, seconds=900)["taken"]
    return taken


def test_what_is_accepted_can_be_taken_and_what_is_refused_cannot(
    database: Database, writer: Principal, tmp_path: Path
) -> None:
    source = random.Random(12)
    # Numbered, lest two count as one deposit that was repeated.
    given = [document(source) | {"number": number} for number in range(COUNT)]
    outcomes = [_deposited(database, writer, one) for one in given]
    reasons = _read([document for document, _ in outcomes], tmp_path)
    rows = list(zip(given, outcomes, reasons, strict=True))
    accepted = [one for one, (_, refused), _ in rows if refused is None]
    beyond = [one for one, (_, refused), reason in rows if reason is None and refused and _is_beyond(one, refused)]
    wrong = [(one, seen, refused, reason) for one, (seen, refused), reason in rows
             if (refused is None) != (reason is None) and one not in beyond]  # fmt: skip
    counts = {"accepted": len(accepted), "refused": COUNT - len(accepted), "beyond": len(beyond), "wrong": len(wrong)}
    (tmp_path / "counts").write_text(json.dumps(counts))
    assert not wrong, (counts, wrong[:3])
    assert all(refused != [] for _, (_, refused), _ in rows), "a refusal names the field"
    assert COUNT // 10 < len(accepted) < COUNT * 9 // 10


def _is_beyond(given: dict[str, Any], refused: list[str]) -> bool:
    """Tell whether it was refused for a value that no column holds; the published client would take it."""
    name = refused[0]
    if name in ("attempt", "retries", "creation"):
        return abs(float(given[name])) > 2**53
    text = given["config"]["parent"] if name == "config.parent" else given.get(name)
    return name in ("site", "user", "config.parent") and isinstance(text, str) and not is_storable(text)


def test_works_no_worker_can_take(database: Database, writer: Principal, tmp_path: Path) -> None:
    cases = json.loads((CASES / "works-no-worker-can-take" / "works.json").read_text())
    good = {"pipeline": "p", "site": "local", "user": "me"}
    outcomes = [_deposited(database, writer, good | case["work"]) for case in cases]
    reasons = _read([document for document, _ in outcomes], tmp_path)
    for case, (_, refused), reason in zip(cases, outcomes, reasons, strict=True):
        assert (refused is None) == (reason is None) == case["taken"], (case, refused, reason)
        if refused:
            assert refused[0].split(".")[0] == next(iter(case["work"])), refused
