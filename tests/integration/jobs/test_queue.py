"""The queue's verbs, seen from the callers' side, on both databases."""

import contextlib
import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import Database, now
from entrepot.errors import Conflict, InvalidInput, NotFound
from entrepot.jobs import queue
from entrepot.jobs.context import JobContext
from entrepot.jobs.execution import execute
from entrepot.jobs.housekeeping import Pruning
from entrepot.jobs.models import Job
from entrepot.jobs.testing import run_pending
from entrepot.settings import Settings

Register = Callable[..., None]


def enqueue(database: Database, kind: str = "t", payload: object = None, **options: object) -> Job:
    with database.write() as session:
        return jobs.enqueue(session, kind, payload, **options)  # type: ignore[arg-type]


def get(database: Database, job: Job) -> Job:
    with database.read() as session:
        return jobs.get(session, job.id)


def claim(database: Database, lease_seconds: float = 60, limit: int = 1) -> list[Job]:
    with database.write() as session:
        return queue.claim(session, "me", lease_seconds, limit)


def make_due(database: Database) -> None:
    with database.write() as session:
        session.execute(update(Job).values(ready_at=now()))


def expire_leases(database: Database) -> None:
    with database.write() as session:
        session.execute(update(Job).where(Job.status == "running").values(lease_until=now() - timedelta(seconds=1)))


def test_a_job_runs_with_its_payload_and_keeps_the_result(
    database: Database, settings: Settings, handler: Register
) -> None:
    handler("t", lambda context: {"doubled": context.job.payload["n"] * 2})
    job = enqueue(database, payload={"n": 21}, organization_id="o")
    assert job.created_now
    (done,) = run_pending(database, settings)
    assert (done.id, done.status, done.result, done.attempt) == (job.id, "finished", {"doubled": 42}, 1)
    assert done.ended_at is not None
    assert done.lease_until is None


def test_a_job_exists_iff_the_unit_of_work_commits(database: Database, settings: Settings, handler: Register) -> None:
    handler("t")
    with database.write() as session:
        jobs.enqueue(session, "t")
        session.rollback()
    assert run_pending(database, settings) == []


def test_unknown_kinds_wait_for_a_worker_that_knows_them(
    database: Database, settings: Settings, handler: Register
) -> None:
    handler("known")
    job = enqueue(database, "unknown")
    assert run_pending(database, settings) == []
    assert get(database, job).status == "pending"
    handler("unknown")
    assert [done.id for done in run_pending(database, settings)] == [job.id]


def test_urgency_is_priority_then_time_then_arrival(database: Database, settings: Settings, handler: Register) -> None:
    handler("t")
    first = enqueue(database)
    second = enqueue(database)
    earlier = enqueue(database, run_at=now() - timedelta(hours=1))
    urgent = enqueue(database, priority=5)
    later = enqueue(database, run_at=now() + timedelta(hours=1), priority=9)
    expected = [urgent.id, earlier.id, first.id, second.id]
    assert [done.id for done in run_pending(database, settings)] == expected
    assert get(database, later).status == "pending"


def test_jobs_of_a_key_run_in_order_and_one_at_a_time(database: Database, handler: Register) -> None:
    handler("t")
    enqueued = [enqueue(database, key="k", priority=priority) for priority in (0, 9, 5)]
    other = enqueue(database, key="other")
    claimed = claim(database, limit=10)
    assert {job.id for job in claimed} == {enqueued[0].id, other.id}
    assert claim(database, limit=10) == []
    with database.write() as session:
        assert queue.end(session, next(job for job in claimed if job.key == "k"), "finished")
    assert [job.id for job in claim(database, limit=10)] == [enqueued[1].id]


def test_a_job_that_waits_for_its_next_attempt_holds_up_its_key(
    database: Database, settings: Settings, handler: Register
) -> None:
    def fail_once(context: JobContext) -> None:
        if context.job.attempt == 1:
            raise OSError

    handler("t", fail_once)
    first, second = enqueue(database, key="k"), enqueue(database, key="k")
    assert [job.status for job in run_pending(database, settings)] == ["pending"]
    make_due(database)
    assert [job.id for job in run_pending(database, settings)] == [first.id, second.id]


