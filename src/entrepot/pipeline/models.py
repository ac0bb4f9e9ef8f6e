"""Tables of gates, feeders, importers, cleaners, analyses and what they still have to do."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    String,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from entrepot.db import Base, Instant, Json, keyset
from entrepot.db.partial import partial
from entrepot.identity.records import by_number
from entrepot.pipeline.records import Owned, Placed, Record


class Gate(Owned, Base):
    """A place where files come in; its folder is ``gates/<id>`` in the data folder."""

    __tablename__ = "gate"

    #: Most bytes and files that it takes; null: any number.
    quota_bytes: Mapped[int | None] = mapped_column(BigInteger)
    quota_files: Mapped[int | None]
    #: Whether files that a script refuses are set aside, so that the run goes on with the next one.
    quarantine: Mapped[bool] = mapped_column(default=False)
    #: What becomes of files that every importer has read: ``keep``, ``move`` (into ``imported/``) or ``delete``.
    after_import: Mapped[str] = mapped_column(String(10), default="keep")
    feeder: Mapped["Feeder | None"] = relationship(back_populates="gate", passive_deletes=True)


class Feeder(Placed, Base):
    """What fetches files into a gate, on a schedule."""

    __tablename__ = "feeder"
    __table_args__ = (
        by_number("feeder"),
        Index("ix_feeder_project", "project_id", text("(number + 0)")),
    )
    kind = "feeder"

    gate_id: Mapped[str] = mapped_column(ForeignKey("gate.id", ondelete="CASCADE"), unique=True)
    gate: Mapped[Gate] = relationship(back_populates="feeder")
    timezone: Mapped[str] = mapped_column(default="Europe/Paris")
    schedule: Mapped[str] = mapped_column(default="")
    active: Mapped[bool] = mapped_column(default=False)
    #: How it fetches: by a ``script`` or from an ``address``; null until chosen.
    source_kind: Mapped[str | None] = mapped_column(String(30))
    source_id: Mapped[str | None] = mapped_column(String(36), unique=True)
    #: The settings of how it fetches, for instance ``{"script": ...}``.
    source: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    #: What it shows to its source, encrypted, and the names of what that is.
    credentials: Mapped[str | None]
    credential_names: Mapped[list[str]] = mapped_column(Json, default=list)
    #: Fingerprint of the SSH server that was met first.
    known_host_key: Mapped[str | None]
    #: What its script gave to its next call.
    state: Mapped[Any | None] = mapped_column(Json)
    last_run_at: Mapped[datetime | None] = mapped_column(Instant)


class FedFile(Base):
    """What a feeder last fetched, or saw, at a path of its source."""

    __tablename__ = "fed_file"

    feeder_id: Mapped[str] = mapped_column(ForeignKey("feeder.id", ondelete="CASCADE"), primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    #: Text that changes when the file does, as it was when its content was looked at.
    version: Mapped[str | None]
    size: Mapped[int | None] = mapped_column(BigInteger)
    #: Of the content that came last; null: none has.
    sha256: Mapped[str | None] = mapped_column(String(64))
    #: Where it went on the gate.
    target: Mapped[str | None]
    #: The name of the complete file on its way to the gate; null: it has arrived.
    staged: Mapped[str | None]
    run_id: Mapped[str | None] = mapped_column(String(36))
    fetched_at: Mapped[datetime | None] = mapped_column(Instant)
    #: A version that may still grow, and since when it has been seen.
    seen: Mapped[str | None]
    seen_since: Mapped[datetime | None] = mapped_column(Instant)


class Generator(Owned):
    """What makes series: an importer, a cleaner or an analysis."""

    last_run_at: Mapped[datetime | None] = mapped_column(Instant)
    last_cleared_at: Mapped[datetime | None] = mapped_column(Instant)


class Importer(Generator, Base):
    """Reads a gate's files through a script and writes raw series."""

    __tablename__ = "importer"
    kind = "importer"

    active: Mapped[bool] = mapped_column(default=False)
    schedule: Mapped[str] = mapped_column(default="")
    recomputes: Mapped[bool] = mapped_column(default=False)
    parse: Mapped[str] = mapped_column(default="")
    folder: Mapped[str] = mapped_column(default="/")
    rereads_last: Mapped[bool] = mapped_column(default=False)
    told_after: Mapped[int] = mapped_column(default=0)
    rereads: Mapped[int] = mapped_column(default=0)
    #: Whether a file that changed under its name is read again, whatever the two settings of the published client say.
    reads_changed: Mapped[bool] = mapped_column(default=True)
    #: Whether what an older version of a file brought goes, where a newer one brings it no more.
    replaces: Mapped[bool] = mapped_column(default=False)
    #: In which order files are read: ``name`` (numbers in names compare as numbers) or ``arrival``.
    file_order: Mapped[str] = mapped_column(String(10), default="name")
    #: The clock of stamps without a zone (``utc``, ``standard``, ``local``) and its zone; null: left to the cleaner.
    clock: Mapped[str | None] = mapped_column(String(8))
    timezone: Mapped[str | None] = mapped_column(String(64))
    #: How it is told of which time around a file is that begins inside an hour which the clock showed twice: by what
    #: came before it (``order``), by the times of files (``modified``), or always so where that does not tell.
    repeated_hour: Mapped[str] = mapped_column(String(10), default="order")
    #: Stamps before this, or further ahead of the present than that, are set aside; null: none are.
    plausible_from: Mapped[datetime | None] = mapped_column(Instant, default=datetime(1990, 1, 1, tzinfo=UTC))
    plausible_ahead: Mapped[str | None] = mapped_column(String(32), default="31D")
    #: Files that were there at an instant, up to this path, count as imported though they were not: once, until the
    #: next run has noted which these are.
    passed_path: Mapped[str | None]
    passed_at: Mapped[datetime | None] = mapped_column(Instant)
    last_path: Mapped[str | None]
    last_modified_at: Mapped[datetime | None] = mapped_column(Instant)
    #: Scheduled runs in a row that found no new file.
    runs_without_file: Mapped[int] = mapped_column(default=0)
    gate_id: Mapped[str | None] = mapped_column(ForeignKey("gate.id", ondelete="SET NULL"), index=True)
    gate: Mapped[Gate | None] = relationship()
    cleaner: Mapped["Cleaner"] = relationship(back_populates="importer", passive_deletes=True)


