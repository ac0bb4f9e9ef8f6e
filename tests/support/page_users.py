"""Who looks at pages in tests of this process: an administrator and a reader of one organization, eve of another."""

from typing import Any

import pytest
from sqlalchemy.orm import Session
from starlette.testclient import TestClient

from entrepot.identity import Organization, Principal, Role, User, users
from entrepot.server.auth import principal_of

PASSWORD = "correct horse"
#: What strangers call their things, where pages and spreadsheets show it.
MARKUP = "</title><script>alert(1)</script>\"' onload=x"
FORMULA = "=cmd|'/C calc'!A0"
#: What pages show does not depend on the database.
of_pages = pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)


def add_users(session: Session) -> tuple[Organization, Principal]:
    """Add ada and rea of one organization, which is returned with ada, and eve, who administers another one."""
    own, others = (users.create_organization(session, name) for name in ("own", "others"))
    for login, role, of in (("ada", Role.ADMIN, own), ("rea", Role.READER, own), ("eve", Role.ADMIN, others)):
        user, _ = users.create_user(session, login, PASSWORD)
        users.set_member(session, user, of, role)
    return own, principal_of(session, session.query(User).filter_by(login="ada").one())


def signed_in(app: Any, login: str, **options: Any) -> TestClient:
    """Return a client of the console that has logged in."""
    found = TestClient(app, follow_redirects=False, **options)
    assert found.post("/console/login", data={"login": login, "password": PASSWORD}).status_code == 303
    return found


def form_token(page: TestClient) -> str:
    """Return what forms of a client's session have to send."""
    return page.get("/console/preferences").text.partition('name="form_token" value="')[2].partition('"')[0]
