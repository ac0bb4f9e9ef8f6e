"""The console's pages of files, storages, webhooks, people and the server: what they show, what their forms do."""

import html
import http.server
import re
import threading
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Any

import pytest
from sqlalchemy import update
from starlette.testclient import TestClient

from entrepot import jobs
from entrepot.db import Database
from entrepot.events import emit
from entrepot.events.models import Delivery
from entrepot.events.webhooks import dispatch
from entrepot.identity import User, bans, users
from entrepot.identity.bans import Limits
from entrepot.server.handlers import HANDLERS
from tests.support.interface import Api

pytestmark = pytest.mark.turns

PASSWORD = "correct horse"
SIGNED = re.compile(r'id="address" value="([^"]+)"')
SECRET = re.compile(r'id="secret" value="([^"]+)"')


@pytest.fixture(autouse=True)
def handlers() -> None:
    """What workers know, this process has to know."""
    jobs.load(HANDLERS)


@pytest.fixture
def console(api: Api) -> TestClient:
    """Ada, signed in."""
    with api.database.write() as session:
        users.set_password(session, users.find_user(session, "ada"), PASSWORD)
    return signed_in(api, "ada", PASSWORD)


def signed_in(api: Api, login: str, password: str) -> TestClient:
    found = TestClient(api.client.app, follow_redirects=False)
    assert found.post("/console/login", data={"login": login, "password": password}).status_code == 303
    return found


def page(console: TestClient, path: str, status: int = 200) -> str:
    answer = console.get(f"/console/{path}")
    assert answer.status_code == status, answer.text
    return answer.text


def post(console: TestClient, path: str, status: int = 303, **typed: Any) -> str:
    """Send a form, and return where it leads, or the page that came back."""
    token = page(console, "preferences").partition('name="form_token" value="')[2].partition('"')[0]
    answer = console.post(f"/console/{path}", data=typed | {"form_token": token})
    assert answer.status_code == status, answer.text
    return answer.headers["location"].removeprefix("/console/") if status == 303 else answer.text


def written(api: Api) -> None:
    """Have what requests left behind written, as a part does every few seconds."""
    api.client.app.state.noted.write(api.database)  # type: ignore[attr-defined]


# Files and storages


def test_a_file_is_sent_fetched_signed_and_withdrawn_on_its_pages(api: Api, console: TestClient) -> None:
    assert "There are no files yet" in page(console, "files")
    token = page(console, "files/new").partition('name="form_token" value="')[2].partition('"')[0]
    sent = console.put(
        "/console/files/new/wéek.csv?identifier=weekly", content=b"t,v\n", headers={"x-form-token": token}
    )
    assert sent.status_code == 201, sent.text
    file = f"files/{sent.json()['id']}"
    listed = page(console, "files?q=week")
    for text in ("wéek.csv", "weekly", "available", "local://"):
        assert text in listed, text
    assert "There are none that this filter lets pass" in page(console, "files?status=consumed")
    assert console.get(f"/console/{file}/content").content == b"t,v\n"
    assert console.get(f"/console/{file}/content", headers={"range": "bytes=2-"}).status_code == 206
    assert post(console, f"{file}/sign", seconds="86400") == file
    address = html.unescape(SIGNED.findall(page(console, file))[0])
    for _ in range(2):
        assert TestClient(api.client.app).get(address).content == b"t,v\n"
    written(api)
    for who, count in (("ada", 1), ("signed address", 2)):
        assert f'<td>{who}</td>\n<td class="number">{count}</td>' in page(console, file), who
        assert "wéek.csv" in page(console, f"files?fetched_by={who}")
    assert "wéek.csv" not in page(console, "files?fetched_by=bob")
    assert post(console, f"{file}/ack") == file
    shown = page(console, file)
    for text in ("consumed", "published", "Acknowledged", "Expires"):
        assert text in shown, text
    assert "Write &#39;wéek.csv&#39;" in post(console, f"{file}/withdraw", 400, confirm="week")
    assert post(console, f"{file}/withdraw", confirm="wéek.csv") == file
    assert "Download" not in page(console, file)
    kept = list(api.settings.files_dir.rglob("*/*/*"))
    assert len(kept) == 1
    api.work()
    assert not kept[0].exists(), "its bytes go with it"
    assert TestClient(api.client.app).get(address).status_code == 410
    assert console.get(f"/console/{file}/content").status_code == 410


