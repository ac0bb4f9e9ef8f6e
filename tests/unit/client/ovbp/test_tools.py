"""The tools for whole projects, where a live server is not needed."""

import json
from pathlib import Path

import pytest

from entrepot.client.ovbp import Client, tools
from entrepot.client.ovbp.models.oteams import Project
from tests.unit.client.ovbp.conftest import Platform


@pytest.fixture
def project(client: Client, platform: Platform) -> Project:
    return client.projects.retrieve(platform.add("oteams/projects", name="P", odata="o")["id"])


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("Importer A", "importer a"),
        ("Tempé/Humidité: №1", "tempe-humidite- no1"),
        ("温度", "温度"),
        ("../..", "unnamed"),
        ("a--b_c.d", "a-b_c.d"),
        ("", "unnamed"),
    ],
)
def test_names_become_file_names(name: str, file: str) -> None:
    assert tools.sanitize_name(name) == file


def test_names_that_become_the_same_are_numbered(project: Project, platform: Platform, tmp_path: Path) -> None:
    for name in ("Gate", "gate", "gate/"):
        platform.add("odata/gates", name=name, project="o", base_feeder=None)
    tools.download_project(project, tmp_path / "backup")
    files = sorted((tmp_path / "backup" / "1-gates").iterdir())
    assert [file.name for file in files] == ["gate-2.json", "gate-3.json", "gate.json"]
    assert {json.loads(file.read_text())["name"] for file in files} == {"Gate", "gate", "gate/"}


def test_a_download_does_not_write_into_a_used_folder(project: Project, tmp_path: Path) -> None:
    (tmp_path / "something").touch()
    with pytest.raises(ValueError, match="not empty"):
        tools.download_project(project, tmp_path)


def test_importers_without_gate_are_not_cleared(project: Project, platform: Platform) -> None:
    platform.add("odata/importers", name="i", project="o", gate=None)
    tools.clear_project(project)
    assert platform.writes() == []