def test_a_job_for_tomorrow_does_not_hold_up_its_key(database: Database, settings: Settings, handler: Register) -> None:
    handler("t")
    enqueue(database, key="k", run_at=now() + timedelta(days=1))
    today = enqueue(database, key="k")
    assert [job.id for job in run_pending(database, settings)] == [today.id]


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_a_job_put_before_the_one_being_claimed_does_not_overlap_it(database: Database, handler: Register) -> None:
    handler("t")
    enqueue(database, key="k")

    def claim_the_earlier() -> None:
        with contextlib.suppress(IntegrityError):
            claim(database)

    with database.write() as session:
        assert queue.claim(session, "first", 60)
        enqueue(database, key="k", run_at=now() - timedelta(hours=1))
        claimant = threading.Thread(target=claim_the_earlier)
        claimant.start()
    claimant.join()
    # Either it waited for the first claim's commit and was refused, or came after it and found the key taken.
    with database.read() as session:
        assert sorted(job.status for job in jobs.list_(session)) == ["pending", "running"]


def test_the_database_refuses_two_running_jobs_of_a_key(database: Database, handler: Register) -> None:
    handler("t")
    enqueue(database, key="k")
    claim(database)
    enqueue(database, key="k")
    with pytest.raises(IntegrityError), database.write() as session:
        session.execute(update(Job).values(status="running"))


def test_a_waiting_job_of_the_same_text_is_returned_instead_of_a_second(
    database: Database, settings: Settings, handler: Register
) -> None:
    handler("t")
    first = enqueue(database, coalesce="c")
    again = enqueue(database, coalesce="c")
    assert (again.id, again.created_now) == (first.id, False)
    assert enqueue(database, coalesce="other").id != first.id
    claim(database, limit=5)
    assert enqueue(database, coalesce="c").id != first.id, "one that runs may have read what is old by now"


def test_a_job_for_later_does_not_stand_for_one_now(database: Database, handler: Register) -> None:
    later = enqueue(database, coalesce="c", run_at=now() + timedelta(days=1))
    assert enqueue(database, coalesce="c").id != later.id
    assert not enqueue(database, coalesce="c", run_at=now() + timedelta(days=2)).created_now


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_callers_at_the_same_moment_do_not_wait_for_each_other(database: Database, handler: Register) -> None:
    """Nor keep a job from starting by handing its lock on for ever (on SQLite they take turns)."""
    first = enqueue(database, coalesce="c")
    with database.write() as session:
        assert jobs.enqueue(session, "t", coalesce="c").id == first.id
        other = enqueue(database, coalesce="c")
        assert other.created_now
    assert enqueue(database, coalesce="c").id == first.id


def test_a_coalesced_job_cannot_start_before_the_commit(database: Database, handler: Register) -> None:
    """Or it would miss what the second caller wrote."""
    handler("t")
    enqueue(database, coalesce="c")
    claimed: list[Job] = []
    claimant = threading.Thread(target=lambda: claimed.extend(claim(database)))
    with database.write() as session:
        jobs.enqueue(session, "t", coalesce="c")
        claimant.start()
        if database.dialect == "postgresql":
            claimant.join()
            assert claimed == []
    claimant.join()
    assert claimed or claim(database)


def test_what_happens_to_one_that_raises(database: Database, settings: Settings, handler: Register) -> None:
    def broken(context: JobContext) -> None:
        context.log("before ")
        raise OSError("the disk is gone")

    handler("t", broken, max_attempts=2)
    job = enqueue(database)
    (tried,) = run_pending(database, settings)
    assert (tried.status, tried.attempt) == ("pending", 1)
    assert tried.ready_at > now()
    make_due(database)
    (ended,) = run_pending(database, settings)
    assert (ended.id, ended.status, ended.attempt) == (job.id, "server_error", 2)
    assert "the disk is gone" in (ended.traceback or "")
    assert "disk" not in (ended.error or ""), "users read no internals"
    assert ended.output == "before "


def test_attempts_of_a_job_win_over_those_of_its_kind(
    database: Database, settings: Settings, handler: Register
) -> None:
    handler("t", lambda context: 1 / 0)
    enqueue(database, max_attempts=1)
    assert run_pending(database, settings)[0].status == "server_error"


def test_back_off_doubles_up_to_an_hour_and_scatters() -> None:
    assert 1.5 <= queue.back_off_seconds(1) <= 2.5
    assert 6 <= queue.back_off_seconds(3) <= 10
    assert 2700 <= queue.back_off_seconds(60) <= 4500
    assert len({queue.back_off_seconds(3) for _ in range(10)}) > 1


@pytest.mark.parametrize(
    ("error", "status", "message", "details"),
    [
        (jobs.Refused("not now"), "refused", "not now", None),
        (jobs.Failed("line 3", {"line": 3}), "failed", "line 3", {"line": 3}),
        (InvalidInput.field("name", "too long"), "failed", "name: too long", None),
        (NotFound("gone"), "failed", "gone", None),
    ],
)
def test_what_cannot_get_better_is_not_tried_again(
    database: Database,
    settings: Settings,
    handler: Register,
    error: Exception,
    status: str,
    message: str,
    details: object,
) -> None:
    def refuse(context: JobContext) -> None:
        raise error

    handler("t", refuse)
    enqueue(database)
    (done,) = run_pending(database, settings)
    assert (done.status, done.error, done.error_details) == (status, message, details)


