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
from sqlalchemy.orm import Mapped, declared_attr, mapped_column, relationship

from entrepot.db import Base, Instant, Json, new_id, now


class Record:
    """What every record has: ``pk`` orders records by creation, ``id`` names them outside."""

    pk: Mapped[int] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(String(36), unique=True, default=new_id)
    created: Mapped[datetime] = mapped_column(Instant, default=now)


class Edited(Record):
    """What people change: ``version`` grows with each change of its settings."""

    version: Mapped[int] = mapped_column(default=1)
    changed_at: Mapped[datetime] = mapped_column(Instant, default=now)

    def touch(self) -> None:
        """Note that this is another version."""
        self.version = (self.version or 0) + 1
        self.changed_at = now()


class Owned(Edited):
    """What belongs to a project, under a name that is unique among its kind."""

    organization_id: Mapped[str] = mapped_column(String(36), index=True)
    name: Mapped[str] = mapped_column(String(300))
    comment: Mapped[str] = mapped_column(default="")

    @declared_attr
    @classmethod
    def project_id(cls) -> Mapped[str]:
        """The project it belongs to."""
        return mapped_column(ForeignKey("project.id", ondelete="CASCADE"))

    @declared_attr.directive
    @classmethod
    def __table_args__(cls) -> tuple[Any, ...]:
        return (UniqueConstraint("project_id", "name"),)


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
    feeder: Mapped["BaseFeeder | None"] = relationship(back_populates="gate", passive_deletes=True)


class BaseFeeder(Edited, Base):
    """What fetches files into a gate, on a schedule."""

    __tablename__ = "base_feeder"

    gate_id: Mapped[str] = mapped_column(ForeignKey("gate.id", ondelete="CASCADE"), unique=True)
    gate: Mapped[Gate] = relationship(back_populates="feeder")
    timezone: Mapped[str] = mapped_column(default="Europe/Paris")
    crontab: Mapped[str] = mapped_column(default="")
    active: Mapped[bool] = mapped_column(default=False)
    #: How it fetches: ``genericbasicfeeder`` (a script) or ``staticwebservicefeeder``; null until chosen.
    child_model: Mapped[str | None] = mapped_column(String(30))
    child_id: Mapped[str | None] = mapped_column(String(36), unique=True)
    #: The settings of how it fetches, for instance ``{"script": ...}``.
    child: Mapped[dict[str, Any]] = mapped_column(Json, default=dict)
    #: What it shows to its source, encrypted, and the names of what that is.
    credentials: Mapped[str | None]
    credential_names: Mapped[list[str]] = mapped_column(Json, default=list)
    #: Fingerprint of the SSH server that was met first.
    known_host_key: Mapped[str | None]
    #: What its script gave to its next call.
    state: Mapped[Any | None] = mapped_column(Json)
    last_run: Mapped[datetime | None] = mapped_column(Instant)


class FedFile(Base):
    """What a feeder last fetched, or saw, at a path of its source."""

    __tablename__ = "fed_file"

    feeder_id: Mapped[str] = mapped_column(ForeignKey("base_feeder.id", ondelete="CASCADE"), primary_key=True)
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
    fetched: Mapped[datetime | None] = mapped_column(Instant)
    #: A version that may still grow, and since when it has been seen.
    seen: Mapped[str | None]
    seen_since: Mapped[datetime | None] = mapped_column(Instant)


class Generator(Owned):
    """What makes series: an importer, a cleaner or an analysis."""

    last_run: Mapped[datetime | None] = mapped_column(Instant)
    last_clear: Mapped[datetime | None] = mapped_column(Instant)


class Importer(Generator, Base):
    """Reads a gate's files through a script and writes raw series."""

    __tablename__ = "importer"
    kind = "importer"

    active: Mapped[bool] = mapped_column(default=False)
    crontab: Mapped[str] = mapped_column(default="")
    auto_partial_reset: Mapped[bool] = mapped_column(default=False)
    parse_script: Mapped[str] = mapped_column(default="")
    root_dir_path: Mapped[str] = mapped_column(default="/")
    re_run_last_file: Mapped[bool] = mapped_column(default=False)
    notify_missing_files_nb: Mapped[int] = mapped_column(default=0)
    max_ante_scanned_files_nb: Mapped[int] = mapped_column(default=0)
    #: Whether a file that changed under its name is read again, whatever the two settings of the published client say.
    read_changed: Mapped[bool] = mapped_column(default=True)
    #: Whether what an older version of a file brought goes, where a newer one brings it no more.
    replaces: Mapped[bool] = mapped_column(default=False)
    #: In which order files are read: ``name`` (numbers in names compare as numbers) or ``arrival``.
    file_order: Mapped[str] = mapped_column(String(10), default="name")
    #: The clock of stamps without a zone (``gmt``, ``tzt``, ``dst``) and its zone; null: left to the cleaner.
    clock: Mapped[str | None] = mapped_column(String(3))
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
    last_imported_path: Mapped[str | None]
    latest_imported_mdate: Mapped[datetime | None] = mapped_column(Instant)
    #: Scheduled runs in a row that found no new file.
    runs_without_file: Mapped[int] = mapped_column(default=0)
    gate_id: Mapped[str | None] = mapped_column(ForeignKey("gate.id", ondelete="SET NULL"), index=True)
    gate: Mapped[Gate | None] = relationship()
    cleaner: Mapped["Cleaner"] = relationship(back_populates="importer", passive_deletes=True)


