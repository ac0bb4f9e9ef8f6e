"""Tools for whole projects and organizations: download, deactivate, clear, delete."""

import logging
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from entrepot.client.ovbp.json import json_dump
from entrepot.client.ovbp.projects import Organization, Project
from entrepot.client.ovbp.records import BaseModel

logger = logging.getLogger(__name__)


def download_project(project: Project, target_dir_path: str | Path) -> None:
    """Write the configuration of a project as JSON files.

    There is a file for each gate (with its feeder), importer, cleaner, unit cleaner and analysis (with its
    configuration, inputs and outputs), in the folders ``1-gates``, ``2-importers``, ``3-cleaners`` and ``4-analyses``.

    Parameters
    ----------
    project
        Which.
    target_dir_path
        A folder that is empty or does not exist.
    """
    target = _empty(target_dir_path)
    logger.info("Downloading the project %s.", project.name)
    _write(target / "1-gates", ((gate.name, _gate(gate)) for gate in project.list_all_gates()))
    _write(target / "2-importers", ((importer.name, importer.data) for importer in project.list_all_importers()))
    cleaners = target / "3-cleaners"
    cleaners.mkdir()
    names = FileNames()
    for cleaner in project.list_all_cleaners():
        folder = cleaners / names.new(cleaner.name)
        _write(folder, ((one.name, one.data) for one in cleaner.list_all_unitcleaners()))
        json_dump(cleaner.data, folder / "#cleaner.json", indent=4)
    _write(target / "4-analyses", ((one.name, _analysis(one)) for one in project.list_all_analyses()))


def download_organization(organization: Organization, target_dir_path: str | Path) -> None:
    """Write the configuration of each project of an organization into a folder of its own.

    Parameters
    ----------
    organization
        Which.
    target_dir_path
        A folder that is empty or does not exist.
    """
    target = _empty(target_dir_path)
    names = FileNames()
    for project in organization.list_all_projects():
        download_project(project, target / names.new(project.name))


def deactivate_project(project: Project) -> None:
    """Deactivate the feeders and the importers of a project; analyses stay as they are."""
    for gate in project.list_all_gates():
        feeder = gate.get_base_feeder()
        if feeder is not None and feeder.active:
            feeder.deactivate()
            logger.info("Deactivated the feeder of the gate %s.", gate.name)
    for importer in project.list_all_importers():
        if importer.active:
            importer.deactivate()
            logger.info("Deactivated the importer %s.", importer.name)


def deactivate_organization(organization: Organization) -> None:
    """Deactivate each project of an organization; see :func:`deactivate_project`."""
    for project in organization.list_all_projects():
        deactivate_project(project)


def clear_project(project: Project) -> None:
    """Have the importers of a project cleared, those that have a gate, and with them all that was made of theirs."""
    for importer in project.list_all_importers():
        if importer.gate is not None:
            importer.clear()
            logger.info("Clearing the importer %s.", importer.name)


def clear_organization(organization: Organization) -> None:
    """Have each project of an organization cleared; see :func:`clear_project`."""
    for project in organization.list_all_projects():
        clear_project(project)


def delete_project(project: Project) -> None:
    """Delete a project and all that is in it."""
    kinds: list[Iterable[BaseModel]] = [
        project.list_all_analyses(),
        project.list_all_importers(),  # cleaners go with them
        project.list_all_gates(),
    ]
    for records in kinds:
        for record in records:
            record.delete()
            logger.info("Deleted %s.", record)
    project.delete()
    logger.info("Deleted %s.", project)


def delete_organization(organization: Organization) -> None:
    """Delete each project of an organization; see :func:`delete_project`."""
    for project in organization.list_all_projects():
        delete_project(project)


def sanitize_name(name: str) -> str:
    """Return a file name made of a record's name: lower case, without accents and without what file systems refuse."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return re.sub(r"[^\w\-.\s]+|-{2,}", "-", plain.lower()).strip("-. ") or "unnamed"


class FileNames:
    """File names for records in a folder; those that would be the same are numbered."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, name: str) -> str:
        """Return a file name that was not given yet."""
        stem, number = sanitize_name(name), 1
        found = stem
        while found in self._taken:
            number += 1
            found = f"{stem}-{number}"
        self._taken.add(found)
        return found


def _empty(path: str | Path) -> Path:
    folder = Path(path)
    folder.mkdir(exist_ok=True)
    if any(folder.iterdir()):
        raise ValueError(f"The folder {str(folder)!r} is not empty.")
    return folder


def _write(folder: Path, records: Iterable[tuple[str, Any]]) -> None:
    folder.mkdir()
    names = FileNames()
    for name, data in records:
        json_dump(data, folder / f"{names.new(name)}.json", indent=4)


def _gate(gate: Any) -> dict[str, Any]:
    data: dict[str, Any] = gate.data.copy()
    feeder = gate.get_base_feeder()
    if feeder is not None:
        child = feeder.get_child()
        data["base_feeder"] = feeder.data | ({} if child is None else {"child_data": child.data})
    return data


def _analysis(analysis: Any) -> dict[str, Any]:
    analysis.reload()  # its configuration is nested then
    data: dict[str, Any] = analysis.data.copy()
    data["inputs"] = [one.data for one in analysis.list_all_analysis_inputs()]
    data["outputs"] = [one.data for one in analysis.list_all_analysis_outputs()]
    return data
