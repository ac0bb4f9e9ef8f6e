"""A project as a file says it: the settings of the interface, each thing under its name."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from entrepot.pipeline.runs.forecast import Forecast
from entrepot.server.api.analysis_models import Computing, Output
from entrepot.server.api.gates import GateSettings
from entrepot.server.api.importer_models import ChannelSettings, ImporterSettings
from entrepot.server.api.nouns import Name, Script, SeriesName, Step, Text, instant
from entrepot.server.api.place_models import Extra

#: Kinds of which a file has only those that its project uses: they belong to the organization, and are never removed.
SHARED = ("site", "location", "model definition", "result set", "webhook")


class Part(BaseModel):
    """A part of a file: what it does not know is refused."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class FeederInFile(Part):
    """What fetches files into a gate: from an address, or by a script."""

    from_: Annotated[str | None, Field(alias="from", description="An address: `sftp://…`, `https://…`, `s3://…`.")] = (
        None
    )
    script: Annotated[Script | None, Field(description="Python with `feed(state, credentials, **tools)`.")] = None
    schedule: Annotated[str, Field(description="A cron of six fields, seconds first.")] = ""
    zone: Annotated[str, Field(description="Of the schedule.")] = "UTC"
    active: bool = True
    secret: Annotated[str | None, Field(description="Under which name its credentials are given when it is made.")] = (
        None
    )
    options: Annotated[dict[str, Any], Field(description="What to take and how much: `include`, `host_key`, …")] = {}


class GateInFile(GateSettings):
    """A gate."""

    feeder: FeederInFile | None = None


class ChannelInFile(ChannelSettings):
    """How the raw series under whose name it stands becomes a regular one."""

    name: SeriesName

    @model_validator(mode="after")
    def _say_of_raw_values_what_is_said_of_values(self) -> "ChannelInFile":
        if self.raw_kind is None:
            self.raw_kind = "amount" if self.kind == "rate" else self.kind
        return self


class ImporterInFile(ImporterSettings):
    """An importer, and its channels by the name of their raw series."""

    plausible_from: Annotated[AwareDatetime | None, Field(description="Rows with earlier stamps are set aside.")] = (
        datetime(1990, 1, 1, tzinfo=UTC)
    )
    plausible_ahead: Annotated[Step | None, Field(description="So are those with stamps further ahead of now.")] = "31D"
    gate: Annotated[str | None, Field(description="Null: clients push to it.")] = None
    channels: dict[SeriesName, ChannelInFile] = Field({})


class InputInFile(Part):
    """A column of the frame that a script gets."""

    series: SeriesName
    column: Annotated[SeriesName | None, Field(description="By default the series' name.")] = None
    of: Annotated[
        str | None,
        Field(description="What makes it, for raw series and where several make one of this name: `importer scada`."),
    ] = None


class AnalysisInFile(Computing):
    """An analysis."""

    description: Text = ""
    active: Annotated[bool, Field(description="Whether it runs when its inputs change.")] = False
    inputs: Annotated[list[InputInFile | SeriesName], Field(max_length=1000)] = Field([])
    outputs: Annotated[list[Output | SeriesName], Field(max_length=1000)] = Field([])
    into: Annotated[Name | None, Field(description="The result set that gets its rows.")] = None


class WatchInFile(Part):
    """How old the last point of the series may be under whose name it stands, before somebody is told."""

    silent_for: Annotated[Step | None, Field(description="Null: it may be silent.")]
    of: Annotated[str | None, Field(description="What makes the series, where several make one of this name.")] = None


class PlaceInFile(Part):
    """What is said of a site, a location or a model definition."""

    description: Text | None = None
    extra: Extra


class LocationInFile(PlaceInFile):
    """A place of a site."""

    northing: Annotated[float | None, Field(description="Latitude in degrees.")] = None
    easting: Annotated[float | None, Field(description="Longitude in degrees.")] = None
    elevation: Annotated[float | None, Field(description="Height above the sea in metres.")] = None


