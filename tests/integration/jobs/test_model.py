"""Any sequence of calls leaves the queue as a dictionary of jobs would be."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import delete, update

from entrepot import jobs
from entrepot.db import Database, now
from entrepot.errors import Conflict
from entrepot.jobs import queue
from entrepot.jobs.models import Job

MAX_ATTEMPTS = 2


@dataclass
class Expected:
    order: int
    key: str | None
    priority: int
    coalesce: str | None
    place: int
    status: str = "pending"
    attempt: int = 0
    cancel: bool = False

    @property
    def urgency(self) -> tuple[int, int, int]:
        return -self.priority, self.place, self.order


def machine(database: Database) -> type[RuleBasedStateMachine]:
    class Queue(RuleBasedStateMachine):
        claims = Bundle("claims")

        def __init__(self) -> None:
            super().__init__()
            with database.write() as session:
                session.execute(delete(Job))
            self.jobs: dict[str, Expected] = {}
            self.claimed: dict[str, Job] = {}
            self.order = 0

        def next_order(self) -> int:
            self.order += 1
            return self.order

        @rule(
            key=st.sampled_from([None, "a", "b"]),
            priority=st.integers(0, 2),
            coalesce=st.sampled_from([None, None, "x", "y"]),
        )
        def enqueue(self, key: str | None, priority: int, coalesce: str | None) -> None:
            with database.write() as session:
                job = jobs.enqueue(session, "t", key=key, priority=priority, coalesce=coalesce)
            waiting = [
                id_ for id_, it in self.jobs.items() if coalesce and it.coalesce == coalesce and it.status == "pending"
            ]
            assert job.created_now == (not waiting)
            if waiting:
                assert job.id in waiting
            else:
                self.jobs[job.id] = Expected(self.next_order(), key, priority, coalesce, self.next_place(key))

        def next_place(self, key: str | None) -> int:
            """Jobs of a key that wait have it stand back behind those of others, turn by turn."""
            same = [it for it in self.jobs.values() if it.key == key is not None and it.status == "pending"]
            return max(same, key=lambda it: it.order).place + 1 if same else 0

        @rule(target=claims)
        def claim(self) -> Job | None:
            with database.write() as session:
                found = queue.claim(session, "w", 60)
            possible = [id_ for id_, it in self.jobs.items() if it.status == "pending" and not self.blocked(it)]
            best = min(possible, key=lambda id_: self.jobs[id_].urgency, default=None)
            assert [job.id for job in found] == ([best] if best else [])
            if best is None:
                return None
            expected = self.jobs[best]
            expected.status = "running"
            expected.attempt += 1
            self.claimed[best] = found[0]
            return found[0]

        def blocked(self, job: Expected) -> bool:
            return job.key is not None and any(
                other.key == job.key
                and (other.status == "running" or (other.status == "pending" and other.order < job.order))
                for other in self.jobs.values()
            )

        def owns(self, claim: Job) -> bool:
            return self.jobs[claim.id].status == "running" and self.claimed[claim.id] is claim

        @rule(claim=claims, status=st.sampled_from(jobs.ENDED))
        def end(self, claim: Job | None, status: str) -> None:
            if claim is not None:
                with database.write() as session:
                    assert queue.end(session, claim, status) == self.owns(claim)
                if self.owns(claim):
                    self.jobs[claim.id].status = status

        @rule(claim=claims)
        def fail_and_come_back(self, claim: Job | None) -> None:
            if claim is not None:
                with database.write() as session:
                    kept = queue.again_or_give_up(session, claim, "oops", wait=False)
                assert kept == self.owns(claim)
                if kept:
                    self.give_up_or_wait(claim.id)

        @rule(claim=claims)
        def release(self, claim: Job | None) -> None:
            if claim is not None:
                with database.write() as session:
                    assert queue.release(session, claim) == self.owns(claim)
                if self.owns(claim):
                    self.jobs[claim.id].status = "pending"
                    self.jobs[claim.id].attempt -= 1

        @rule()
        def all_workers_die(self) -> None:
            with database.write() as session:
                session.execute(update(Job).where(Job.status == "running").values(lease_until=now()))
            with database.write() as session:
                lost = queue.recover(session)
            running = [id_ for id_, it in self.jobs.items() if it.status == "running"]
            assert lost == len(running)
            for id_ in running:
                if self.jobs[id_].cancel:
                    self.jobs[id_].status = "cancelled"
                else:
                    self.give_up_or_wait(id_)

        def give_up_or_wait(self, id_: str) -> None:
            self.jobs[id_].status = "server_error" if self.jobs[id_].attempt >= MAX_ATTEMPTS else "pending"

        @rule(data=st.data())
        def cancel(self, data: st.DataObject) -> None:
            if self.jobs:
                id_ = data.draw(st.sampled_from(sorted(self.jobs, key=lambda id_: self.jobs[id_].order)))
                with database.write() as session:
                    jobs.cancel(session, id_)
                expected = self.jobs[id_]
                expected.cancel = expected.cancel or expected.status == "running"
                expected.status = "cancelled" if expected.status == "pending" else expected.status

        @rule(data=st.data())
        def retry(self, data: st.DataObject) -> None:
            if self.jobs:
                id_ = data.draw(st.sampled_from(sorted(self.jobs, key=lambda id_: self.jobs[id_].order)))
                expected = self.jobs[id_]
                try:
                    with database.write() as session:
                        jobs.retry(session, id_)
                except Conflict:
                    assert expected.status in {"pending", "running", "finished"}
                else:
                    assert expected.status not in {"pending", "running", "finished"}
                    self.jobs[id_] = replace(
                        expected,
                        order=self.next_order(),
                        place=self.next_place(expected.key),
                        status="pending",
                        attempt=0,
                        cancel=False,
                    )

        @invariant()
        def equal(self) -> None:
            with database.read() as session:
                stored: dict[str, Any] = {job.id: job for job in jobs.list_(session, limit=1000)}
            assert {id_: (job.status, job.attempt) for id_, job in stored.items()} == {
                id_: (it.status, it.attempt) for id_, it in self.jobs.items()
            }
            assert all((job.worker is None) == (job.status != "running") for job in stored.values())

    return Queue


def test_the_queue_is_as_its_model(database: Database, handler: Callable[..., None]) -> None:
    handler("t", max_attempts=MAX_ATTEMPTS)
    run_state_machine_as_test(
        machine(database),
        settings=hypothesis_settings(
            max_examples=25, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