class ImporterSeries(Record, Base):
    """A raw series that an importer delivers, known by the label of its column."""

    __tablename__ = "importer_series"
    __table_args__ = (UniqueConstraint("importer_id", "raw"),)

    importer_id: Mapped[str] = mapped_column(ForeignKey("importer.id", ondelete="CASCADE"))
    raw: Mapped[str]


class Cleaner(Generator, Base):
    """Turns an importer's raw series into regular ones, each by its channel."""

    __tablename__ = "cleaner"
    kind = "cleaner"

    importer_id: Mapped[str] = mapped_column(ForeignKey("importer.id", ondelete="CASCADE"), unique=True)
    importer: Mapped[Importer] = relationship(back_populates="cleaner")


class Channel(Placed, Base):
    """How one raw series becomes one regular series; texts are kept as they were given."""

    __tablename__ = "channel"
    __table_args__ = (
        UniqueConstraint("cleaner_id", "raw"),
        UniqueConstraint("cleaner_id", "name"),
        Index("ix_channel_listed", "organization_id", "name", "id"),
        Index("ix_channel_project", "project_id", "name", "id"),
    )

    cleaner_id: Mapped[str] = mapped_column(ForeignKey("cleaner.id", ondelete="CASCADE"))
    cleaner: Mapped[Cleaner] = relationship()
    active: Mapped[bool] = mapped_column(default=True)
    raw: Mapped[str]
    name: Mapped[str]
    step: Mapped[str] = mapped_column(default="1H")
    raw_kind: Mapped[str] = mapped_column(default="instant")
    kind: Mapped[str] = mapped_column(default="instant")
    stamped: Mapped[str] = mapped_column(default="start")
    clock: Mapped[str] = mapped_column(default="standard")
    timezone: Mapped[str] = mapped_column(default="Europe/Paris")
    unit: Mapped[str] = mapped_column(default="")
    title: Mapped[str] = mapped_column(default="")
    rule: Mapped[str] = mapped_column(default="mean")
    fill: Mapped[int] = mapped_column(default=0)
    patience: Mapped[str] = mapped_column(default="6H")
    on_grid: Mapped[bool] = mapped_column(default=False)
    convert: Mapped[str | None]
    keep: Mapped[str | None]
    keep_rate: Mapped[str | None]
    custom: Mapped[str | None]
    delay: Mapped[str | None]
    #: A number of steps or a frequency.
    before: Mapped[int | str | None] = mapped_column(Json)
    after: Mapped[int | str | None] = mapped_column(Json)
    #: What clients gave that means nothing here, and get back.
    kept: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    #: What the wall clock shows when a day of the output begins (``06:00``); null: midnight of standard time.
    day_begins: Mapped[str | None] = mapped_column(String(5))
    #: Whether the filter drops points before they become steps, rather than steps.
    filter_first: Mapped[bool] = mapped_column(default=False)
    #: Values beyond these are dropped, as by the filter; null: none are.
    minimum: Mapped[float | None]
    maximum: Mapped[float | None]
    #: The share of its points that a step must have, in per cent; null: any.
    completeness: Mapped[float | None]
    #: By which the series that it makes is found.
    labels: Mapped[dict[str, str]] = mapped_column(Json, default=dict)


