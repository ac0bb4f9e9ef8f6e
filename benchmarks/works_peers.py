"""A client of one of the queues that `works.py` compares, a process of its own; and mongomock.

    python works_peers.py SYSTEM ADDRESS        # commands come line by line on standard input

Run by Entrepot's Python for Entrepot, by the peers' for the others. Every command answers one line of JSON.
"""

import asyncio
import contextlib
import json
import sys
import time
import uuid
from typing import Any, Protocol

from works_data import PIPELINES, finished, queries, text, work

WARM_UP = 10


class Queue(Protocol):
    """What a client does: `deposit` some works at once, `withdraw` some, `finish` those."""

    async def open(self) -> None: ...

    async def deposit(self, works: list[dict[str, Any]]) -> None: ...

    async def withdraw(self, limit: int) -> list[Any]: ...

    async def finish(self, taken: list[Any]) -> None: ...


class InProcess:
    """Entrepot's own functions, one unit of work a call."""

    def __init__(self, address: dict[str, str]) -> None:
        from entrepot.db import Database
        from entrepot.identity import Principal
        from entrepot.identity.models import Role
        from entrepot.works import archive, queue
        from entrepot.works.withdraw import withdraw

        self._archive, self._queue, self._withdraw = archive, queue, withdraw
        self.database = Database(address["url"], pool_size=1)
        organization = address["organization_id"]
        self.principal = Principal(address["user_id"], "bench", organization, {organization: Role.WRITER})

    async def open(self) -> None:
        return

    async def deposit(self, works: list[dict[str, Any]]) -> None:
        self.database.at_once(lambda session: self._queue.deposit(session, self.principal, works))

    async def withdraw(self, limit: int) -> list[Any]:
        query = {"pipeline": {"$in": PIPELINES}}
        taken: list[Any] = self.database.at_once(
            lambda session: self._withdraw(session, self.principal, query, limit=limit)
        )
        return taken

    async def finish(self, taken: list[Any]) -> None:
        reports = _reports(taken)
        assert self.database.at_once(lambda session: self._queue.update_documents(session, self.principal, reports))

    async def archive(self, taken: list[Any]) -> None:
        with self.database.write() as session:
            self._archive.deposit(session, self.principal, _reports(taken))
            self._queue.delete_ids(session, self.principal, [one["id"] for one in taken])

    async def fill(self, documents: list[dict[str, Any]]) -> None:
        with self.database.write() as session:
            self._archive.deposit(session, self.principal, documents)


class OverHttp:
    """Entrepot's native API."""

    def __init__(self, address: dict[str, Any]) -> None:
        from common import Http

        self.http = Http(address["port"], address["headers"])

    async def open(self) -> None:
        return

    def _send(self, method: str, path: str, body: Any) -> Any:
        answer = self.http.send(method, f"/api/v1{path}", text(body).encode(), content_type="application/json")
        return json.loads(answer)

    async def deposit(self, works: list[dict[str, Any]]) -> None:
        self._send("POST", "/works", works)

    async def withdraw(self, limit: int) -> list[Any]:
        body = {"query": {"pipeline": {"$in": PIPELINES}}, "limit": limit}
        taken: list[Any] = self._send("POST", "/works/withdraw", body)
        return taken

    async def finish(self, taken: list[Any]) -> None:
        assert self._send("PUT", "/works", _reports(taken))["updated"]

    async def archive(self, taken: list[Any]) -> None:
        self._send("POST", "/archive", _reports(taken))
        self._send("POST", "/works/delete", {"ids": [one["id"] for one in taken]})


class Procrastinate:
    """Jobs of five queues, by the library's own job manager."""

    def __init__(self, address: dict[str, str]) -> None:
        import procrastinate

        connector = procrastinate.PsycopgConnector(conninfo=address["conninfo"], min_size=1, max_size=1)
        self.app = procrastinate.App(connector=connector)

    async def open(self) -> None:
        await self.app.open_async()
        if not await self.app.connector.execute_query_all_async(
            "SELECT 1 FROM pg_tables WHERE tablename = 'procrastinate_jobs'"
        ):
            await self.app.schema_manager.apply_schema_async()
        self.worker = await self.app.job_manager.register_worker()

    async def deposit(self, works: list[dict[str, Any]]) -> None:
        for pipeline in PIPELINES:
            of_pipeline = [one for one in works if one["pipeline"] == pipeline]
            for priority in {one["priority"] for one in of_pipeline}:
                task = self.app.configure_task("work", queue=pipeline, priority=priority)
                given = [one for one in of_pipeline if one["priority"] == priority]
                if len(given) == 1:
                    await task.defer_async(**given[0])
                else:
                    await task.batch_defer_async(*given)

    async def withdraw(self, limit: int) -> list[Any]:
        job = await self.app.job_manager.fetch_job(PIPELINES, self.worker)
        return [] if job is None else [job]

    async def finish(self, taken: list[Any]) -> None:
        from procrastinate.jobs import Status

        for job in taken:
            await self.app.job_manager.finish_job(job, Status.SUCCEEDED, delete_job=False)


