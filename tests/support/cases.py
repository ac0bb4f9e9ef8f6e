"""Small inputs with their right values, a folder each below ``tests/cases``."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from entrepot.server.dialects.ovbp import parse, specs

CASES = Path(__file__).parents[1] / "cases"


class Case:
    """A case: rounds of files, the importer's script, and what is right."""

    def __init__(self, name: str) -> None:
        self.path = CASES / name

    def text(self, name: str) -> str:
        """Return a file of the case."""
        return (self.path / name).read_text()

    def json(self, name: str) -> Any:
        """Return what a file of the case says."""
        return json.loads(self.text(name))

    def channels(self) -> list[dict[str, Any]]:
        """Return the fields of channels in the words of the domain; cases say them as the published client does."""
        settings = self.json("case.json") if (self.path / "case.json").exists() else {}
        return [parse.changed(fields, specs.UNITCLEANER) for fields in settings.get("unit_cleaners", ())]

    def analysis(self) -> tuple[dict[str, str], list[str], dict[str, Any]]:
        """Return the inputs' series by column, the outputs and the settings of an analysis, in the domain's words."""
        wanted = self.json("case.json")["analysis"]
        inputs = {each["column_name"]: each["series"] for each in wanted["inputs"]}
        return inputs, wanted["outputs"], parse.changed(wanted, specs.ANALYSIS_CONFIG)

    def rounds(self) -> Iterator[dict[str, bytes]]:
        """Yield the files of each round, by their paths on the gate."""
        number = 1
        while (folder := self.path / str(number)).is_dir():
            files = sorted(path for path in folder.rglob("*") if path.is_file())
            yield {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
            number += 1

    def points(self, stage: str) -> dict[str, dict[str, float]]:
        """Return the right points of a stage, by series and stamp."""
        found: dict[str, dict[str, float]] = {}
        for row in csv.DictReader(self.text("expected.csv").splitlines()):
            if row["stage"] == stage:
                found.setdefault(row["series"], {})[row["time"]] = float(row["value"])
        return found
