"""Callers, and works for them to deposit."""

from collections.abc import Callable
from typing import Any

import pytest

from entrepot.db import Database
from entrepot.identity import Principal, users
from entrepot.identity.models import Role


def _principal(database: Database, organization: str, login: str, role: Role = Role.WRITER) -> Principal:
    with database.write() as session:
        found = users.create_organization(session, organization)
        user, _ = users.create_user(session, login, "a long password")
        return Principal(user_id=user.id, login=login, organization_id=found.id, roles={found.id: role})


@pytest.fixture
def writer(database: Database) -> Principal:
    return _principal(database, "Lab", "writer")


@pytest.fixture
def stranger(database: Database) -> Principal:
    return _principal(database, "Elsewhere", "stranger")


@pytest.fixture
def make_work() -> Callable[..., dict[str, Any]]:
    def make(pipeline: str = "sum", **fields: Any) -> dict[str, Any]:
        return {"pipeline": pipeline, "site": "local", "user": "me", **fields}

    return make
