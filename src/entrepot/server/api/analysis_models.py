"""Analyses as the interface shows and takes them."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from entrepot.pipeline.models import Analysis
from entrepot.server.api.nouns import (
    NOT_KEPT,
    Maker,
    Name,
    Noun,
    Reference,
    Script,
    SeriesName,
    Step,
    Text,
    column,
    named_clock,
)

_STARTS = {"first": True, "all": False}


class InputShown(BaseModel):
    """A column of the frame that a script gets."""

    column: str
    series: str
    of: Maker | None


class InputRequest(BaseModel):
    """A column of the frame that a script gets: a series by its id or, even before there is one, by its name."""

    model_config = ConfigDict(extra="forbid")

    series: Annotated[SeriesName, Field(description="Id or name.")]
    column: Annotated[SeriesName | None, Field(description="By default the series' name.")] = None
    of: Annotated[str | None, Field(description="Id of what makes it, where several make a series of this name.")] = (
        None
    )


class Output(Noun):
    """A column that a script returns, kept as a series."""

    name: SeriesName
    unit: Annotated[str, Field(max_length=255)] = ""
    title: Annotated[str, Field(max_length=255)] = ""
    rule: Annotated[
        Literal["mean", "sum", "first", "last", "min", "max"],
        Field(description="How its points become longer steps."),
    ] = "mean"


class Computing(Noun):
    """How an analysis computes; what is left out stays, or has its default."""

    script: Annotated[
        Script,
        Field(description="Python with `analyze(frame, **tools)`, which returns a frame of the outputs, or "
              "`rows(frame, **tools)`, which makes rows, or both."),
    ] = ""  # fmt: skip
    input_step: Annotated[Step, Field(description="Of the frame that the script gets.")] = "1h"
    step: Annotated[Step, Field(description="Of the series that it makes.")] = "1h"
    clock: Annotated[
        str,
        named_clock("timezone", zone_of_utc="UTC"),
        Field(description="In which the script gets and gives stamps: `UTC`, `Europe/Paris`, `Europe/Paris standard`."),
    ] = "UTC"
    starts_with: Annotated[
        Literal["first", "all"],
        column("starts_with_first", _STARTS),
        Field(description="Whether it begins with the first of its inputs, or once all have begun."),
    ] = "all"
    waits: Annotated[
        bool,
        Field(description="Whether a step waits for every input, however late, or only as long as their patience."),
    ] = False
    before: Annotated[int | str | None, Field(description="The data needed before a step.")] = None
    after: Annotated[int | str | None, Field(description="And after it.")] = None
    strict_before: bool = False
    delay: Annotated[Step | None, Field(description="How long after its end a step is computed.")] = None
    patience: Annotated[Step, Field(description="How long readers wait for its series when they are late.")] = "6h"


class AnalysisChanges(Computing):
    """What is to change of an analysis; inputs and outputs that are given are all that there will be."""

    name: Annotated[Name, NOT_KEPT] = ""
    description: Annotated[Text, NOT_KEPT] = ""
    active: Annotated[bool, NOT_KEPT, Field(description="Whether it runs when its inputs change.")] = False
    inputs: Annotated[list[InputRequest | SeriesName], NOT_KEPT, Field(max_length=1000)] = Field([])
    outputs: Annotated[list[Output | SeriesName], NOT_KEPT, Field(max_length=1000)] = Field([])
    into: Annotated[
        str | None, NOT_KEPT, Field(description="Id or name of the result set that gets its rows; null: it makes none.")
    ] = None

    @property
    def own(self) -> dict[str, Any]:
        """The given fields that are the analysis' own, by column."""
        words = {"name": "name", "description": "description", "active": "active"}
        return {words[name]: getattr(self, name) for name in words if name in self.model_fields_set}


class AnalysisRequest(AnalysisChanges):
    """A new analysis."""

    project: Annotated[str, NOT_KEPT, Field(description="Id or name.")]
    name: Annotated[Name, NOT_KEPT]


class AnalysisShown(Computing):
    """An analysis, its settings, and how far it is."""

    id: Annotated[str, NOT_KEPT]
    project: Annotated[Reference | None, NOT_KEPT]
    name: Annotated[str, NOT_KEPT]
    description: Annotated[str, NOT_KEPT]
    active: Annotated[bool, NOT_KEPT]
    inputs: Annotated[list[InputShown], NOT_KEPT]
    outputs: Annotated[list[Output], NOT_KEPT]
    into: Annotated[Reference | None, NOT_KEPT]
    behind: Annotated[bool, NOT_KEPT, Field(description="Whether what it made is of older settings or inputs.")]
    version: Annotated[int, NOT_KEPT]
    created_at: Annotated[datetime, NOT_KEPT]
    changed_at: Annotated[datetime, NOT_KEPT]
    last_run_at: Annotated[datetime | None, NOT_KEPT]

    @classmethod
    def shown(
        cls, analysis: Analysis, project: Reference | None, makers: dict[str, Maker], into: Reference | None
    ) -> "AnalysisShown":
        """Return what is shown of an analysis."""
        inputs = [
            InputShown(column=one.column, series=one.series_name, of=makers.get(one.generator_id))
            for one in analysis.inputs
        ]
        others = {
            "id": analysis.id,
            "project": project,
            "name": analysis.name,
            "description": analysis.description,
            "active": analysis.active,
            "inputs": inputs,
            "outputs": [Output.showing(one) for one in analysis.outputs],
            "into": into,
            "behind": analysis.behind,
            "version": analysis.version,
            "created_at": analysis.created_at,
            "changed_at": analysis.changed_at,
            "last_run_at": analysis.last_run_at,
        }
        return cls.showing(analysis.config, **others) if analysis.config is not None else cls.model_validate(others)