def test_a_locked_file_is_not_withdrawn(api: Api) -> None:
    file = api.client.post("/api/v1/files", files={"file": ("a", b"1")}).json()["id"]
    api.ask("POST", "/locks", 201, json={"kind": "file", "id": file})
    api.ask("DELETE", f"/files/{file}", 409)
    assert "Delete this file" not in api.client.get(f"/console/files/{file}").text
    assert api.ask("GET", f"/files/{file}")["status"] == "available"


def test_a_storage_tests_itself_and_is_closed_and_opened(api: Api, console: TestClient, tmp_path: Any) -> None:
    root = tmp_path / "data" / "shelf"
    root.mkdir()
    refused = post(console, "files/storages/new", 400, url=f"local://{root}", signed="false")
    assert "The operator does not allow this folder" in refused
    assert f"local://{root}" in refused, "what was typed comes back"
    inside = {"url": "s3://results/x", "endpoint": "http://169.254.169.254/", "access_key_id": "id"}
    refused = post(console, "files/storages/new", 400, **inside, secret_access_key="hush-hush", signed="false")
    assert "hush-hush" not in refused, "secrets are typed again"
    api.settings.__dict__["file_local_roots"] = [root]
    begun = post(console, "files/storages/new", url=f"local://{root}", signed="true", signed_for="600", default="true")
    storage, _, task = begun.partition("?test=")
    assert 'data-state="running"' in page(console, f"{storage}/tests/{task}")
    api.work()
    outcome = page(console, f"{storage}/tests/{task}")
    assert 'data-state="done"' in outcome
    assert outcome.count("well") == 5
    shown = page(console, storage)
    assert "valid" in shown
    assert "yes: files go there" in shown
    assert page(console, f"{storage}/tests/{task}x", 404)
    assert post(console, f"{storage}/close") == storage
    assert "deactivated" in page(console, storage)
    assert str(root) not in page(console, "files/storages")
    assert str(root) in page(console, "files/storages?status=deactivated")
    assert post(console, f"{storage}/open") == storage
    entries = [one["action"] for one in api.ask("GET", "/audit?kind=storage")["items"]]
    assert entries[-1] == "created"


# Events and webhooks