class Analysis(Generator, Base):
    """Computes series out of other series by a script."""

    __tablename__ = "analysis"
    kind = "analysis"

    active: Mapped[bool] = mapped_column(default=False)
    behind: Mapped[bool] = mapped_column(default=False)
    #: The interval that its runs have covered, in microseconds, UTC, half-open; null before the first.
    computed_start: Mapped[int | None] = mapped_column(BigInteger)
    computed_stop: Mapped[int | None] = mapped_column(BigInteger)
    #: The rows' analysis under which the rows of its script are kept, if it makes any.
    result_set_id: Mapped[int | None] = mapped_column(Integer)
    #: How its runs publish what they made (see :mod:`.publication`); null: they do not.
    publishing: Mapped[dict[str, Any] | None] = mapped_column(Json)
    config: Mapped["AnalysisSettings | None"] = relationship(back_populates="analysis", passive_deletes=True)
    inputs: Mapped[list["AnalysisInput"]] = relationship(order_by="AnalysisInput.number", passive_deletes=True)
    outputs: Mapped[list["AnalysisOutput"]] = relationship(order_by="AnalysisOutput.number", passive_deletes=True)


class AnalysisSettings(Record, Base):
    """How an analysis computes."""

    __tablename__ = "analysis_settings"

    analysis_id: Mapped[str] = mapped_column(ForeignKey("analysis.id", ondelete="CASCADE"), unique=True)
    analysis: Mapped[Analysis] = relationship(back_populates="config")
    kept: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    clock: Mapped[str] = mapped_column(default="standard")
    timezone: Mapped[str] = mapped_column(default="Europe/Paris")
    starts_with_first: Mapped[bool] = mapped_column(default=False)
    waits: Mapped[bool] = mapped_column(default=False)
    input_step: Mapped[str]
    step: Mapped[str]
    before: Mapped[int | str | None] = mapped_column(Json)
    after: Mapped[int | str | None] = mapped_column(Json)
    strict_before: Mapped[bool] = mapped_column(default=False)
    script: Mapped[str]
    patience: Mapped[str] = mapped_column(default="6H")
    delay: Mapped[str | None]


class AnalysisInput(Record, Base):
    """A column of the frame that an analysis gets: a series named by its generator and name, so it may come and go."""

    __tablename__ = "analysis_input"
    __table_args__ = (
        UniqueConstraint("analysis_id", "column"),
        Index("ix_analysis_input_source", "generator_id", "series_name"),
    )

    analysis_id: Mapped[str] = mapped_column(ForeignKey("analysis.id", ondelete="CASCADE"))
    generator_id: Mapped[str] = mapped_column(String(36))
    series_name: Mapped[str]
    column: Mapped[str]


class AnalysisOutput(Record, Base):
    """A column of the frame that an analysis returns, kept as a series."""

    __tablename__ = "analysis_output"
    __table_args__ = (UniqueConstraint("analysis_id", "name"),)

    analysis_id: Mapped[str] = mapped_column(ForeignKey("analysis.id", ondelete="CASCADE"))
    name: Mapped[str]
    rule: Mapped[str] = mapped_column(default="mean")
    title: Mapped[str] = mapped_column(default="")
    unit: Mapped[str] = mapped_column(default="")
    kept: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)


class ScriptVersion(Record, Base):
    """A script that an importer or an analysis had, since when, and who gave it."""

    __tablename__ = "script_version"
    __table_args__ = (UniqueConstraint("generator_id", "version"),)

    organization_id: Mapped[str] = mapped_column(String(36), index=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), index=True)
    generator_id: Mapped[str] = mapped_column(String(36))
    #: From 1 on, of each generator.
    version: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    script: Mapped[str]
    user_id: Mapped[str | None] = mapped_column(String(36))


