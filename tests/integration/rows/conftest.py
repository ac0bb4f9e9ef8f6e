"""An organization with sites, locations, a model definition and a result set, on both databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy.orm import Session

from entrepot.db import Database
from entrepot.identity import Principal, Role, users
from entrepot.rows import places, result_sets
from entrepot.rows.places import LOCATION, MODEL_DEFINITION, SITE


@dataclass
class Farm:
    """What a test works with; `result_set` is the id of one without rows."""

    database: Database
    principal: Principal
    result_set: int

    @contextmanager
    def write(self) -> Iterator[tuple[Session, Principal]]:
        with self.database.write() as session:
            yield session, self.principal

    @contextmanager
    def read(self) -> Iterator[tuple[Session, Principal]]:
        with self.database.read() as session:
            yield session, self.principal

    def row(self, short: str = "BBA01 - FA1", /, **fields: Any) -> dict[str, Any]:
        row = {
            "result_set": self.result_set,
            "site": 35,
            "location": 435,
            "name1": "reference_index",
            "name2": "FA1",
            "unit1": "index",
            "unit2": "Hz",
            "values1": [0.0, 1.0, 2.0],
            "values2": [0.3406, 0.333, 0.3254],
            "name": short,
        }
        return {name: value for name, value in (row | fields).items() if value is not ...}


def make_principal(database: Database, organization: str = "Openergy", role: Role = Role.ADMIN) -> Principal:
    with database.write() as session:
        owner = users.create_organization(session, organization)
        return Principal("", "ada", owner.id, {owner.id: role})


@pytest.fixture
def farm(database: Database) -> Farm:
    principal = make_principal(database)
    with database.write() as session:
        places.create(session, principal, SITE, {"id": 35, "name": "Belwind"})
        places.create(session, principal, SITE, {"id": 31, "name": "Nobelwind"})
        for id_, title in ((435, "BBA01"), (436, "BBA02")):
            places.create(session, principal, LOCATION, {"id": id_, "name": title, "site": 35})
        places.create(session, principal, MODEL_DEFINITION, {"id": 12, "name": "as-built Belwind", "site": 35})
        made = result_sets.create(session, principal, {"name": "LifetimeDesignFrequencies", "model_definition": 12})
    return Farm(database, principal, made["id"])