class _Receiver(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(type(self).status)
        self.send_header("set-cookie", "id=very-secret")
        self.send_header("x-request-id", "r-1")
        self.end_headers()
        self.wfile.write(b"thank <b>you</b>")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[tuple[str, type[_Receiver]]]:
    """An address that takes webhooks, or refuses them."""
    handler = type("Handler", (_Receiver,), {})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/hooks", handler
    server.shutdown()
    server.server_close()


def test_a_webhook_is_made_tested_looked_at_and_replayed(
    api: Api, console: TestClient, receiver: tuple[str, type[_Receiver]]
) -> None:
    address, handler = receiver
    assert "make one above" in page(console, "events/webhooks")
    assert address in post(console, "events/webhooks/new", 400, url=address), "loopback is nobody's receiver"
    api.settings.__dict__["webhook_allowed_networks"] = (ip_network("127.0.0.0/8"),)
    made = post(console, "events/webhooks/new", 200, url=address, types="series\nfile.published")
    (secret,) = SECRET.findall(made)
    assert secret.startswith("whsec_")
    id_ = api.ask("GET", "/webhooks")["items"][0]["id"]
    hook = f"events/webhooks/{id_}"
    assert secret not in page(console, hook)
    begun = post(console, f"{hook}/test")
    task = begun.partition("?test=")[2]
    api.work()
    assert 'data-state="done"' in page(console, f"{hook}/tests/{task}")
    assert "valid" in page(console, hook)

    handler.status = 500
    with api.database.write() as session:
        for at in range(2):
            owner: dict[str, Any] = {"organization_id": api.principal.organization_id}
            emit(session, "file", "published", f"f-{at}", **owner, data={"name": "</script><img src=x>"})
    with api.database.write() as session:
        dispatch(session)
    api.work()
    listed = page(console, f"{hook}/deliveries?status=pending")
    assert listed.count("answered 500") == 2
    delivery = f"{hook}/deliveries/" + listed.partition("/deliveries/")[2].partition('"')[0]
    shown = page(console, delivery)
    for text in ("x-request-id", "r-1", "thank &lt;b&gt;you", "webhook-id", "file.published"):
        assert text in shown, text
    for text in ("very-secret", secret, "<img", "v1,"):
        assert text not in shown, text

    with api.database.write() as session:
        session.execute(update(Delivery).where(Delivery.status == "pending").values(status="failed"))
    handler.status = 200
    assert "failed" in page(console, f"{hook}/deliveries?status=failed")
    assert post(console, f"{hook}/replay", failed_since="2020-01-01").startswith(f"{hook}/deliveries")
    api.work()
    again = api.ask("POST", f"/webhooks/{id_}/replay", 202, json={"failed_since": "2020-01-01T00:00:00Z"})
    assert again == {"events": 0}, "what came through is not sent again"
    assert len(api.ask("GET", f"/webhooks/{id_}/deliveries?status=delivered")["items"]) == 3
    assert post(console, f"{delivery}/replay") == delivery
    api.work()
    assert page(console, delivery).count("Sent once more") == 2

    rotated = post(console, f"{hook}/rotate", 200, overlap_hours="2")
    assert SECRET.findall(rotated)[0] != secret
    assert 'aria-invalid="true"' in post(console, f"{hook}/rotate", 400, overlap_hours="-1")
    assert post(console, f"{hook}/settings", url=address, types="") == hook
    assert api.ask("GET", "/webhooks")["items"][0]["types"] is None
    assert post(console, f"{hook}/pause") == hook
    paused = page(console, hook)
    assert "Begin again" in paused
    assert "Send a test event" not in paused
    assert post(console, f"{hook}/delete", confirm=address) == "events/webhooks"
    told = [(one["action"], list(one["changes"])) for one in api.ask("GET", "/audit?kind=webhook")["items"]]
    assert ("new secret", []) in told
    assert {action for action, _ in told} >= {"created", "changed", "deleted"}
    assert secret not in page(console, "people/audit")


def test_events_are_filtered_by_what_and_where(api: Api, console: TestClient) -> None:
    project = api.ask("POST", "/projects", 201, json={"name": "Farm"})["id"]
    owner: dict[str, Any] = {"organization_id": api.principal.organization_id}
    with api.database.write() as session:
        emit(session, "series", "made", "one", **owner, project_id=project)
        emit(session, "file", "published", "two", **owner, user_id=api.principal.user_id)
    listed = page(console, "events")
    assert 'hx-trigger="every 3s"' in listed
    assert "/console/files/two" in listed
    for query, seen, not_seen in (
        ("type=file", "file.published", "series.made"),
        (f"project={project}", "series.made", "file.published"),
        ("type=series.made", "series.made", "file.published"),
        ("object=two", "file.published", "series.made"),
    ):
        main = page(console, f"events?{query}").partition("<tbody>")[2]
        assert (seen in main, not_seen in main) == (True, False), query


# People


def test_members_are_added_changed_and_removed_by_pages(api: Api, console: TestClient) -> None:
    assert 'aria-invalid="true"' in post(console, "people/new", 400, login="a:b", role="reader", email="")
    assert '<option value="admin">' in page(console, "people/new")
    made = post(console, "people/new", 200, login="rea", role="reader", email="")
    password = SECRET.findall(made)[0]
    rea = signed_in(api, "rea", password)
    member = "people/" + next(one["id"] for one in api.ask("GET", "/members")["items"] if one["login"] == "rea")
    for path in ("people", member):
        text = page(rea, path).partition("<main")[2].partition("</main")[0]
        for button in ("Add a member", "Give it this role", "Delete this member", "Audit log"):
            assert button not in text, (path, button)
    assert "/console/server" not in page(rea, "people")
    for q, address in (("audit", "/console/people/audit"), ("webh", "/console/events/webhooks")):
        assert address in page(console, f"find?q={q}")
    assert "/console/people/audit" not in page(rea, "find?q=audit")
    assert post(console, f"{member}/role", role="writer") == member
    assert "writer" in page(console, member)
    own = f"people/{api.principal.user_id}"
    assert "keeps at least one administrator" in post(console, f"{own}/role", 409, role="reader")
    assert post(console, f"{member}/remove", confirm="rea") == "people"
    assert rea.get("/console/people").status_code == 401
    told = [(one["action"], one["name"], one["changes"]) for one in api.ask("GET", "/audit?kind=member")["items"]]
    assert told == [
        ("removed", "rea", {}), ("changed", "rea", {"role": ["reader", "writer"]}), ("added", "rea", {}),
        ("added", "ada", {}),
    ]  # fmt: skip


def test_a_key_has_what_its_purpose_needs_and_shows_its_last_use(api: Api, console: TestClient) -> None:
    project = api.ask("POST", "/projects", 201, json={"name": "Farm"})["id"]
    typed = {"name": "logger", "purpose": "points", "projects": "Farm\n", "networks": "", "days": "30"}
    assert "There is no project" in post(console, "people/keys/new", 400, **typed | {"projects": "Fram"})
    assert "is no network" in post(console, "people/keys/new", 400, **typed | {"networks": "x"})
    token = SECRET.findall(post(console, "people/keys/new", 200, **typed))[0]
    (key,) = [one for one in api.ask("GET", "/keys")["items"] if one["name"] == "logger"]
    assert (key["scopes"], key["projects"], key["last_used_at"]) == (["points:write"], [project], None)
    logger = TestClient(api.client.app, headers={"authorization": f"Token {token}"})
    assert logger.post("/api/v1/points", json={}).status_code == 200
    written(api)
    used = next(one for one in api.ask("GET", "/keys")["items"] if one["id"] == key["id"])
    assert used["last_used_from"] == "testclient"
    shown = page(console, f"people/keys/{key['id']}")
    assert "testclient" in shown
    assert token not in shown
    again = SECRET.findall(post(console, f"people/keys/{key['id']}/rotate", 200))[0]
    assert again != token
    assert post(console, f"people/keys/{key['id']}/name", name="mast") == f"people/keys/{key['id']}"
    assert post(console, f"people/keys/{key['id']}/revoke") == f"people/keys/{key['id']}"
    assert logger.post("/api/v1/points", json={}).status_code == 401
    assert "mast" in page(console, "people/keys?state=over")
    assert "mast" not in page(console, "people/keys").partition("<tbody>")[2]
    told = [one["action"] for one in api.ask("GET", "/audit?kind=key&login=ada")["items"]]
    assert told == ["revoked", "changed", "rotated", "created"]
    assert token not in page(console, "people/audit?kind=key")


def test_sessions_are_seen_and_ended_and_end_with_another_password(api: Api, console: TestClient) -> None:
    other = signed_in(api, "ada", PASSWORD)
    other.headers["user-agent"] = "phone"
    assert other.get("/console/runs").status_code == 200
    third = TestClient(api.client.app, follow_redirects=False, headers={"user-agent": "</script>phone"})
    third.post("/console/login", data={"login": "ada", "password": PASSWORD})
    listed = page(console, "people/sessions")
    assert listed.count("End it") == 3
    assert "&lt;/script&gt;phone" in listed
    assert "this one" in listed
    phone = next(one["id"] for one in api.ask("GET", "/sessions")["items"] if one["agent"] == "</script>phone")
    assert post(console, f"people/sessions/{phone}/end") == "people/sessions"
    assert third.get("/console/runs").status_code == 401
    wrong = post(console, "people/password", 400, password="x" * 9, new="another horse", again="another horse")
    assert "This is not your password." in wrong
    assert "another horse" not in wrong
    for new, again, said in (("a" * 9, "b", "This is not the new password."), ("a", "a", "at least 8 characters")):
        assert said in post(console, "people/password", 400, password=PASSWORD, new=new, again=again)
    assert page(other, "runs"), "nothing changed yet"
    assert post(console, "people/password", password=PASSWORD, new="another horse", again="another horse") == "login"
    assert [one.get("/console/runs").status_code for one in (console, other)] == [401, 401]
    ada = signed_in(api, "ada", "another horse")
    told = [one["action"] for one in api.ask("GET", "/audit?kind=session")["items"]]
    assert (told.count("signed in"), told.count("ended")) == (4, 3)
    assert api.ask("GET", "/audit?kind=user")["items"][0]["action"] == "new password"
    assert post(ada, "logout") == "login"
    assert ada.get("/console/runs").status_code == 401


def test_the_server_is_seen_at_a_glance_by_administrators(api: Api, console: TestClient, database: Database) -> None:
    with database.write() as session:
        jobs.enqueue(session, "importer.run", {}, organization_id=api.principal.organization_id)
        session.add(User(login="stranger", password_hash=""))
        for login in ("ada", "stranger"):
            bans.failed(session, Limits(1, 600), "192.0.2.7" if login == "ada" else "192.0.2.8", login)
    shown = page(console, "server")
    for text in ("Queues of all organizations", "importer.run", "kind=importer.run&amp;status=pending", "Free",
                 "kept apart:", "192.0.2.7", "Secret key", "no limit"):  # fmt: skip
        assert text in shown, text
    assert "192.0.2.8" not in shown, "others' logins are not this administrator's"
    assert api.ask("GET", "/bans")["items"][0]["login"] == "ada"
    assert "/console/server" in page(console, "runs")