class SiteInFile(PlaceInFile):
    """A site, with its locations and model definitions."""

    active: bool = True
    locations: dict[Name, LocationInFile] = {}
    model_definitions: dict[Name, PlaceInFile] = {}


class ResultSetInFile(Part):
    """Where rows are kept."""

    site: Name
    model: Name
    location: Name | None = None
    description: Text | None = None
    source: Text | None = None


class WebhookInFile(Part):
    """What the address under which it stands is told of."""

    types: Annotated[
        list[str] | None,
        Field(max_length=100, description="Of the events: `file`, or `file.published`; null: all."),
    ] = None
    active: Annotated[bool, Field(description="Whether it is told of anything.")] = True


class ProjectFile(Part):
    """A project. A section that is left out is let be; one that is there is all that there is to be."""

    project: Name
    description: Text | None = None
    time_zone: Annotated[
        str | None, Field(description="The clock of channels and analyses that name none: `Europe/Paris`.")
    ] = None
    sites: dict[Name, SiteInFile] = {}
    result_sets: dict[Name, ResultSetInFile] = {}
    gates: dict[Name, GateInFile] = {}
    importers: dict[Name, ImporterInFile] = {}
    analyses: dict[Name, AnalysisInFile] = {}
    watches: Annotated[
        dict[SeriesName, WatchInFile],
        Field(description="By series; `cleaner scada` and the like stand for all series that it makes."),
    ] = {}
    webhooks: Annotated[
        dict[Annotated[str, Field(max_length=1000)], WebhookInFile],
        Field(description="By address; of the organization: they are told of all its projects, and never removed."),
    ] = {}

    @model_validator(mode="after")
    def _give_clocks(self) -> "ProjectFile":
        if self.time_zone is not None:
            channels: list[Any] = [one for importer in self.importers.values() for one in importer.channels.values()]
            for one in (*channels, *self.analyses.values()):
                if "clock" not in one.model_fields_set:
                    one.clock = self.time_zone
        return self


class ApplyRequest(Part):
    """A file, and what it must not hold."""

    file: ProjectFile
    secrets: Annotated[
        dict[str, dict[str, Any]], Field(description="Credentials of feeders, by the name that the file gives them.")
    ] = {}


class Differing(BaseModel):
    """A setting that changes; of scripts it is told how many lines do."""

    before: Any = None
    after: Any = None
    lines: int | None = None


class Change(BaseModel):
    """A thing that is made, changed or removed."""

    action: Literal["made", "changed", "removed"]
    kind: str
    name: str
    fields: dict[str, Differing] = {}


class Again(BaseModel):
    """A series that is computed again.

    ``exact`` says whether these intervals will come out, or whether they are those that there were.
    """

    series: str
    of: str
    because: str
    first_at: datetime | None
    last_at: datetime | None
    intervals: int | None
    exact: bool
    at_once: Annotated[bool, Field(description="Or when its maker is next run.")]

    @classmethod
    def all_of(cls, forecast: Forecast) -> "list[Again]":
        """Return all that a forecast names."""
        return [
            cls(
                series=one.name,
                of=f"{one.maker.kind} {one.maker.name}",
                because=one.because,
                first_at=instant(one.first),
                last_at=instant(one.last),
                intervals=one.count,
                exact=one.exact,
                at_once=one.at_once,
            )
            for one in forecast.series.values()
        ]


class Told(BaseModel):
    """What a file changes, and what is computed again for it."""

    project: str
    changes: list[Change]
    files_read_again: Annotated[dict[str, int], Field(description="How many, by importer.")]
    computed_again: list[Again]
    secrets_missing: Annotated[list[str], Field(description="That feeders name, and were neither given nor are kept.")]
    secrets_made: Annotated[
        dict[str, str], Field(description="Of webhooks that were made, by address; in this answer and nowhere else.")
    ] = {}
