"""What the scripts share: a published client that notes what it asks and shows, and patience."""

import collections
import datetime as dt
import io
import json
import sys
import time

import pandas as pd

from ovbpclient import Client

ORGANIZATION = "Openergy"
PARSE_CSV = """
import pandas as pd

def parse(content_bytes, rel_path, **tools):
    return pd.read_csv(content_bytes, index_col=0, parse_dates=True)
"""


class Session:
    """The client, the arguments, and the notes that the test reads.

    ``requests`` holds ``[method, path, query, body, status]`` of each request; those made while waiting do not count.
    """

    def __init__(self):
        given, self.taken = sys.argv[1:3]
        with open(given) as f:
            self.arguments = json.load(f)
        a = self.arguments
        self.client = Client(io.StringIO(f"{a['login']}\n{a['password']}\n"), url=a["url"] + "/ovbp/api/v2")
        self.requests = []
        self.notes = {}
        self._waiting = False
        session = self.client.rest_client.session
        # requests, or httpx
        hooks = session.hooks if hasattr(session, "hooks") else session.event_hooks
        hooks["response"].append(self._note_request)

    def _note_request(self, response, **_):
        if self._waiting:
            return
        request = response.request
        address = request.path_url if hasattr(request, "path_url") else request.url.raw_path.decode()
        content = request.body if hasattr(request, "body") else request.content
        path, _, query = address.partition("?")
        body = json.loads(content) if content else None
        self.requests.append([request.method, path, query, body, response.status_code])

    def show(self, place, value):
        """Note what printing `value` shows, and all that can be known of it."""
        print(value)
        self.notes.setdefault(place, []).append(describe(value))

    def wait(self, predicate):
        """Give the server the time that a person would: poll until it is so, at most `patience` seconds."""
        self._waiting = True
        end = time.monotonic() + self.arguments["patience"]
        try:
            while not predicate() and time.monotonic() < end:
                time.sleep(0.2)
        finally:
            self._waiting = False

    def finish(self, task):
        """Wait for a task's end without the client's three seconds between two looks."""
        self._waiting = True
        try:
            return task.wait_for_completion(period=20)
        finally:
            self._waiting = False

    def imported(self, project_name, frame):
        """Return a new project, and in it an importer named `importer` that has imported the frame from its gate."""
        project = self.client.get_organization(ORGANIZATION).create_project(project_name)
        gate = project.create_gate("gate")
        with gate.get_ftputil_client() as ftp:
            with ftp.open("data.csv", "w") as f:
                frame.to_csv(f)
        importer = project.create_importer("importer")
        importer.configure(gate, parse_script=PARSE_CSV, crontab="0 0 0 1 1 *")
        self.finish(importer.run())
        importer.reload()
        return project, importer

    def points(self, series):
        """Count the rows of the frame of some series; 0 for no series."""
        return len(self.client.series.select_data(series)) if series else 0

    def end(self, **results):
        """Hand the notes over."""
        with open(self.taken, "w") as f:
            json.dump({"shown": self.notes, "requests": self.requests, **results}, f)


def describe(value):
    """Describe a value so that JSON keeps what Python printed: types, order, index."""
    if isinstance(value, pd.DataFrame):
        return {
            "printed": str(value),
            "columns": list(value.columns),
            "dtypes": [str(t) for t in value.dtypes],
            "index": [str(i) for i in value.index],
            "index_type": f"{type(value.index).__name__} {value.index.dtype} {value.index.name}",
            "values": value.to_numpy().tolist(),
        }
    if isinstance(value, pd.Series):
        return describe(value.to_frame("")) | {"printed": str(value), "name": value.name}
    if isinstance(value, dt.datetime):
        return {"datetime": value.isoformat()}
    if isinstance(value, collections.OrderedDict):
        return {"ordered": [[key, describe(item)] for key, item in value.items()]}
    if isinstance(value, list):
        return [describe(item) for item in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return {"printed": str(value)}