class PgQueuer:
    """Jobs of five entrypoints, by the library's own queries on asyncpg."""

    def __init__(self, address: dict[str, str]) -> None:
        self.address = address

    async def open(self) -> None:
        import asyncpg
        from pgqueuer.db import AsyncpgDriver
        from pgqueuer.queries import EntrypointExecutionParameter, Queries

        self.queries = Queries(AsyncpgDriver(await asyncpg.connect(self.address["dsn"])))
        if not await self.queries.schema_is_installed():
            await self.queries.install()
        self.manager = uuid.uuid4()
        self.entrypoints = {name: EntrypointExecutionParameter(0) for name in PIPELINES}

    async def deposit(self, works: list[dict[str, Any]]) -> None:
        names, bodies = [one["pipeline"] for one in works], [text(one).encode() for one in works]
        await self.queries.enqueue(names, bodies, [one["priority"] for one in works])

    async def withdraw(self, limit: int) -> list[Any]:
        from datetime import timedelta

        taken: list[Any] = await self.queries.dequeue(
            limit, self.entrypoints, self.manager, None, timedelta(seconds=60)
        )
        return taken

    async def finish(self, taken: list[Any]) -> None:
        await self.queries.log_jobs([(job, "successful", None) for job in taken])


class Redis:
    """One list for what waits and one for what runs: neither priorities nor pipelines."""

    def __init__(self, address: dict[str, int]) -> None:
        import redis

        self.redis = redis.Redis(port=address["port"])

    async def open(self) -> None:
        return

    async def deposit(self, works: list[dict[str, Any]]) -> None:
        self.redis.lpush("queued", *(text({"id": uuid.uuid4().hex, **one}) for one in works))

    async def withdraw(self, limit: int) -> list[Any]:
        pipe = self.redis.pipeline(transaction=False)
        for _ in range(limit):
            pipe.lmove("queued", "running", "RIGHT", "LEFT")
        return [one for one in pipe.execute() if one is not None]

    async def finish(self, taken: list[Any]) -> None:
        pipe = self.redis.pipeline(transaction=False)
        for one in taken:
            pipe.lrem("running", -1, one)
        pipe.execute()


def _reports(taken: list[Any]) -> list[dict[str, Any]]:
    return [one | {"status": "success", "stop": time.time(), "results": {"snr": 12.5}} for one in taken]


class Commands:
    """What `works.py` asks of a queue's client."""

    def __init__(self, queue: Any) -> None:
        self.queue = queue

    async def deposit(self, count: int, at_once: int) -> int:
        """Deposit so many works."""
        for start in range(0, count, at_once):
            await self.queue.deposit([work(number) for number in range(start, min(start + at_once, count))])
        return count

    async def work(self, count: int, at_once: int) -> int:
        """Withdraw and finish so many works, fewer if none is left."""
        return await self._work(count, at_once, self.queue.finish)

    async def archive(self, count: int, at_once: int) -> int:
        """Withdraw so many works, archive them, and delete them from the queue."""
        return await self._work(count, at_once, self.queue.archive)

    async def fill(self, count: int, at_once: int) -> int:
        """Archive so many documents."""
        for start in range(0, count, at_once):
            await self.queue.fill([finished(number) for number in range(start, min(start + at_once, count))])
        return count

    async def cycle(self, seconds: int, windows: int) -> list[int]:
        """Deposit, withdraw and finish one work after the other for some seconds; return how many in each window."""
        counts, began, number = [0] * windows, time.monotonic(), 0
        while (passed := time.monotonic() - began) < seconds:
            await self.queue.deposit([work(number)])
            await self.queue.finish(await self.queue.withdraw(1))
            counts[int(passed / seconds * windows)] += 1
            number += 1
        return counts

    async def _work(self, count: int, at_once: int, finish: Any) -> int:
        done = 0
        while done < count and (taken := await self.queue.withdraw(min(at_once, count - done))):
            await finish(taken)
            done += len(taken)
        return done


class Mongomock:
    """An archive in memory: it answers milliseconds, the medians of several rounds, and how many documents matched."""

    def __init__(self, address: dict[str, int]) -> None:
        import mongomock

        self.documents = address["documents"]
        self.collection = mongomock.MongoClient().db.archive

    async def open(self) -> None:
        return

    async def load(self, _: int, at_once: int) -> float:
        """Insert the documents; return the seconds."""
        seconds = 0.0
        for start in range(0, self.documents, at_once):
            batch = [finished(number) for number in range(start, min(start + at_once, self.documents))]
            began = time.perf_counter()
            self.collection.insert_many(batch)
            seconds += time.perf_counter() - began
        return seconds

    async def query(self, number: int, rounds: int) -> list[float]:
        """Return the milliseconds of a count and of the newest 100, and the count."""
        asked = queries(self.documents)[number].mongo
        counts, views, found = [], [], 0
        for _ in range(rounds):
            began = time.perf_counter()
            found = self.collection.count_documents(asked)
            counts.append(1000 * (time.perf_counter() - began))
            began = time.perf_counter()
            list(self.collection.find(asked).sort("creation", -1).limit(100))
            views.append(1000 * (time.perf_counter() - began))
        return [sorted(counts)[rounds // 2], sorted(views)[rounds // 2], found]


KINDS = {kind.__name__: kind for kind in (InProcess, OverHttp, Procrastinate, PgQueuer, Redis, Mongomock)}


async def main() -> None:
    """Do what standard input says, until it ends."""
    client: Any = KINDS[sys.argv[1]](json.loads(sys.argv[2]))
    await client.open()
    commands = client if isinstance(client, Mongomock) else Commands(client)
    if isinstance(commands, Commands):  # connections, plans and imports of the first calls are not what is measured
        for _ in range(WARM_UP):
            await client.deposit([work(0)])
            await client.finish(await client.withdraw(1))
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        name, first, second = line.split()
        print(json.dumps(await getattr(commands, name)(int(first), int(second))), flush=True)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
