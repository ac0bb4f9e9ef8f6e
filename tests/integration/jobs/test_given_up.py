"""What the server gives up is told to whose it is, once, with the cause."""

from collections.abc import Callable

from sqlalchemy import select

from entrepot import jobs
from entrepot.db import Database
from entrepot.events import Notification, failures
from entrepot.jobs.testing import run_pending
from entrepot.settings import Settings


def test_a_failure_that_repeats_is_one_notification_with_its_cause(
    database: Database, settings: Settings, handler: Callable[..., None]
) -> None:
    def broken(context: jobs.JobContext) -> None:
        raise ZeroDivisionError("secret of the server")

    handler("clean", broken, max_attempts=1)
    jobs.when_given_up(failures.tell)
    for _ in range(2):
        with database.write() as session:
            jobs.enqueue(session, "clean", organization_id="o", project_id="p", key="c")
            jobs.enqueue(session, "clean")  # the server's own: in the log alone
        run_pending(database, settings)
    with database.read() as session:
        (notice,) = session.scalars(select(Notification)).all()
    assert (notice.name, notice.project_id, notice.subject) == ("Job failed", "p", "clean c")
    assert "given up after 1 attempts" in notice.message
    assert "ZeroDivisionError" in notice.message
    assert "secret" not in notice.message