def test_a_result_that_is_no_json_is_an_error_of_the_server(
    database: Database, settings: Settings, handler: Register
) -> None:
    handler("t", lambda context: object(), max_attempts=1)
    enqueue(database)
    assert run_pending(database, settings)[0].status == "server_error"


def test_finish_ends_the_job_with_what_it_wrote(database: Database, settings: Settings, handler: Register) -> None:
    def finish(context: JobContext) -> str:
        with context.unit() as session:
            jobs.enqueue(session, "written")
            context.progress(3, 4, "nearly")
            context.finish(session, {"rows": 3})
        return "not this"

    handler("t", finish)
    job = enqueue(database)
    run_pending(database, settings)
    done = get(database, job)
    assert (done.status, done.result) == ("finished", {"rows": 3})
    assert (done.progress_done, done.progress_total, done.progress_message) == (3, 4, "nearly")


def test_a_unit_that_fails_after_finish_is_no_end(database: Database, settings: Settings, handler: Register) -> None:
    def fail(context: JobContext) -> None:
        with context.unit() as session:
            jobs.enqueue(session, "written")
            context.finish(session)
            raise ZeroDivisionError

    handler("t", fail, max_attempts=1)
    job = enqueue(database)
    run_pending(database, settings)
    assert get(database, job).status == "server_error"
    with database.read() as session:
        assert jobs.list_(session, kind="written") == []


def test_a_claimant_taken_for_dead_changes_nothing(database: Database, settings: Settings, handler: Register) -> None:
    handler("t")
    job = enqueue(database)
    (stale,) = claim(database)
    context = JobContext(stale, database, settings)
    expire_leases(database)
    with database.write() as session:
        assert queue.recover(session) == 1
    (fresh,) = claim(database)
    assert (fresh.id, fresh.attempt) == (job.id, 2)
    assert fresh.fence > stale.fence
    with pytest.raises(jobs.LeaseLost), context.unit() as session:
        jobs.enqueue(session, "written")
    with database.write() as session:
        assert not queue.end(session, stale, "failed")
        assert not queue.release(session, stale)
    execute(context)
    assert get(database, job).status == "running"
    with database.write() as session:
        assert queue.end(session, fresh, "finished")
    with database.read() as session:
        assert jobs.list_(session, kind="written") == []


def test_a_job_whose_workers_keep_dying_is_given_up(database: Database, handler: Register) -> None:
    handler("t", max_attempts=2)
    job = enqueue(database)
    for _ in range(2):
        assert claim(database)
        expire_leases(database)
        with database.write() as session:
            queue.recover(session)
    assert get(database, job).status == "server_error"
    assert "died" in (get(database, job).error or "")


def test_cancel_at_once_or_by_asking(database: Database, settings: Settings, handler: Register) -> None:
    handler("t")
    waiting = enqueue(database)
    with database.write() as session:
        assert jobs.cancel(session, waiting.id).status == "cancelled"
    assert run_pending(database, settings) == []
    running = enqueue(database)
    claim(database)
    with database.write() as session:
        asked = jobs.cancel(session, running.id)
    assert (asked.status, asked.cancel_requested) == ("running", True)
    expire_leases(database)
    with database.write() as session:
        queue.recover(session)
    assert get(database, running).status == "cancelled", "its worker died before it could obey"
    with database.write() as session, pytest.raises(NotFound):
        jobs.cancel(session, "nobody")


def test_cancel_leaves_what_has_ended(database: Database, settings: Settings, handler: Register) -> None:
    handler("t")
    job = enqueue(database)
    run_pending(database, settings)
    with database.write() as session:
        assert jobs.cancel(session, job.id).status == "finished"


def test_a_deadline_that_passed_before_the_start(database: Database, settings: Settings, handler: Register) -> None:
    ran: list[JobContext] = []
    handler("t", ran.append)
    enqueue(database, deadline_at=now() - timedelta(seconds=1))
    (done,) = run_pending(database, settings)
    assert (done.status, ran) == ("failed", [])
    assert "deadline" in (done.error or "")


def test_a_job_past_its_time_is_told_to_stop(database: Database, settings: Settings, handler: Register) -> None:
    def loop(context: JobContext) -> None:
        while not context.cancelled():
            pass
        with context.unit():
            raise AssertionError

    handler("t", loop, timeout_seconds=0.05)
    enqueue(database)
    (done,) = run_pending(database, settings)
    assert done.status == "failed"
    assert "deadline" in (done.error or "")


