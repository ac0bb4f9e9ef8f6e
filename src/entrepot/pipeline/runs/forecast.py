"""What changed configuration has computed again, told before it is: which intervals of which series.

It is read off what the verbs left to do (marks, jobs), so whoever wants to know makes the changes, asks, and undoes
them: nothing here knows what follows from which setting.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.db import now
from entrepot.pipeline.cleaning import reading as raw_reading
from entrepot.pipeline.cleaning.clean import clean
from entrepot.pipeline.cleaning.influence import Influence
from entrepot.pipeline.cleaning.run import configuration_of
from entrepot.pipeline.cleaning.spec import FUNCTIONS, CleaningSpec
from entrepot.pipeline.generators.finding import AnyGenerator, consumers_of, find_generator
from entrepot.pipeline.intervals import EVER
from entrepot.pipeline.models import Analysis, Channel, Cleaner, ImportedFile, Importer, Invalidation
from entrepot.pipeline.runs.remake import concerned, from_then_on
from entrepot.series.models import Series, SeriesHead

#: Of so many raw points altogether it is tried out what becomes of them.
_MOST_POINTS = 3_000_000


@dataclass(frozen=True)
class Recomputed:
    """A series that is computed again.

    Attributes
    ----------
    because
        Which thing, changed, is why: its kind and its name, a channel's being its importer's and its raw series'.
    first, last
        The starts of its first and its last interval: microseconds, UTC; None where nobody knows yet.
    count
        Of its intervals.
    exact
        Whether these are the intervals that will come out, or those that there were.
    at_once
        Whether it happens by itself, or when its maker is next run.
    """

    name: str
    maker: AnyGenerator
    because: str
    first: int | None = None
    last: int | None = None
    count: int | None = None
    exact: bool = False
    at_once: bool = True


@dataclass
class Forecast:
    """What is to be done: files that are read again, by importer, and series that are computed again."""

    files: dict[str, int] = field(default_factory=dict)
    series: dict[tuple[str, str], Recomputed] = field(default_factory=dict)
    tried: int = 0  #: raw points


@dataclass(frozen=True)
class Before:
    """What there was before configuration was changed: the last mark, the last job, and the series of the project."""

    project_id: str
    mark: int
    job: int
    series: dict[tuple[str | None, str], tuple[int | None, int | None, int]]

    @classmethod
    def of(cls, session: Session, project_id: str) -> "Before":
        """Return what there is now."""
        ends = SeriesHead.first, SeriesHead.last, SeriesHead.count.label("points")
        query = select(Series.generator_id, Series.name, *ends).join_from(Series, SeriesHead)
        rows = session.execute(query.where(Series.project_id == project_id))
        series = {(row.generator_id, row.name): (row.first, row.last, row.points) for row in rows}
        mark = session.scalar(select(func.max(Invalidation.number))) or 0
        job = session.scalar(select(func.max(jobs.Job.number))) or 0
        return cls(project_id, mark, job, series)

    def forecast(self, session: Session) -> Forecast:
        """Return what was left to do since."""
        session.flush()
        made = Forecast()
        consumers = select(Invalidation.consumer_id).where(Invalidation.number > self.mark)
        marked = set(session.scalars(consumers.distinct()))
        for importer, instant in self._cleared(session, Importer):
            self._read_again(session, made, importer, instant)
        query = (
            select(Channel).join(Cleaner, Cleaner.id == Channel.cleaner_id).where(Cleaner.project_id == self.project_id)
        )
        for channel in session.scalars(query.order_by(Channel.number)):
            if channel.id in marked and (channel.cleaner_id, channel.name) not in made.series:
                self._clean_again(session, made, channel)
        analyses = {one.id: one for one, _ in self._cleared(session, Analysis)}
        own = select(Analysis).where(Analysis.project_id == self.project_id)
        for analysis in session.scalars(own.order_by(Analysis.number)):
            if analysis.id in analyses or analysis.id in marked or self._is_behind(analysis):
                self._compute_again(session, made, analysis, f"analysis {analysis.name}")
        return made

    def _cleared(self, session: Session, kind: type[Any]) -> list[tuple[Any, int | None]]:
        """Return the generators of a kind whose series are going to be cleared, and from when on; None: wholly."""
        job = jobs.Job
        query = select(job).where(job.number > self.job, job.project_id == self.project_id)
        found = []
        for one in session.scalars(query.where(job.kind == f"{kind.kind}.clear").order_by(job.number)):
            payload: Any = one.payload
            generator = find_generator(session, payload["id"], kind.kind)
            found += [(generator, payload["instant"])] if generator is not None else []
        return found

    def _is_behind(self, analysis: Analysis) -> bool:
        return analysis.behind and any(generator == analysis.id for generator, _ in self.series)

    def _read_again(self, session: Session, made: Forecast, importer: Importer, instant: int | None) -> None:
        if instant is None:
            files = select(func.count()).select_from(ImportedFile).where(ImportedFile.importer_id == importer.id)
            made.files[importer.name] = session.scalar(files) or 0
        else:
            made.files[importer.name] = len(concerned(session, importer, from_then_on(instant)))
        because = f"importer {importer.name}"
        for generator_id, name in self.series:
            if generator_id == importer.id:
                self._add(session, made, importer, name, because, since=instant, at_once=importer.active)
        channels = select(Channel).where(Channel.cleaner_id == importer.cleaner.id)
        for channel in session.scalars(channels.order_by(Channel.number)):
            self._add(session, made, importer.cleaner, channel.name, because, since=instant, at_once=importer.active)

    def _clean_again(self, session: Session, made: Forecast, channel: Channel) -> None:
        raw = session.scalar(
            select(Series).where(Series.generator_id == channel.cleaner.importer_id, Series.name == channel.raw)
        )
        if raw is None or raw.first is None or not channel.active:
            return  # there is nothing to clean
        tried = None
        if made.tried + raw.count <= _MOST_POINTS and not any(getattr(channel, name) for name in FUNCTIONS):
            made.tried += raw.count
            tried = _tried(session, channel, raw)
        because = f"channel {channel.cleaner.name}/{channel.raw}"
        self._add(session, made, channel.cleaner, channel.name, because, exact=tried)

    def _compute_again(self, session: Session, made: Forecast, analysis: Analysis, because: str) -> None:
        for output in analysis.outputs:
            self._add(session, made, analysis, output.name, because, at_once=analysis.active)

    def _add(
        self,
        session: Session,
        made: Forecast,
        maker: AnyGenerator,
        name: str,
        because: str,
        *,
        exact: tuple[int | None, int | None, int] | None = None,
        since: int | None = None,
        at_once: bool = True,
    ) -> None:
        """Note a series, and what is computed from it; `since` is from when on, where that is not all of it."""
        first, last, count = exact or self.series.get((maker.id, name)) or (None, None, None)
        if (maker.id, name) in made.series or (since is not None and last is not None and last < since):
            return
        if since is not None and first is not None and first < since:
            first, count = since, None
        found = Recomputed(name, maker, because, first, last, count, exact is not None, at_once)
        made.series[maker.id, name] = found
        readers = consumers_of(session, maker.id, [name]).get(name, [])
        for analysis_id in dict.fromkeys(reader.analysis_id for reader in readers):
            analysis = find_generator(session, analysis_id, Analysis.kind)
            if isinstance(analysis, Analysis):
                self._compute_again(session, made, analysis, because)


def _tried(session: Session, channel: Channel, raw: Series) -> tuple[int | None, int | None, int]:
    """Return the first, the last and the number of the intervals that a channel without functions makes."""
    assert raw.first is not None
    assert raw.last is not None
    spec = replace(CleaningSpec.of(configuration_of(channel)), instants=raw.clock is not None)
    extent = raw_reading.extent(session, raw.number, raw.first, raw.last, spec)
    stamps, values, passes = raw_reading.points(session, raw.number, Influence(*EVER, *EVER), spec)
    at = round(now().timestamp() * 1_000_000)
    times = clean(stamps, values, spec, passes=passes, extent=extent, now=at).times
    return (int(times[0]), int(times[-1]), int(times.size)) if times.size else (None, None, 0)