class ImporterSeries(Record, Base):
    """A raw series that an importer delivers, known by the label of its column."""

    __tablename__ = "importer_series"
    __table_args__ = (UniqueConstraint("importer_id", "external_name"),)

    importer_id: Mapped[str] = mapped_column(ForeignKey("importer.id", ondelete="CASCADE"))
    external_name: Mapped[str]


class Cleaner(Generator, Base):
    """Turns an importer's raw series into regular ones, each by its unit cleaner."""

    __tablename__ = "cleaner"
    kind = "cleaner"

    importer_id: Mapped[str] = mapped_column(ForeignKey("importer.id", ondelete="CASCADE"), unique=True)
    importer: Mapped[Importer] = relationship(back_populates="cleaner")


class Unitcleaner(Edited, Base):
    """How one raw series becomes one regular series; texts are kept as they were given."""

    __tablename__ = "unitcleaner"
    __table_args__ = (UniqueConstraint("cleaner_id", "external_name"), UniqueConstraint("cleaner_id", "name"))

    cleaner_id: Mapped[str] = mapped_column(ForeignKey("cleaner.id", ondelete="CASCADE"))
    cleaner: Mapped[Cleaner] = relationship()
    active: Mapped[bool] = mapped_column(default=True)
    external_name: Mapped[str]
    name: Mapped[str]
    freq: Mapped[str] = mapped_column(default="1H")
    input_unit_type: Mapped[str] = mapped_column(default="instantaneous")
    unit_type: Mapped[str] = mapped_column(default="instantaneous")
    input_convention: Mapped[str] = mapped_column(default="left")
    clock: Mapped[str] = mapped_column(default="tzt")
    timezone: Mapped[str] = mapped_column(default="Europe/Paris")
    unit: Mapped[str] = mapped_column(default="")
    label: Mapped[str] = mapped_column(default="")
    resample_rule: Mapped[str] = mapped_column(default="mean")
    interpolate_limit: Mapped[int] = mapped_column(default=0)
    wait_offset: Mapped[str] = mapped_column(default="6H")
    input_expected_regular: Mapped[bool] = mapped_column(default=False)
    operation_fct: Mapped[str | None]
    filter_fct: Mapped[str | None]
    derivative_filter_fct: Mapped[str | None]
    custom_fct: Mapped[str | None]
    custom_delay: Mapped[str | None]
    #: A number of steps or a frequency.
    custom_before_offset: Mapped[int | str | None] = mapped_column(Json)
    custom_after_offset: Mapped[int | str | None] = mapped_column(Json)
    numerical_filter: Mapped[Any | None] = mapped_column(Json)
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
    is_obsolete: Mapped[bool] = mapped_column(default=False)
    #: The interval that its runs have covered, in microseconds, UTC, half-open; null before the first.
    computed_start: Mapped[int | None] = mapped_column(BigInteger)
    computed_stop: Mapped[int | None] = mapped_column(BigInteger)
    #: The rows' analysis under which the rows of its script are kept, if it makes any.
    rows_analysis_id: Mapped[int | None] = mapped_column(Integer)
    #: How its runs publish what they made (see :mod:`.publication`); null: they do not.
    publishing: Mapped[dict[str, Any] | None] = mapped_column(Json)
    config: Mapped["AnalysisConfig | None"] = relationship(back_populates="analysis", passive_deletes=True)
    inputs: Mapped[list["AnalysisInput"]] = relationship(order_by="AnalysisInput.pk", passive_deletes=True)
    outputs: Mapped[list["AnalysisOutput"]] = relationship(order_by="AnalysisOutput.pk", passive_deletes=True)