def test_retry_starts_over(database: Database, settings: Settings, handler: Register) -> None:
    outcomes = [jobs.Failed("no", {"a": 1}), None]

    def run(context: JobContext) -> None:
        if outcome := outcomes.pop(0):
            raise outcome

    handler("t", run)
    job = enqueue(database)
    run_pending(database, settings)
    with database.write() as session:
        again = jobs.retry(session, job.id)
        assert (again.status, again.error, again.error_details) == ("pending", None, None)
    assert run_pending(database, settings)[0].status == "finished"
    with database.write() as session, pytest.raises(Conflict):
        jobs.retry(session, job.id)


def test_output_is_bounded_and_keeps_the_end(database: Database, settings: Settings, handler: Register) -> None:
    def talk(context: JobContext) -> None:
        for number in range(30000):
            context.log(f"line {number}\n")

    handler("t", talk)
    enqueue(database)
    (done,) = run_pending(database, settings)
    assert len(done.output) == 64 * 1024
    assert done.output.startswith("[... earlier output left out")
    assert done.output.endswith("line 29999\n")


def test_lists_and_counts(database: Database, settings: Settings, handler: Register) -> None:
    handler("a")
    first = enqueue(database, "a", organization_id="o", project_id="p", user_id="u")
    run_pending(database, settings)
    child = enqueue(database, "b", organization_id="o", parent_id=first.id)
    with database.read() as session:
        assert jobs.counts(session) == {("a", "finished"): 1, ("b", "pending"): 1}

        def ids(session: Session = session, **given: object) -> list[str]:
            return [job.id for job in jobs.list_(session, **given)]  # type: ignore[arg-type]

        assert ids(organization_id="o") == [child.id, first.id]
        assert ids(organization_id="o", limit=1, offset=1) == [first.id]
        assert ids(statuses=["finished"]) == ids(user_id="u") == ids(project_id="p") == ids(kind="a") == [first.id]
        assert ids(parent_id=first.id) == [child.id]
        assert ids(organization_id="x") == []


def test_old_ended_jobs_are_pruned(database: Database, settings: Settings, handler: Register) -> None:
    handler("a")
    old, young = enqueue(database, "a"), enqueue(database, "a")
    waiting = enqueue(database, "b")
    run_pending(database, settings)
    with database.write() as session:
        session.execute(update(Job).where(Job.id == old.id).values(ended_at=now() - timedelta(days=2)))
        pruning = Pruning(now() - timedelta(days=1))
        assert pruning(session) == pruning.deleted == 1
    with database.read() as session:
        assert {job.id for job in jobs.list_(session)} == {young.id, waiting.id}


def test_what_a_database_cannot_keep_ends_the_job_all_the_same(
    database: Database, settings: Settings, handler: Register
) -> None:
    def talk(context: JobContext) -> None:
        context.log("a\0b\ud800c")
        context.progress(2**40, 2**41, "\0")
        raise jobs.Failed("\0 or \ud800")

    handler("talk", talk)
    enqueue(database, "talk")
    (done,) = run_pending(database, settings)
    assert (done.status, done.output, done.progress_done) == ("failed", "a\ufffdb?c", 2**40)
    handler("details", lambda context: {"text": "\0"}, max_attempts=1)
    enqueue(database, "details")
    (done,) = run_pending(database, settings)
    assert done.status == ("failed" if database.dialect == "postgresql" else "finished")


def test_many_are_cancelled_at_once_those_that_run_are_told(database: Database, handler: Register) -> None:
    handler("importer.run")
    handler("importer.clear")
    mine = {"organization_id": "o", "project_id": "p"}
    enqueue(database, "importer.run", **mine)
    (running,) = claim(database)
    waiting = [enqueue(database, "importer.run", **mine) for _ in range(5)]
    clearing = enqueue(database, "importer.clear", **mine)
    other = enqueue(database, "importers.run", **mine)
    strange = enqueue(database, "importer.run", organization_id="o", project_id="q")
    with database.write() as session:
        assert jobs.cancel_all(session, "o", "p", kind="importer.run", running=False, limit=3) == (3, 0, True)
        assert jobs.cancel_all(session, "o", "p", kind="importer.run", running=False) == (2, 0, False)
    assert {get(database, job).status for job in waiting} == {"cancelled"}
    assert not get(database, running).cancel_requested
    with database.write() as session:
        assert jobs.cancel_all(session, "o", "p", kind="importer") == (1, 1, False)
    assert get(database, running).cancel_requested
    assert get(database, clearing).ended_at is not None
    assert [get(database, job).status for job in (other, strange)] == ["pending", "pending"]
