"""A server in this process whose things have strangers' names, and the people who look at their pages."""

from typing import Any

from sqlalchemy import select
from starlette.testclient import TestClient

from entrepot.events import emit, notifications
from entrepot.events.models import Delivery
from entrepot.events.webhooks import dispatch
from entrepot.identity import ConsoleSession, Role, users
from entrepot.works import archive, queue
from entrepot.works.withdraw import withdraw
from tests.support.interface import DAY, PARSE, Api
from tests.support.page_users import FORMULA, MARKUP, PASSWORD


def with_users(api: Api) -> Api:
    """Add a reader and a writer to ada's organization, and eve, who administers another one."""
    with api.database.write() as session:
        own, others = api.organization(session), users.create_organization(session, "others")
        users.set_password(session, users.find_user(session, "ada"), PASSWORD)
        for login, role, of in (("rea", Role.READER, own), ("wil", Role.WRITER, own), ("eve", Role.ADMIN, others)):
            users.set_member(session, users.create_user(session, login, PASSWORD)[0], of, role)
    return api


def office_of(api: Api) -> dict[str, str]:
    """Make a file, a storage, a webhook with a failed delivery, a key, a member and a session; return their ids."""
    secret = {"access_key_id": "a", "secret_access_key": "hush-hush"}
    sent = api.client.post("/api/v1/files", files={"file": (MARKUP, b"1")}, data={"identifier": MARKUP})
    receiver = f"https://receiver.invalid/?{MARKUP.replace(' ', '+')}"
    made = {
        "file": sent.json()["id"],
        "storage": api.ask("POST", "/storages", 201, json={"url": "s3://results/x", "credentials": secret})["id"],
        "webhook": api.ask("POST", "/webhooks", 201, json={"url": receiver})["id"],
        "key": api.ask("POST", "/keys", 201, json={"name": MARKUP})["id"],
        "member": api.ask("POST", "/members", 201, json={"login": MARKUP, "role": "reader", "email": MARKUP})["id"],
    }
    with api.database.write() as session:
        event = emit(session, "file", "published", made["file"], organization_id=api.principal.organization_id,
                     data={"name": MARKUP})  # fmt: skip
        session.flush()
        made["event"] = event.id
    with api.database.write() as session:
        dispatch(session)
        entry = {"at": "2024-03-01T00:00:00+00:00", "seconds": 1.0, "status": 500, "error": MARKUP}
        entry |= {"request": {"headers": {MARKUP: MARKUP}}, "answer": {"headers": {MARKUP: MARKUP}, "body": MARKUP}}
        for one in session.scalars(select(Delivery)):
            one.log, one.status = [entry], "failed"
    stranger = TestClient(api.client.app, headers={"user-agent": MARKUP})
    stranger.post("/console/login", data={"login": "ada", "password": PASSWORD})
    with api.database.read() as session:
        query = select(ConsoleSession.id).order_by(ConsoleSession.created_at.desc())
        made["session"] = session.scalars(query.limit(1)).one()
    return made


def pipeline_of(api: Api) -> dict[str, str]:
    """Make a project and what its pipeline made of two files, of which a script refused one; return their ids."""

    def made(path: str, **fields: Any) -> str:
        return str(api.ask("POST", path, 201, json=fields)["id"])

    project = made("/projects", name=MARKUP, description=MARKUP)
    of = {"project": project}
    gate = made("/gates", **of, name=MARKUP, quarantine=True)
    script = PARSE + f"    # {MARKUP}\n"
    importer = made("/importers", **of, name=f"{MARKUP} 2", gate=gate, parse=script, clock="UTC")
    channel = made("/channels", importer=importer, raw="wind", name=MARKUP, title=MARKUP, unit=MARKUP, clock="UTC",
                   labels={"turbine": MARKUP})  # fmt: skip
    cleaner = api.ask("GET", f"/channels/{channel}")["cleaner"]
    inputs = [{"series": MARKUP, "column": MARKUP, "of": cleaner}]
    script = f"# {MARKUP}\ndef analyze(frame, **tools):\n    return frame\n"
    analysis = made("/analyses", **of, name=MARKUP, inputs=inputs, outputs=[MARKUP], script=script)
    for name, content in (("a.csv", DAY.encode()), ("bad.csv", b"x")):
        assert api.client.put(f"/api/v1/gates/{gate}/files/{name}", content=content).is_success
    run = str(api.ask("POST", f"/importers/{importer}/runs", 202, json={})["id"])
    trial = str(api.ask("POST", "/importers/try", 202, json={"importer": importer, "paths": ["a.csv"]})["id"])
    api.work()
    with api.database.write() as session:
        owned: dict[str, Any] = {"organization_id": api.principal.organization_id, "project_id": project}
        notifications.notify(session, MARKUP, MARKUP, generator_kind="importer", generator_id=importer, **owned)
    return {
        "project": project, "gate": gate, "importer": importer, "channel": channel, "cleaner": cleaner,
        "analysis": analysis, "run": run, "trial": trial,
        "series": api.ask("GET", "/series")["items"][0]["id"],
    }  # fmt: skip


def works_of(api: Api) -> dict[str, str]:
    """Deposit works, one of which fails and one is archived, and rows of two result sets; return their ids."""
    work: dict[str, Any] = {
        "pipeline": "p", "site": MARKUP, "user": FORMULA, "tags": [MARKUP], "plots": ["javascript:alert(1)", MARKUP],
        "parameters": {MARKUP: {MARKUP: [{MARKUP: 1}]}}, "function": MARKUP,
    }  # fmt: skip
    with api.database.write() as session:
        queue.deposit(session, api.principal, [work, work])
        (taken,) = withdraw(session, api.principal, {})
        ended = {"status": "failure", "attempt": 2, "stop": 1.0, "results": {"error": MARKUP}}
        queue.update_documents(session, api.principal, [taken | ended])
        archive.deposit(session, api.principal, [work | {"id": "archived", "status": "success"}])
    site = api.ask("POST", "/sites", 201, json={"name": MARKUP})["id"]
    model = api.ask("POST", "/model-definitions", 201, json={"name": MARKUP, "site": site})["id"]
    sets = []
    for number in range(2):
        fields = {"model": model, "name": MARKUP, "description": FORMULA, "extra": {MARKUP: str(number)}}
        sets.append(str(api.ask("POST", "/result-sets", 201, json=fields)["id"]))
        columns = [{"name": name, "unit": MARKUP, "values": [0.0, number + 1.0]} for name in ("x", MARKUP)]
        rows = [{"name": MARKUP, "columns": columns}]
        api.ask("POST", f"/result-sets/{sets[-1]}/rows", 200, json={"rows": rows})
    return {"work": str(taken["id"]), "result_set": sets[0], "other_set": sets[1]}
