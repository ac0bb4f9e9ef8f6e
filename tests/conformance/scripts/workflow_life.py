"""The life of works in the queue, with the published client."""

import time

from workflow_session import ARGUMENTS, finish

from workflow.definitions.work import Work
from workflow.http.context import HTTPContext

http = HTTPContext(backends=["buckets", "results"])
buckets = http.buckets
notes = {"slash": ARGUMENTS.get("slash", ""), "info": sorted(buckets.info())}


def work(pipeline="life", **fields):
    return Work(pipeline=pipeline, site="local", user="me", **fields)


notes["empty"] = [Work.withdraw("life", http=http), buckets.status("life"), buckets.pipelines()]
notes["deposit"] = work(priority=1, parameters={"x": 1.0}).deposit(http=http)
(urgent,) = work(priority=5, event=[1, 2], tags=["t"], config={"parent": "up"}).deposit(return_ids=True, http=http)
notes["ids"] = [len(one) for one in buckets.deposit([work("other").payload, work("other").payload], return_ids=True)]
notes["pipelines"] = buckets.pipelines()
notes["status"] = [buckets.status("life"), buckets.status()["total"], list(buckets.status())]
notes["filtered"] = [
    Work.withdraw("life", http=http, **one)
    for one in ({"site": "chime"}, {"event": [9]}, {"tags": ["u"]}, {"parent": ["p"]}, {"user": "you"}, {"priority": 2})
]
first = Work.withdraw(["nothing", "life", "other"], event=[2, 9], tags=["t"], parent=["up"], site="local", http=http)
notes["first"] = [first.id == urgent, first.status, first.attempt, first.stop, abs(first.start - time.time()) < 60]
first.status, first.results, first.stop = "success", {"sum": 18}, time.time()
notes["update"] = first.update()
notes["viewed"] = buckets.view({"pipeline": "life", "status": "success"}, {"id": True, "results": True})[0]["results"]

second = Work.withdraw("life", http=http)
stale = Work.from_dict(second.payload)
stale.http = http
second.status = "failure"
second.update()
notes["failed audit"] = buckets.audit()
again = Work.withdraw("life", http=http)
notes["again"] = [again.id == second.id, again.attempt]
stale.status = "success"
notes["stale worker"] = stale.update()
again.start = time.time() - 7200
again.update()
notes["expired audit"] = [buckets.audit(), buckets.audit()]
final = {"status": "failure", "$expr": {"$gte": ["$attempt", "$retries"]}}
notes["final"] = [one["id"] == again.id for one in buckets.view(final, {"id": True})]
notes["delete"] = [again.delete(), again.delete()]
notes["delete many"] = [
    buckets.delete_many("other", status="queued", force=True, limit=1),
    buckets.delete_many("other", force=True, limit=None),
    buckets.delete_many("other", force=True),
]
notes["left"] = buckets.status()
finish(notes)
