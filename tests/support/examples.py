"""A farm with one of everything, to which the examples of the OpenAPI document are sent."""

from typing import Any

from sqlalchemy import select

from entrepot.engines import calls
from entrepot.events import notifications
from entrepot.identity import ConsoleSession, User, projects, sessions, users
from entrepot.pipeline.models import Importer
from entrepot.scripts import Limits
from entrepot.server.api import examples
from tests.support.interface import MEAN, PARSE, Api

_NAME = "La Haute Borne"


class Farm:
    """A server with one of everything, by the names of the examples."""

    def __init__(self, api: Api, another: str = "") -> None:
        self.api = api
        self.ids: dict[str, str] = {"organization": api.principal.organization_id}
        self._name, self._another = f"{_NAME}{another}", another
        self._pipeline()
        self._rows()
        self._others()

    def make(self, thing: str, path: str, **fields: Any) -> dict[str, Any]:
        made: dict[str, Any] = self.api.ask("POST", path, 201, json=fields)
        self.ids[thing] = made["id"]
        return made

    def _pipeline(self) -> None:
        of = {"project": self._name}
        self.make("project", "/projects", name=self._name)
        gate = self.make("gate", "/gates", **of, name="scada")
        self.api.ask("POST", "/gates", 201, json={**of, "name": "spare"})
        self.make("feeder", "/feeders", gate=gate["id"], **{"from": "https://data.example.org/a.csv"})
        importer = self.make("importer", "/importers", **of, name="scada", gate="scada", parse=PARSE, clock="UTC")
        given = {"importer": importer["id"], "raw": "wind", "name": "R80711 clean", "unit": "m/s", "clock": "UTC"}
        channel = self.make("channel", "/channels", **given)
        self.ids["cleaner"] = channel["cleaner"]
        self.make("analysis", "/analyses", **of, name="Mean", inputs=["R80711 clean"], outputs=["m"], script=MEAN)
        body = b"t,wind\n" + b"".join(b"2024-03-01T%02d:00Z,%d\n" % (hour, hour) for hour in range(24))
        self.api.client.put(f"/api/v1/gates/{gate['id']}/files/a.csv", content=body).raise_for_status()
        self.api.ask("POST", f"/importers/{importer['id']}/runs", 202, json={})
        self.api.work()
        (self.ids["made"],) = (one["id"] for one in self.api.ask("GET", "/series?name=wind")["items"])
        series = self.make("series", "/series", **of, name="pushed", unit="m/s", labels={"turbine": "R80711"})
        self.api.ask("POST", "/points", json={series["id"]: {"time": ["2014-03-01T00:00Z"], "value": [5.0]}})
        self.ids["run"] = self.api.ask("POST", f"/importers/{importer['id']}/runs", 202, json={"again": True})["id"]
        self.make("watch", "/watches", of=importer["id"], silent_for="6h")

    def _rows(self) -> None:
        self.make("site", "/sites", name=self._name)
        self.make("location", "/locations", site=self._name, name="R80711")
        self.make("model", "/model-definitions", site=self._name, name=f"as built{self._another}")
        kept = self.make("result_set", "/result-sets", model=self.ids["model"], name=f"Power curves{self._another}")
        vectors = [{"name": "wind", "unit": "m/s", "values": [1, 2]}, {"name": "power", "unit": "kW", "values": [3, 4]}]
        path = f"/result-sets/{kept['id']}/rows"
        (row,) = self.api.ask("POST", path, json={"rows": [{"name": "a", "columns": vectors}]})
        self.ids["row"] = row["id"]
        self.ids["part"] = str(self.api.ask("POST", "/parts/materials", 201, json={"name": "Steel"})["id"])
        sheet = f"/api/v1/parts/materials/{self.ids['part']}/attachments/sheet"
        self.api.client.put(sheet, params={"name": "sheet.txt"}, content=b"S355").raise_for_status()

    def _others(self) -> None:
        work = {"pipeline": "power-curves", "parameters": {}, "site": "local", "user": "ada"}
        (self.ids["work"],) = self.api.ask("POST", "/works", json=[work])["ids"]
        taken = self.api.ask("POST", "/works/withdraw", json={"query": {"id": self.ids["work"]}, "lease_seconds": 60})
        assert [one["id"] for one in taken] == [self.ids["work"]]
        (self.ids["archived"],) = self.api.ask("POST", "/archive", json=[work | {"status": "success"}])["ids"]
        for name in ("file", "other"):
            sent = self.api.client.post("/api/v1/files", files={"file": (name, b"1")})
            self.ids[name] = sent.raise_for_status().json()["id"]
        self.make("upload", "/uploads", name="x", size=4)
        secret = {"access_key_id": "a", "secret_access_key": "b"}
        self.make("storage", "/storages", url="s3://results/x", credentials=secret)
        self.make("webhook", "/webhooks", url="https://example.org/hooks")
        self.make("key", "/keys", name="other")
        self.make("member", "/members", login=f"bob{self._another}", role="reader")
        self.make("request", "/requests", payload={"files": ["*"]})
        self.make("lock", "/locks", kind="row", id=self.ids["row"])
        limits = Limits(organization=self.api.principal.organization_id)
        calls.ask(self.api.database, [b"a call"], limits, 600)
        self.ids["call"] = self.api.ask("POST", "/calls/claim")["id"]
        with self.api.database.write() as session:
            project = projects.get_project(session, self.api.principal, self.ids["project"])
            notice = notifications.notify(
                session, "A name", "A message.", organization_id=project.organization_id, project_id=project.id,
                generator_kind=Importer.kind, generator_id=self.ids["importer"],
            )  # fmt: skip
            self.ids["notification"] = notice.id
            user = session.get_one(User, self.api.principal.user_id)
            users.set_password(session, user, "the old horse")
            sessions.begin(session, user, 12)
            self.ids["session"] = session.scalars(select(ConsoleSession.id)).one()

    def put_in(self, value: Any) -> Any:
        """Return an example with the ids of this farm in place of those that are made up."""
        if isinstance(value, dict):
            return {self.put_in(name): self.put_in(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.put_in(one) for one in value]
        known = {examples.id_of(thing): id_ for thing, id_ in self.ids.items()}
        return known.get(value, value) if isinstance(value, str) else value

    def send(self, method: str, path: str, operation: dict[str, Any]) -> Any:
        query: dict[str, Any] = {}
        headers: dict[str, str] = {}
        for one in operation.get("parameters", ()):
            if one["in"] == "path":
                thing = examples.thing_of(path, one["name"])
                path = path.replace(f"{{{one['name']}}}", self.ids.get(thing, one["example"]))
            elif "example" in one:
                (query if one["in"] == "query" else headers)[one["name"]] = self.put_in(one["example"])
        options: dict[str, Any] = {"params": query, "headers": headers}
        for media, content in operation.get("requestBody", {}).get("content", {}).items():
            if "example" not in content:
                continue
            example = self.put_in(content["example"])
            if media == "application/json":
                options["json"] = example
            elif media == "multipart/form-data":
                options["files"] = {"file": ("a.csv", example.pop("file"))}
                options["data"] = example
            else:
                options |= {"content": example.encode(), "headers": {**headers, "content-type": media}}
        return self.api.client.request(method, path, **options)
