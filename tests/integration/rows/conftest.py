"""An organization with sites, locations, a model definition and an analysis, on both databases."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy.orm import Session

from entrepot.db import Database
from entrepot.identity import Principal, Role, users
from entrepot.rows import analyses, places
from entrepot.rows.places import LOCATION, MODEL_DEFINITION, SITE


@dataclass
class Farm:
    """What a test works with; `analysis` is the id of an analysis without rows."""

    database: Database
    principal: Principal
    analysis: int

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
            "analysis": self.analysis,
            "site": 35,
            "location": 435,
            "name_col1": "reference_index",
            "name_col2": "FA1",
            "units_col1": "index",
            "units_col2": "Hz",
            "value_col1": [0.0, 1.0, 2.0],
            "value_col2": [0.3406, 0.333, 0.3254],
            "short_description": short,
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
        places.create(session, principal, SITE, {"id": 35, "title": "Belwind"})
        places.create(session, principal, SITE, {"id": 31, "title": "Nobelwind"})
        for id_, title in ((435, "BBA01"), (436, "BBA02")):
            places.create(session, principal, LOCATION, {"id": id_, "title": title, "projectsite": 35})
        places.create(session, principal, MODEL_DEFINITION, {"id": 12, "title": "as-built Belwind", "project": 35})
        analysis = analyses.create(session, principal, {"name": "LifetimeDesignFrequencies", "model_definition": 12})
    return Farm(database, principal, analysis["id"])
