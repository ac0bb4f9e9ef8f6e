"""Exports of series, and what runs publish by themselves."""

from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from entrepot.pipeline.configuration import get
from entrepot.pipeline.generators import catalog, publication
from entrepot.pipeline.models import Analysis
from entrepot.pipeline.runs import exports
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.api.runs import Job

_WORDS = {"out_freq": "step", "out_mode": "layout", "sep": "separator"}
_CLOCKS = {"gmt": "utc", "tzt": "standard", "dst": "local"}
router = NativeRouter(tags=["series"])


class Export(BaseModel):
    """What is to be exported, and how; ``publish`` has what is said of the archive as a published file."""

    model_config = ConfigDict(extra="forbid")

    series: list[str] = Field(min_length=1, max_length=10_000)
    start: AwareDatetime | None = None
    end: AwareDatetime | None = None
    out_freq: str | None = None
    clock: Literal["gmt", "tzt", "dst"] | None = None
    timezone: str | None = None
    out_mode: Literal["series", "dataframe"] | None = None
    sep: str | None = None
    decimal: str | None = None
    time_grouper: str | None = None
    with_tags: bool | None = None
    in_start_mode: Literal["left", "right"] | None = None
    in_end_mode: Literal["left", "right"] | None = None
    offsets: bool | None = Field(None, description="Stamps carry their offset from UTC.")
    bom: bool | None = Field(None, description="Files begin with a byte order mark, for spreadsheets.")
    formula_guard: bool | None = Field(
        None, description="Texts that a spreadsheet would execute stand behind an apostrophe."
    )
    publish: dict[str, Any] | None = None


class Publishing(BaseModel):
    """How each run of an analysis publishes what it computed."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["parquet", "csv"] = "parquet"
    identifier: str | None = None
    storage_config: str | None = None
    formula_guard: bool | None = Field(
        None, description="In CSV, names of columns that a spreadsheet would execute stand behind an apostrophe."
    )


@router.serve("POST", "/exports", area="series", right="read", write=True, status=202, body="large")
def export(unit: Unit, request_: Export) -> Job:
    """Have series written into an archive of CSV files; the job's result has its path, and the published file's id."""
    given = request_.model_dump().items()
    options = {
        _WORDS.get(name, name): _CLOCKS.get(value, value) if name == "clock" else value
        for name, value in given
        if value is not None
    }
    series = catalog.find_series(unit.session, unit.principal, ids=options.pop("series"))
    publish = options.pop("publish", None)
    return Job.model_validate(exports.start(unit.session, unit.principal, series, options, publish))


@router.serve("GET", "/analyses/{analysis_id}/publishing", area="series", right="read")
def get_publishing(unit: Unit, analysis_id: str) -> Publishing | None:
    """Return how each run of an analysis publishes what it computed; null: it does not."""
    given = get(unit.session, unit.principal, Analysis, analysis_id).publishing
    return None if given is None else Publishing(**given)


@router.serve("PUT", "/analyses/{analysis_id}/publishing", area="series", right="write")
def set_publishing(unit: Unit, analysis_id: str, request_: Publishing) -> Publishing:
    """Have each run of an analysis publish what it computed, from the next run on."""
    unit.principal.require_scope("files", "write", "files:publish")
    fields = request_.model_dump(exclude_none=True)
    return Publishing(**publication.set_publishing(unit.session, unit.principal, analysis_id, fields).publishing or {})


@router.serve("DELETE", "/analyses/{analysis_id}/publishing", area="series", right="write")
def end_publishing(unit: Unit, analysis_id: str) -> None:
    """Have runs of an analysis publish no more; what is published stays."""
    publication.set_publishing(unit.session, unit.principal, analysis_id, None)