class ImportedFile(Base):
    """What an importer last read from a path of its gate."""

    __tablename__ = "imported_file"
    __table_args__ = (partial("ix_imported_file_changed", "importer_id", where="changed_size IS NOT NULL"),)

    importer_id: Mapped[str] = mapped_column(ForeignKey("importer.id", ondelete="CASCADE"), primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    modified_at: Mapped[datetime] = mapped_column(Instant)
    #: Empty where it counts as imported though it never was read.
    sha256: Mapped[str] = mapped_column(String(64))
    run_id: Mapped[str] = mapped_column(String(36))
    #: Rows that the script made of it, and their first and last stamps as delivered, in microseconds.
    rows: Mapped[int] = mapped_column(BigInteger, default=0)
    first: Mapped[int | None] = mapped_column(BigInteger)
    last: Mapped[int | None] = mapped_column(BigInteger)
    #: Whether its stamps have a zone; null where that is not known.
    zoned: Mapped[bool | None]
    #: By the stamp at which it begins inside an hour that was shown twice: which time around, and whether by a guess.
    open_hours: Mapped[dict[str, Any] | None] = mapped_column(Json)
    #: The version that lies on the gate now, where its content is another and it is not read again.
    changed_size: Mapped[int | None] = mapped_column(BigInteger)
    changed_modified_at: Mapped[datetime | None] = mapped_column(Instant)


class ImportedStamps(Base):
    """The stamps that a file brought to a raw series; kept where a file replaces what it brought."""

    __tablename__ = "imported_stamps"
    __table_args__ = (
        ForeignKeyConstraint(
            ["importer_id", "path"], ["imported_file.importer_id", "imported_file.path"], ondelete="CASCADE"
        ),
        Index("ix_imported_stamps_series", "importer_id", "name", "last"),
    )

    importer_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    first: Mapped[int] = mapped_column(BigInteger)
    last: Mapped[int] = mapped_column(BigInteger)
    stamps: Mapped[bytes]


class QuarantinedFile(Record, Base):
    """A file that an importer's script refused, or that the importer is to read again, though it has passed it."""

    __tablename__ = "quarantined_file"
    __table_args__ = (keyset.listed("quarantined_file", "gate_id", "number"),)

    gate_id: Mapped[str] = mapped_column(ForeignKey("gate.id", ondelete="CASCADE"))
    importer_id: Mapped[str] = mapped_column(ForeignKey("importer.id", ondelete="CASCADE"), index=True)
    #: Where it was on the gate, and will be again when it is retried.
    path: Mapped[str]
    #: Where it lies meanwhile; null when it never left its place.
    stored: Mapped[str | None]
    size: Mapped[int] = mapped_column(BigInteger)
    modified_at: Mapped[datetime] = mapped_column(Instant)
    reason: Mapped[str] = mapped_column(default="")
    #: The script's own lines that raised, and what it printed.
    details: Mapped[str] = mapped_column(default="")
    run_id: Mapped[str] = mapped_column(String(36))
    #: Whether the next run is to read it again.
    retried: Mapped[bool] = mapped_column(default=False)


class SilenceWatch(Record, Base):
    """How old the last point of a series may be before somebody is told."""

    __tablename__ = "silence_watch"
    __table_args__ = (by_number("silence_watch"), UniqueConstraint("generator_id", "series_name"))

    organization_id: Mapped[str] = mapped_column(String(36))
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    generator_id: Mapped[str] = mapped_column(String(36))
    #: Empty: every series of the generator that has no watch of its own.
    series_name: Mapped[str] = mapped_column(default="")
    #: As it was written (``6H``); null: this series may be silent.
    grace: Mapped[str | None] = mapped_column(String(32))


class Invalidation(Base):
    """An interval of a source that changed after its consumer last looked: ``[start, stop]`` in microseconds, UTC.

    ``consumer_id`` is a channel or an analysis; ``source`` the raw series' name, or the analysis' column, whose
    points changed.
    """

    __tablename__ = "invalidation"

    number: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    consumer_id: Mapped[str] = mapped_column(String(36), index=True)
    source: Mapped[str]
    start: Mapped[int] = mapped_column(BigInteger)
    stop: Mapped[int] = mapped_column(BigInteger)
