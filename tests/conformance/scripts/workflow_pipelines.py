"""A workspace that names pipelines, configs and schedules."""

import json

from requests import HTTPError
from workflow_session import ARGUMENTS, BASE, CONTENT, WORKSPACE, finish

from workflow.http.context import HTTPContext

for backend in ("pipelines", "configs", "schedules"):
    CONTENT["http"]["baseurls"][backend] = f"{BASE}/pipelines/v2"
WORKSPACE.write_text(json.dumps(CONTENT))

http = HTTPContext()
notes = {
    "made": [getattr(http, name) is not None for name in ("buckets", "results", "pipelines", "configs", "schedules")],
    "lists": [
        http.pipelines.list_pipelines(),
        http.configs.get_configs(),
        http.configs.get_configs(name="a", query=json.dumps({"id": "1"})),
        http.schedules.list_schedules(None),
        http.schedules.list_schedules("a"),
    ],
    "counts": [http.pipelines.count(), http.configs.count(), http.schedules.count_schedules()],
    "refused": [],
}
for deploy in (http.configs.deploy, http.schedules.deploy):
    try:
        deploy({"version": "2", "name": "a", "pipeline": {"steps": []}})
    except HTTPError as error:
        notes["refused"].append([error.response.status_code, error.response.json()["message"]])
notes["works"] = http.buckets.deposit([{"pipeline": "p", "site": "local", "user": "me"}])
notes["url"] = ARGUMENTS["url"]
finish(notes)
