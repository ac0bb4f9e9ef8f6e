"""Every method of the document, with the published client."""

import copy

from workflow_session import finish

from requests import HTTPError
from workflow.definitions.work import Work
from workflow.http.context import HTTPContext

PIPELINE = "header-localization"

ResultsContext = HTTPContext(backends=["results"])
results = ResultsContext.results
notes = {"version": results.info()["server"]["version"], "empty": results.status()}


def work(event, status="success", **fields):
    payload = Work(pipeline=PIPELINE, site="local", user="me", event=event, **fields).payload
    return {**payload, "status": status}


deposited = [
    work([9385707, 9385708], results={"dm": 1.0, "n": 1}, tags=["a"]),
    work([9385707], status="failure", products=["x.h5"]),
    work([3], results={"dm": 0.25}),
]
try:
    results.deposit([{**deposited[0], "status": "running"}])
except AssertionError as error:
    notes["assertion"] = str(error)
notes["nothing"] = results.deposit([])
notes["deposit"] = results.deposit(copy.deepcopy(deposited))
notes["status"] = results.status()
stored = results.get_by_count(PIPELINE, 10)
notes["ids"] = ids = [one["id"] for one in stored]
notes["stored"], notes["deposited"] = stored, deposited
notes["count 2"] = [one["id"] for one in results.get_by_count(PIPELINE, 2)]
notes["default count"] = len(results.get_by_count(PIPELINE))
notes["all"] = len(results.get_by_count(PIPELINE, 0))
notes["by id"] = [one["id"] for one in results.get_by_id(PIPELINE, ids[:2])]
notes["by event"] = [one["event"] for one in results.get_by_event(PIPELINE, 9385707)]
notes["count"] = results.count(PIPELINE, {"status": "success"})
notes["view"] = results.view(PIPELINE, {"results.dm": {"$gt": 0.5}}, {"results.dm": True}, skip=0, limit=-1)
notes["unknown"] = [results.view("unknown", {}), results.count("unknown", {})]
try:
    results.deposit([stored[0]])
except HTTPError as error:
    notes["duplicate"] = [error.response.status_code, error.response.json()]
try:
    results.view(PIPELINE, {"$where": "true"})
except HTTPError as error:
    notes["$where"] = [error.response.status_code, error.response.json()["message"]]

notes["lock"] = [results.lock(PIPELINE, ids[:1]), results.lock(PIPELINE, ids[:1]), results.lock(PIPELINE, ["unknown"])]
notes["locked"] = [results.get_locked_count(PIPELINE), [sorted(one) for one in results.get_locked(PIPELINE)]]
changed = {**stored[0], "results": {"dm": 99.0, "locked": True}}
notes["update locked"] = results.update([changed])
notes["update one locked"] = results.update([{**stored[1], "tags": ["changed"]}, changed])
notes["delete locked"] = results.delete_ids(PIPELINE, ids)
notes["after"] = [[one["tags"], one["results"]] for one in results.get_by_count(PIPELINE)]
notes["unlock"] = results.unlock(PIPELINE, ids[:1], force=True)
notes["update"] = results.update([{**stored[0], "results": {"dm": 2.0}}])
notes["updated"] = results.get_by_id(PIPELINE, ids[:1])[0]["results"]
notes["delete"] = results.delete_ids(PIPELINE, ids)
notes["delete again"] = results.delete_ids(PIPELINE, ids)
notes["delete none"] = results.delete_ids(PIPELINE, [])
notes["left"] = results.status()
finish(notes)
