"""What holds for every resource: names, order, pages, verbs."""

import itertools

from sqlalchemy import select

from entrepot.pipeline.models import Channel, Cleaner
from entrepot.server.dialects.ovbp import RESOURCES
from tests.integration.server.ovbp.conftest import Door
from tests.integration.server.ovbp.test_ovbp_resources import NO_SUCH


def test_names_are_unique_per_project_and_kind(door: Door) -> None:
    project, other = door.project(), door.project("other")
    assert list(door.call("POST", "oteams/projects/", {"organization": door.organization, "name": "other"}).json()) \
        == ["name"]  # fmt: skip
    for kind in ("gates", "importers", "analyses"):
        body = {"project": project, "name": "same", "comment": ""}
        made = door.post(f"odata/{kind}/", body)
        response = door.call("POST", f"odata/{kind}/", body)
        assert (response.status_code, list(response.json())) == (400, ["name"])
        door.post(f"odata/{kind}/", body | {"project": other})
        second = door.post(f"odata/{kind}/", body | {"name": "second"})
        assert door.call("PATCH", f"odata/{kind}/{second['id']}/", {"name": "same"}).status_code == 400
        assert door.patch(f"odata/{kind}/{made['id']}/", {"name": "same"})["name"] == "same"


def test_odd_names_are_kept(door: Door) -> None:
    for name in (
        "a/b\\c",
        "..",
        ".hidden",
        "Ünï 中 🦆",
        "n" * 300,
        "%00",
        "a'b\"c;--",
    ):
        project = door.project(name)
        for kind in ("gates", "importers", "analyses"):
            assert door.post(f"odata/{kind}/", {"project": project, "name": name, "comment": name})["name"] == name
            assert len(door.rows(f"odata/{kind}/", project=project, name=name)) == 1


def test_names_that_cannot_be_are_refused(door: Door) -> None:
    project = door.project()
    for name in (
        "",
        "  ",
        "n" * 301,
        "a\nb",
        "a\0b",
        None,
        5,
        True,
        ["x"],
        {"id": "x"},
    ):
        for kind in ("gates", "importers", "analyses"):
            response = door.call("POST", f"odata/{kind}/", {"project": project, "name": name, "comment": ""})
            assert (response.status_code, list(response.json())) == (400, ["name"])
            assert door.rows(f"odata/{kind}/", project=project) == []


def test_lists_are_by_name_or_newest_first(door: Door) -> None:
    project = door.project()
    for kind in ("gates", "importers", "analyses"):
        for name in ("b", "C", "a"):
            door.post(f"odata/{kind}/", {"project": project, "name": name, "comment": ""})
        assert [row["name"] for row in door.rows(f"odata/{kind}/", project=project)] == ["C", "a", "b"]
    assert [row["name"] for row in door.rows("odata/cleaners/", project=project)] == ["C", "a", "b"]


def test_450_rows_come_in_pages_of_200(door: Door) -> None:
    project = door.project()
    cleaner = door.cleaner(door.importer(project))
    with door.services.database.write() as session:
        found = session.scalars(select(Cleaner).where(Cleaner.id == cleaner)).one()
        owner = {"organization_id": found.organization_id, "project_id": found.project_id}
        for number in range(450):
            session.add(Channel(cleaner_id=cleaner, **owner, raw=f"s{number}", name=f"s{number}"))
            session.flush()
    pages = [door.rows("odata/unitcleaners/", cleaner=cleaner, start=start, length=200) for start in (0, 200, 400, 600)]
    assert [len(page) for page in pages] == [200, 200, 50, 0]
    names = [row["external_name"] for row in itertools.chain(*pages)]
    assert names == [f"s{number}" for number in reversed(range(450))]
    assert len(door.rows("odata/unitcleaners/", cleaner=cleaner)) == 200
    assert len(door.rows("odata/unitcleaners/", cleaner=cleaner, length=1000)) == 200
    assert len(door.rows("odata/unitcleaners/", cleaner=cleaner, start=449, length=2)) == 1
    assert door.call("GET", "odata/unitcleaners/", start=-1).json().keys() == {"start"}
    assert door.call("GET", "odata/unitcleaners/", length="x").json().keys() == {"length"}


def test_every_resource_answers_every_verb(door: Door) -> None:
    for resource in RESOURCES:
        assert isinstance(door.rows(f"{resource.path}/"), list)
        for method, path in itertools.product(
            ("GET", "POST", "PUT", "PATCH", "DELETE"), (f"{resource.path}/", f"{resource.path}/{NO_SUCH}/")
        ):
            for spelling in (path, path.rstrip("/")):
                response = door.call(method, spelling)
                assert response.status_code in (200, 400, 404, 405), (method, spelling, response.text)
                assert response.headers["content-type"] == "application/json"
                assert "set-cookie" not in response.headers
                if response.status_code in (404, 405):
                    assert list(response.json()) == ["detail"]
        for identifier in ("x", "null", "1", NO_SUCH.upper(), "%00", "é"):
            assert door.call("GET", f"{resource.path}/{identifier}/").status_code == 404


def test_unknown_paths_are_not_found_in_this_dialects_words(door: Door) -> None:
    for path in ("", "odata/", "odata/nothing/", "odata/gates/x/y/z/", f"odata/gates/{NO_SUCH}/jump/"):
        response = door.call("GET", path)
        assert (response.status_code, list(response.json())) == (404, ["detail"])
