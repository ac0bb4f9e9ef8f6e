"""Importers and channels as the interface shows and takes them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, Field

from entrepot.pipeline.models import Channel, Cleaner, Importer
from entrepot.server.api.nouns import (
    NOT_KEPT,
    Labels,
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

RawKind = Literal["instant", "mean", "amount"]
Kind = Literal["instant", "mean", "amount", "rate"]


class ImporterSettings(Noun):
    """How an importer reads; what is left out stays, or has its default."""

    description: Text = ""
    parse: Annotated[
        Script,
        Field(description="Python with `parse(content, path, **tools)`, which returns a frame of a file's points."),
    ] = ""
    folder: Annotated[str, Field(description="Of the gate, which alone is read.")] = "/"
    schedule: Annotated[str, Field(description="A cron of six fields, seconds first, in UTC.")] = ""
    active: Annotated[bool, Field(description="Whether it runs by its schedule.")] = False
    order: Annotated[
        Literal["name", "arrival"], column("file_order"), Field(description="In which order files are read.")
    ] = "name"
    reads_changed: Annotated[bool, Field(description="Whether a file that changed under its name is read again.")] = (
        True
    )
    replaces: Annotated[bool, Field(description="Whether rows that such a file has no more go.")] = False
    clock: Annotated[
        str | None,
        named_clock(),
        Field(description="What stamps without a zone show: `UTC`, `Europe/Paris`, `Europe/Paris standard`; null: what "
              "the channel says."),
    ] = None  # fmt: skip
    repeated_hour: Annotated[
        Literal["order", "modified", "first", "second"],
        Field(
            description="How it is told of which time around a file is that begins inside an hour which the clock "
            "showed twice: by what came before it, by the times of files, or, where that does not tell, always so."
        ),
    ] = "order"
    plausible_from: Annotated[AwareDatetime | None, Field(description="Rows with earlier stamps are set aside.")] = None
    plausible_ahead: Annotated[
        Step | None, Field(description="So are those with stamps further ahead of now: `31 D`.")
    ] = None
    rereads_last: Annotated[bool, Field(description="Whether each run reads the last file again.")] = False
    rereads: Annotated[
        int,
        Field(ge=0, le=1_000_000, description="How many files before the last each run reads again."),
    ] = 0
    told_after: Annotated[
        int,
        Field(ge=0, le=1_000_000, description="After so many runs without a file people are told; 0: never."),
    ] = 0


class ImporterChanges(ImporterSettings):
    """What is to change of an importer."""

    name: Name = ""
    gate: Annotated[str | None, NOT_KEPT, Field(description="Id or name; null: clients push to it.")] = None
    again: Annotated[
        bool,
        NOT_KEPT,
        Field(description="Whether what it made is made anew where it comes to read otherwise; false: from now on."),
    ] = True
    again_from: Annotated[
        AwareDatetime | None, NOT_KEPT, Field(description="Of that, only what lies after this instant; null: all.")
    ] = None


class ImporterRequest(ImporterSettings):
    """A new importer."""

    project: Annotated[str, NOT_KEPT, Field(description="Id or name.")]
    name: Name
    gate: Annotated[str | None, NOT_KEPT, Field(description="Id or name; null: clients push to it.")] = None


class ImporterShown(ImporterSettings):
    """An importer, its settings, and how far it is."""

    id: str
    project: Annotated[Reference | None, NOT_KEPT]
    name: str
    gate: Annotated[Reference | None, NOT_KEPT]
    version: int
    created_at: datetime
    changed_at: datetime
    last_run_at: datetime | None
    last_path: str | None

    @classmethod
    def shown(cls, importer: Importer, project: Reference | None) -> "ImporterShown":
        """Return what is shown of an importer."""
        return cls.showing(importer, project=project, gate=Reference.to(importer.gate))


class ChannelSettings(Noun):
    """How a raw series becomes a regular one; what is left out stays, or has its default."""

    active: bool = True
    unit: Annotated[str, Field(max_length=255)] = ""
    title: Annotated[str, Field(max_length=255)] = ""
    labels: Annotated[Labels, Field(default_factory=dict, description="By which the series is found.")]
    raw_kind: Annotated[
        RawKind | None,
        Field(description="What a raw value says: the state at an instant, or a mean or an amount of its interval."),
    ] = None
    kind: Annotated[
        Kind,
        Field(description="What a value of the series says; a rate is a second's."),
    ] = "instant"
    stamped: Annotated[
        Literal["start", "end"],
        Field(description="Which end of its interval a raw mean or amount carries."),
    ] = "start"
    clock: Annotated[
        str,
        named_clock(zone_of_utc="UTC"),
        Field(description="What stamps without a zone show, and whose days the series has."),
    ] = "Europe/Paris standard"
    convert: Annotated[Script | None, Field(description="`def fct(value)`: what a value becomes.")] = None
    keep: Annotated[Script | None, Field(description="`def fct(value)`: whether a value stays.")] = None
    keep_rate: Annotated[
        Script | None,
        Field(description="`def fct(rate)`: whether a value stays, by its change a second."),
    ] = None
    minimum: Annotated[float | None, Field(description="Lesser values are dropped.")] = None
    maximum: Annotated[float | None, Field(description="Greater values are dropped.")] = None
    filter_first: Annotated[
        bool, Field(description="Whether bounds and filters drop points, before they become steps.")
    ] = False
    on_grid: Annotated[
        bool,
        Field(description="Whether points beside the grid of steps are dropped."),
    ] = False
    step: Step = "1h"
    rule: Annotated[Literal["mean", "first", "sum"], Field(description="How instants become a step.")] = "mean"
    fill: Annotated[int, Field(ge=0, description="The longest gap, in steps, that is filled.")] = 0
    completeness: Annotated[
        float | None, Field(description="The share of its points that a step must have, in per cent.")
    ] = None
    day_begins: Annotated[
        str | None, Field(description="What the clock shows when a day begins: `06:00`; null: midnight, standard time.")
    ] = None
    custom: Annotated[Script | None, Field(description="`def fct(series)`: other points for the raw ones.")] = None
    before: Annotated[
        int | str | None,
        Field(description="The raw data, in steps or as a length, that `custom` needs before what it makes."),
    ] = None
    after: Annotated[int | str | None, Field(description="And after it.")] = None
    delay: Annotated[Step | None, Field(description="How long after its end an interval is computed.")] = None
    patience: Annotated[Step, Field(description="How long readers wait for the series when it is late.")] = "6h"


class ChannelChanges(ChannelSettings):
    """What is to change of a channel."""

    raw: SeriesName = ""
    name: SeriesName = ""


class ChannelRequest(ChannelSettings):
    """A new channel."""

    importer: Annotated[str, NOT_KEPT, Field(description="Id or name.")]
    project: Annotated[str | None, NOT_KEPT, Field(description="Of the importer, where that is given by name.")] = None
    raw: Annotated[SeriesName, Field(description="The raw series.")]
    name: SeriesName


class ChannelShown(ChannelSettings):
    """A channel and its settings."""

    id: str
    importer: Annotated[Reference | None, NOT_KEPT]
    cleaner: Annotated[str, column("cleaner_id")]
    raw: str
    name: str
    version: int
    created_at: datetime
    changed_at: datetime

    @classmethod
    def shown(cls, channel: Channel) -> "ChannelShown":
        """Return what is shown of a channel."""
        return cls.showing(channel, importer=Reference.to(channel.cleaner.importer))


class ChannelTrial(ChannelSettings):
    """How a channel would clean a raw series, between two stamps of it; by default, in its last week."""

    importer: Annotated[str, NOT_KEPT, Field(description="Id or name.")]
    project: Annotated[str | None, NOT_KEPT, Field(description="Of the importer, where that is given by name.")] = None
    raw: Annotated[SeriesName, Field(description="The raw series.")]
    from_: Annotated[AwareDatetime | None, NOT_KEPT, Field(alias="from")] = None
    to: Annotated[AwareDatetime | None, NOT_KEPT] = None


class CleanerShown(Noun):
    """All channels of an importer, which run together."""

    id: str
    name: str
    project: Annotated[Reference | None, NOT_KEPT]
    importer: Annotated[Reference | None, NOT_KEPT]
    last_run_at: datetime | None

    @classmethod
    def shown(cls, cleaner: Cleaner, project: Reference | None) -> "CleanerShown":
        """Return what is shown of a cleaner."""
        return cls.showing(cleaner, project=project, importer=Reference.to(cleaner.importer))