class AnalysisConfig(Record, Base):
    """How an analysis computes."""

    __tablename__ = "analysis_config"

    analysis_id: Mapped[str] = mapped_column(ForeignKey("analysis.id", ondelete="CASCADE"), unique=True)
    analysis: Mapped[Analysis] = relationship(back_populates="config")
    output_tags: Mapped[list[str]] = mapped_column(Json, default=list)
    clock: Mapped[str] = mapped_column(default="tzt")
    output_timezone: Mapped[str] = mapped_column(default="Europe/Paris")
    start_with_first: Mapped[bool] = mapped_column(default=False)
    wait_for_last: Mapped[bool] = mapped_column(default=False)
    input_freq: Mapped[str]
    output_freq: Mapped[str]
    custom_before_offset: Mapped[int | str | None] = mapped_column(Json)
    custom_after_offset: Mapped[int | str | None] = mapped_column(Json)
    before_offset_strict_mode: Mapped[bool] = mapped_column(default=False)
    with_tags: Mapped[bool] = mapped_column(default=False)
    script: Mapped[str]
    script_method: Mapped[str] = mapped_column(default="array")
    wait_offset: Mapped[str] = mapped_column(default="6H")
    custom_delay: Mapped[str | None]


class AnalysisInput(Record, Base):
    """A column of the frame that an analysis gets: a series named by its generator and name, so it may come and go."""

    __tablename__ = "analysis_input"
    __table_args__ = (
        UniqueConstraint("analysis_id", "column_name"),
        Index("ix_analysis_input_source", "input_series_generator", "input_series_name"),
    )

    analysis_id: Mapped[str] = mapped_column(ForeignKey("analysis.id", ondelete="CASCADE"))
    input_series_generator: Mapped[str] = mapped_column(String(36))
    input_series_name: Mapped[str]
    column_name: Mapped[str]


class AnalysisOutput(Record, Base):
    """A column of the frame that an analysis returns, kept as a series."""

    __tablename__ = "analysis_output"
    __table_args__ = (UniqueConstraint("analysis_id", "name"),)

    analysis_id: Mapped[str] = mapped_column(ForeignKey("analysis.id", ondelete="CASCADE"))
    name: Mapped[str]
    resample_rule: Mapped[str] = mapped_column(default="mean")
    label: Mapped[str] = mapped_column(default="")
    unit: Mapped[str] = mapped_column(default="")
    numerical_filter: Mapped[Any | None] = mapped_column(Json)


class ImportedFile(Base):
    """What an importer last read from a path of its gate."""

    __tablename__ = "imported_file"
    __table_args__ = (
        Index(
            "ix_imported_file_changed",
            "importer_id",
            sqlite_where=text("changed_size IS NOT NULL"),
            postgresql_where=text("changed_size IS NOT NULL"),
        ),
    )

    importer_id: Mapped[str] = mapped_column(ForeignKey("importer.id", ondelete="CASCADE"), primary_key=True)
    path: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(BigInteger)
    modified: Mapped[datetime] = mapped_column(Instant)
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
    changed_modified: Mapped[datetime | None] = mapped_column(Instant)


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

    gate_id: Mapped[str] = mapped_column(ForeignKey("gate.id", ondelete="CASCADE"), index=True)
    importer_id: Mapped[str] = mapped_column(ForeignKey("importer.id", ondelete="CASCADE"), index=True)
    #: Where it was on the gate, and will be again when it is retried.
    path: Mapped[str]
    #: Where it lies meanwhile; null when it never left its place.
    stored: Mapped[str | None]
    size: Mapped[int] = mapped_column(BigInteger)
    modified: Mapped[datetime] = mapped_column(Instant)
    reason: Mapped[str] = mapped_column(default="")
    #: The script's own lines that raised, and what it printed.
    details: Mapped[str] = mapped_column(default="")
    run_id: Mapped[str] = mapped_column(String(36))
    #: Whether the next run is to read it again.
    retried: Mapped[bool] = mapped_column(default=False)


class SilenceWatch(Record, Base):
    """How old the last point of a series may be before somebody is told."""

    __tablename__ = "silence_watch"
    __table_args__ = (UniqueConstraint("generator_id", "series_name"),)

    organization_id: Mapped[str] = mapped_column(String(36), index=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    generator_id: Mapped[str] = mapped_column(String(36))
    #: Empty: every series of the generator that has no watch of its own.
    series_name: Mapped[str] = mapped_column(default="")
    #: As it was written (``6H``); null: this series may be silent.
    grace: Mapped[str | None] = mapped_column(String(32))


class Dirty(Base):
    """An interval of a source that changed after its consumer last looked: ``[start, stop]`` in microseconds, UTC.

    ``consumer_id`` is a unit cleaner or an analysis; ``source`` the raw series' name, or the analysis' column, whose
    points changed.
    """

    __tablename__ = "dirty"

    pk: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    consumer_id: Mapped[str] = mapped_column(String(36), index=True)
    source: Mapped[str]
    start: Mapped[int] = mapped_column(BigInteger)
    stop: Mapped[int] = mapped_column(BigInteger)
