"""Nobody gets more than they have: whatever a key makes, changes, rotates or shows is no wider than itself."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from entrepot.db import Database, now
from entrepot.identity import ApiKey, Organization, Principal, Role, User, Vault, keys, projects, users
from entrepot.identity.reach import AREAS, NARROW, RIGHTS
from entrepot.series import store
from entrepot.server.auth import principal_of
from entrepot.server.run.app import create_app
from entrepot.server.services import Services
from entrepot.settings import Settings

HOME, ELSEWHERE = "10.1.2.3", "192.0.2.9"
SCOPES = [*NARROW, *(f"{area}:{right}" for area in ("*", "series", "works", "identity") for right in RIGHTS)]
NETWORKS = ["10.0.0.0/8", "10.1.0.0/16", HOME, "192.0.2.0/24", "0.0.0.0/0", "2001:db8::/32"]
ADDRESSES = [HOME, "10.9.9.9", ELSEWHERE, "203.0.113.7", "2001:db8::1", "::ffff:10.1.2.3", "testclient", ""]
DAYS = [1, 30, 3650]


@dataclass
class House:
    """A server with an organization of an administrator and a writer, two projects, and a stranger."""

    app: Any
    database: Database
    organization: str
    projects: list[str]
    users: dict[str, str]

    def key(self, login: str, **asked: Any) -> tuple[str, str]:
        """Return the id and the token of a key that the operator makes."""
        with self.database.write() as session:
            key, token = keys.create_key(session, self.users[login], self.organization, **asked)
            return key.id, token

    def ask(self, token: str, method: str, path: str, body: Any = None, address: str = HOME) -> tuple[int, Any]:
        client = TestClient(self.app, client=(address, 50000))
        options = {} if method in ("GET", "DELETE") else {"json": body or {}}
        response = client.request(method, path, headers={"authorization": f"Token {token}"}, **options)
        return response.status_code, response.json() if response.content else None

    def series(self) -> str:
        """Return the id of a series of the first project."""
        with self.database.write() as session:
            return store.create_series(
                session, organization_id=self.organization, project_id=self.projects[0], generator_kind="direct",
                generator_id="d", name="power", clock="utc",
            ).id  # fmt: skip

    def principal(self, token: str) -> Principal | None:
        with self.database.read() as session:
            return keys.find_principal(session, token)

    def stored(self, key_id: str) -> tuple[Any, ...]:
        with self.database.read() as session:
            key = session.get_one(ApiKey, key_id)
            return key.token_sha256, key.scopes, key.projects, key.networks, key.expires_at, key.config


@pytest.fixture
def house(database: Database, tmp_path: Path) -> House:
    settings_ = Settings(data_dir=tmp_path / "data")
    settings_.data_dir.mkdir()
    Vault.create(settings_.secret_key_file)
    app = create_app(Services(settings_, database))
    with database.write() as session:
        own, other = (users.create_organization(session, name) for name in ("own", "others"))
        ids = {}
        for login, organization, role in (
            ("admin", own, Role.ADMIN), ("writer", own, Role.WRITER), ("stranger", other, Role.ADMIN),
        ):  # fmt: skip
            user, _ = users.create_user(session, login, "correct horse")
            users.set_member(session, user, organization, role)
            ids[login] = user.id
        admin = principal_of(session, session.get_one(User, ids["admin"]))
        made = [projects.create_project(session, admin, own.id, name).id for name in ("north", "south")]
        return House(app, database, own.id, made, ids)


def powers(house: House, token: str) -> set[tuple[Any, ...]]:
    """Return what a token can do, asked of each right, project, address and day one by one."""
    principal = house.principal(token)
    if principal is None:
        return set()
    reach = principal.reach
    rights = [*((area, right, None) for area in AREAS for right in RIGHTS), *((*NARROW[one], one) for one in NARROW)]
    what = [
        (narrow or f"{area}:{right}", project)
        for area, right, narrow in rights
        if reach.allows(area, right, narrow)
        for project in (None, *house.projects)
        if principal.can(right, house.organization, project)
    ]
    where = [address for address in ADDRESSES if reach.includes_address(address)]
    until = [day for day in (0, *DAYS, 9999) if not reach.expires_at or reach.expires_at > now() + timedelta(days=day)]
    return {(*one, address, day) for one in what for address in where for day in until}


def _few(values: list[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=2, unique=True)


WIDTHS: dict[str, st.SearchStrategy[Any]] = {
    "scopes": _few(SCOPES),
    "projects": _few([0, 1]),
    "networks": _few(NETWORKS),
    "expires_at": st.sampled_from(DAYS[1:]),
}
#: What a key is asked for, with projects by their number: mostly one thing alone, or another is what is refused.
ASKED = st.one_of(
    *(st.fixed_dictionaries({name: some}) for name, some in WIDTHS.items()),
    st.fixed_dictionaries({}, optional=WIDTHS),
)
#: What is asked for in the end, whatever came before: the most of each.
WIDEST: list[dict[str, Any]] = [
    {"scopes": ["*:admin"]}, {"projects": [0, 1]}, {"networks": ["0.0.0.0/0"]}, {"expires_at": DAYS[-1]}
]  # fmt: skip
#: What it is asked by, which has a right to keys.
ROOT = st.fixed_dictionaries(
    {},
    optional={
        "scopes": st.lists(st.sampled_from(SCOPES), max_size=2).map(lambda some: ["identity:admin", *some]),
        "projects": _few([0, 1]),
        "networks": st.sampled_from([["10.1.0.0/16"], ["10.0.0.0/8", "192.0.2.0/24"]]),
        "expires_at": st.sampled_from(DAYS[:2]),
    },
)
ACTIONS = ["rotate", "revoke", "list", "ricloud create", "ricloud rotate", "ricloud permissions"]
#: By which of the tokens held so far, what is tried on which of the keys known so far, and for what.
STEP = st.tuples(st.integers(0, 9), st.sampled_from([*["create"] * len(ACTIONS), *ACTIONS]), st.integers(0, 9), ASKED)


def _wanted(house: House, asked: dict[str, Any]) -> dict[str, Any]:
    wanted = dict(asked)
    if "projects" in wanted:
        wanted["projects"] = [house.projects[number] for number in wanted["projects"]]
    if "expires_at" in wanted:
        wanted["expires_at"] = datetime.now(UTC) + timedelta(days=wanted["expires_at"])
    return wanted


@pytest.mark.parametrize("database_kind", ["sqlite"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(login=st.sampled_from(["admin", "writer"]), root=ROOT, steps=st.lists(STEP, min_size=2, max_size=6))
def test_nothing_reachable_from_a_key_is_wider_than_it(
    house: House, login: str, root: dict[str, Any], steps: list[tuple[int, str, int, dict[str, Any]]]
) -> None:
    own_id, token = house.key(login, **_wanted(house, root))
    # A wide key of the same user and one of another lie beside it, and are not to be reached.
    known = [own_id, house.key(login)[0], house.key("writer" if login == "admin" else "admin")[0]]
    held, had, victims = [token], powers(house, token), {id_: house.stored(id_) for id_ in known[2:]}
    for which, action, target, asked in [*steps, *((0, "create", 0, widest) for widest in WIDEST)]:
        token, key_id = held[which % len(held)], known[target % len(known)]
        wanted = _wanted(house, asked)
        if "expires_at" in wanted:
            wanted["expires_at"] = wanted.pop("expires_at").isoformat()
        method, path, body = {
            "create": ("POST", "/api/v1/keys", wanted),
            "rotate": ("POST", f"/api/v1/keys/{key_id}/rotate", None),
            "revoke": ("DELETE", f"/api/v1/keys/{key_id}", None),
            "list": ("GET", "/api/v1/keys", None),
            "ricloud create": ("POST", "/ricloud/keys", None),
            "ricloud rotate": ("POST", f"/ricloud/keys/{key_id}/rotate", None),
            "ricloud permissions": ("POST", "/ricloud/permissions", {"key": key_id, "scopes": wanted.get("scopes")}),
        }[action]
        status, answer = house.ask(token, method, path, body)
        assert status < 500, answer
        if action == "list" and status == 200:
            listed = answer if isinstance(answer, list) else answer["items"]
            known += [one["id"] for one in listed if one["id"] not in known]
        elif status < 300 and "token" in answer and answer["token"]:
            held.append(answer["token"])
            known.append(answer["id"])
        for each in {held[-1], token}:
            principal = house.principal(each)
            assert principal is None or principal.user_id == house.users[login]
            assert powers(house, each) <= had, (action, path, body)
    assert all(powers(house, each) <= had for each in held)
    assert {id_: house.stored(id_) for id_ in victims} == victims


def test_a_key_cannot_widen_itself(house: House) -> None:
    end = now() + timedelta(days=7)
    bound = {"scopes": ["points:write", "identity:write"], "projects": house.projects[:1], "networks": ["10.0.0.0/8"]}
    key_id, token = house.key("admin", expires_at=end, **bound)
    for wider in (
        {"scopes": ["series:write"]},
        {"scopes": ["works:deposit"]},
        {"scopes": ["*:admin"]},
        {"projects": house.projects},
        {"projects": house.projects[1:]},
        {"networks": ["0.0.0.0/0"]},
        {"networks": ["10.0.0.0/8", "2001:db8::/32"]},
        {"expires_at": (end + timedelta(seconds=1)).isoformat()},
    ):
        status, answer = house.ask(token, "POST", "/api/v1/keys", wider)
        assert (status, answer.get("type")) == (403, "/docs#problem-forbidden"), (wider, answer)
        assert next(iter(wider)).removesuffix("_at") in answer["detail"]
    assert house.ask(token, "POST", "/ricloud/permissions", {"key": key_id, "scopes": ["*:admin"]})[0] == 403
    keeper_id, keeper = house.key("admin", scopes=["identity:admin", "series:read"])
    for scopes, expected in ((["*:admin"], 403), (["works:read"], 403), (["identity:admin"], 201)):
        assert house.ask(keeper, "POST", "/ricloud/permissions", {"key": keeper_id, "scopes": scopes})[0] == expected
    status, made = house.ask(token, "POST", "/api/v1/keys", {"networks": ["10.1.0.0/16"]})
    assert status == 201
    assert made["networks"] == ["10.1.0.0/16"]
    # What is left out is as with the key that asked.
    assert sorted(made["scopes"]) == sorted(bound["scopes"])
    assert made["projects"] == bound["projects"]
    assert datetime.fromisoformat(made["expires_at"]) == end
    assert house.ask(token, "POST", "/api/v1/keys", {"projects": ["0b9f3c4e"]})[0] == 422


@pytest.mark.parametrize("narrow", ["scopes", "projects", "series", "networks", "expires_at"])
def test_a_narrow_key_neither_sees_nor_takes_over_a_wide_one_of_its_user(house: House, narrow: str) -> None:
    wide, wide_token = house.key("admin", name="wide")
    bounds: dict[str, Any] = {
        "scopes": ["identity:admin", "series:read"], "projects": house.projects[:1], "series": [house.series()],
        "networks": ["10.0.0.0/8"], "expires_at": now() + timedelta(days=7),
    }  # fmt: skip
    own, token = house.key("admin", **{narrow: bounds[narrow]})
    status, listed = house.ask(token, "GET", "/api/v1/keys")
    assert status == 200
    # Administrators see all keys of their organization, and can end them.
    administers = narrow in ("scopes", "networks", "expires_at")
    assert {one["id"] for one in listed["items"]} == ({own, wide} if administers else {own})
    before = house.stored(wide)
    for method, path in (
        ("POST", f"/api/v1/keys/{wide}/rotate"),
        ("POST", f"/ricloud/keys/{wide}"),
        ("POST", f"/ricloud/keys/{wide}/rotate"),
        *(() if administers else (("DELETE", f"/api/v1/keys/{wide}"), ("GET", f"/ricloud/keys/{wide}"))),
    ):
        assert house.ask(token, method, path)[0] == (403 if administers else 404), path
    assert house.stored(wide) == before
    assert house.ask(wide_token, "GET", "/api/v1/me")[0] == 200
    assert house.ask(wide_token, "POST", f"/api/v1/keys/{own}/rotate")[0] == 200


def test_a_narrow_key_does_not_administer(house: House) -> None:
    wide, wide_token = house.key("admin", name="wide")
    own, token = house.key("admin", scopes=["identity:write", "series:read"])
    assert [one["id"] for one in house.ask(token, "GET", "/api/v1/keys")[1]["items"]] == [own]
    for method, path in (
        ("POST", f"/api/v1/keys/{wide}/rotate"),
        ("DELETE", f"/api/v1/keys/{wide}"),
        ("GET", f"/ricloud/keys/{wide}"),
        ("POST", f"/ricloud/keys/{wide}"),
        ("POST", f"/ricloud/keys/{wide}/rotate"),
    ):
        assert house.ask(token, method, path)[0] == 404, path
    assert house.ask(wide_token, "GET", "/api/v1/me")[0] == 200


def test_an_administrator_revokes_but_cannot_become_another(house: House) -> None:
    theirs, their_token = house.key("writer")
    _, token = house.key("admin")
    assert theirs in [one["id"] for one in house.ask(token, "GET", "/api/v1/keys")[1]["items"]]
    before = house.stored(theirs)
    for path, body in (
        (f"/api/v1/keys/{theirs}/rotate", {}),
        (f"/ricloud/keys/{theirs}/rotate", {}),
        (f"/ricloud/keys/{theirs}", {"storage_config": None}),
        ("/ricloud/permissions", {"key": theirs, "scopes": ["series:read"]}),
    ):
        assert house.ask(token, "POST", path, body)[0] == 403, path
    assert house.stored(theirs) == before
    assert house.ask(their_token, "GET", "/api/v1/me")[0] == 200
    # An administrator's key that was narrowed to less does not administer.
    _, narrow = house.key("admin", scopes=["identity:write"])
    assert house.ask(narrow, "DELETE", f"/api/v1/keys/{theirs}")[0] == 404
    assert house.ask(token, "DELETE", f"/api/v1/keys/{theirs}")[0] == 200
    assert house.ask(their_token, "GET", "/api/v1/me")[0] == 401


def test_the_old_token_of_a_rotation_reads_and_touches_no_key(house: House) -> None:
    key_id, old = house.key("admin")
    spare, _ = house.key("admin")
    status, rotated = house.ask(old, "POST", f"/api/v1/keys/{key_id}/rotate")
    assert status == 200
    assert house.ask(old, "GET", "/api/v1/projects")[0] == 200
    assert house.ask(old, "GET", "/api/v1/me")[0] == 200
    before = house.stored(key_id)
    for method, path, body in (
        ("POST", f"/api/v1/keys/{key_id}/rotate", None),
        ("POST", f"/api/v1/keys/{spare}/rotate", None),
        ("DELETE", f"/api/v1/keys/{key_id}", None),
        ("POST", "/api/v1/keys", {"scopes": ["series:read"]}),
        ("PATCH", "/api/v1/me", {"email": "mallory@example.org"}),
        ("POST", "/ricloud/keys", None),
        ("POST", f"/ricloud/keys/{key_id}", {"storage_config": None}),
        ("POST", f"/ricloud/keys/{key_id}/rotate", None),
        ("POST", "/ricloud/permissions", {"key": key_id, "scopes": ["*:admin"]}),
    ):
        status, answer = house.ask(old, method, path, body)
        assert status == 403, (path, answer)
    assert house.stored(key_id) == before
    assert house.ask(rotated["token"], "POST", f"/api/v1/keys/{key_id}/rotate")[0] == 200


def test_a_key_works_from_its_networks_only(house: House) -> None:
    _, token = house.key("writer", networks=["10.1.0.0/16", "2001:db8::/32"])
    for address in (HOME, "::ffff:10.1.9.9", "2001:db8::7"):
        assert house.ask(token, "GET", "/api/v1/me", address=address)[0] == 200, address
    for address in (ELSEWHERE, "10.2.0.1", "2001:db9::1", "testclient"):
        status, answer = house.ask(token, "GET", "/api/v1/me", address=address)
        assert status == 403, address
        assert "networks" in answer["detail"]
    for wrong in (["10.0.0.0/33"], ["here"], []):
        _, wide = house.key("writer")
        status, answer = house.ask(wide, "POST", "/api/v1/keys", {"networks": wrong})
        assert (status, list(answer["fields"])) == (422, ["networks"])


def test_a_disabled_user_is_out_at_once(house: House) -> None:
    _, token = house.key("writer")
    assert house.ask(token, "GET", "/api/v1/me")[0] == 200
    with house.database.write() as session:
        users.disable(session, session.get_one(User, house.users["writer"]))
    assert house.ask(token, "GET", "/api/v1/me")[0] == 401
    basic = TestClient(house.app).get("/api/v1/me", auth=("writer", "correct horse"))
    assert basic.status_code == 401
    with house.database.write() as session:
        users.enable(session, session.get_one(User, house.users["writer"]))
    assert TestClient(house.app).get("/api/v1/me", auth=("writer", "correct horse")).status_code == 200
    # What was ended stays so: the user makes new keys.
    assert house.ask(token, "GET", "/api/v1/me")[0] == 401


def test_strangers_cannot_be_given_a_project(house: House) -> None:
    with house.database.write() as session:
        other = users.find_organization(session, "others")
        _, token = keys.create_key(session, house.users["stranger"], other.id)
        assert session.get_one(Organization, other.id).name == "others"
    status, answer = house.ask(token, "POST", "/api/v1/keys", {"projects": house.projects})
    assert (status, list(answer["fields"])) == (422, ["projects"])
