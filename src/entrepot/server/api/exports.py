"""Exports of series, and what runs publish by themselves."""

from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field

from entrepot.pipeline.configuration import get
from entrepot.pipeline.generators import catalog, publication
from entrepot.pipeline.models import Analysis
from entrepot.pipeline.runs import exports
from entrepot.series.clock_names import clock_name, read_clock
from entrepot.server.api.nouns import NOT_KEPT, Kept, Noun, Step, Text, column
from entrepot.server.api.routing import NativeRouter, Unit
from entrepot.server.api.runs import RunShown, begun

router = NativeRouter(tags=["exports"])
_FIRST_OR_LAST = {"first": "left", "last": "right"}
#: Clocks of each series' own zone.
_OF_EACH = {"wall": "local", "standard": "standard"}
_Guard = Annotated[
    bool, Field(description="Whether texts that a spreadsheet would execute stand behind an apostrophe.")
]


def _clock(name: str | None) -> tuple[str | None, str | None]:
    if name in _OF_EACH:
        return _OF_EACH[name], None
    read = None if name is None else read_clock(name)
    return (None, None) if read is None else (read.kind, read.timezone)


class ExportRequest(Noun):
    """What is to be exported into an archive of CSV files, and how."""

    series: Annotated[list[str], NOT_KEPT, Field(min_length=1, max_length=10_000, description="Ids.")]
    from_: Annotated[AwareDatetime | None, column("start"), Field(alias="from")] = None
    to: Annotated[AwareDatetime | None, column("end")] = None
    step: Annotated[Step | None, Field(description="Null: as the series are.")] = None
    clock: Annotated[
        str | None,
        Kept(("clock", "timezone"), clock_name, _clock),
        Field(
            description="Of the stamps; `wall` or `standard`: that of each series' own zone; null: each series' own."
        ),
    ] = None
    layout: Annotated[
        Literal["series", "frame"],
        column("layout", {"frame": "dataframe"}),
        Field(description="A file a series, or one with a column for each."),
    ] = "series"
    separator: Annotated[str, Field(max_length=1)] = ","
    decimal: Annotated[str, Field(max_length=1)] = "."
    file_step: Annotated[
        Step | None, column("time_grouper"), Field(description="How much time a file has; null: all.")
    ] = None
    tags: bool = False
    starts: Annotated[
        Literal["first", "last"],
        column("in_start_mode", _FIRST_OR_LAST),
        Field(description="Whether rows begin with the first of the series, or once all have begun."),
    ] = "last"
    ends: Annotated[
        Literal["first", "last"],
        column("in_end_mode", _FIRST_OR_LAST),
        Field(description="Whether rows end where the first of the series ends, or once all have ended."),
    ] = "first"
    offsets: Annotated[bool, Field(description="Whether stamps carry their offset from UTC.")] = False
    bom: Annotated[bool, Field(description="Whether files begin with a byte order mark, for spreadsheets.")] = False
    formula_guard: _Guard = False
    publish: Annotated[
        dict[str, Any] | None, NOT_KEPT, Field(description="What is said of the archive as a published file.")
    ] = None


class Publishing(Noun):
    """How each run of an analysis publishes what it computed."""

    format: Literal["parquet", "csv"] = "parquet"
    identifier: Annotated[Text | None, Field(description="By default the analysis' name.")] = None
    storage: Annotated[str | None, Field(description="Id; null: as usual.")] = None
    formula_guard: _Guard = False


@router.serve("POST", "/exports", area="series", right="read", write=True, status=202, body="large")
def create_export(unit: Unit, given: ExportRequest) -> RunShown:
    """Have series exported; the run's `result` has the archive's path, and the id of the `file` that was published."""
    series = catalog.find_series(unit.session, unit.principal, ids=given.series)
    with ExportRequest.naming():
        options = {name: value for name, value in given.kept().items() if value is not None}
        return begun(unit, exports.start(unit.session, unit.principal, series, options, given.publish))


@router.serve("GET", "/analyses/{analysis_id}/publishing", area="series", right="read")
def get_publishing(unit: Unit, analysis_id: str) -> Publishing | None:
    """Return how each run of an analysis publishes what it computed; null: it does not."""
    return _shown(get(unit.session, unit.principal, Analysis, analysis_id))


@router.serve("PUT", "/analyses/{analysis_id}/publishing", area="series", right="write")
def set_publishing(unit: Unit, analysis_id: str, given: Publishing) -> Publishing | None:
    """Have each run of an analysis publish what it computed, from the next run on."""
    unit.principal.require_scope("files", "write", "files:publish")
    fields = {name: value for name, value in given.kept(unset=True).items() if value is not None}
    with Publishing.naming():
        return _shown(publication.set_publishing(unit.session, unit.principal, analysis_id, fields))


@router.serve("DELETE", "/analyses/{analysis_id}/publishing", area="series", right="write", status=204)
def end_publishing(unit: Unit, analysis_id: str) -> None:
    """Have runs of an analysis publish no more; what is published stays."""
    publication.set_publishing(unit.session, unit.principal, analysis_id, None)


def _shown(analysis: Analysis) -> Publishing | None:
    return None if analysis.publishing is None else Publishing(**analysis.publishing)
