"""What an analysis reads, by what people call it: a series by its id or, even before there is one, by its name."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot.errors import InvalidInput
from entrepot.pipeline.models import Analysis, AnalysisOutput, Channel
from entrepot.series.models import Series


def find(session: Session, analysis: Analysis, series: str, maker_id: str | None = None) -> tuple[str, str]:
    """Return what makes a series that is meant by its id or its name, and the series' name.

    Parameters
    ----------
    series
        An id, or the name of a series that there is, or that a channel or an analysis of the project makes.
    maker_id
        What makes it, where several make one of this name.

    Raises
    ------
    InvalidInput
        Nothing makes it, or several do and it is not said which.
    """
    found = session.execute(
        select(Series.generator_id, Series.name).where(Series.id == series, Series.project_id == analysis.project_id)
    ).one_or_none()
    if found is not None and found.generator_id is not None:
        return found.generator_id, found.name
    if maker_id is not None:
        return maker_id, series
    makers = _makers(session, analysis, series)
    if not makers:
        raise InvalidInput(f"No channel, analysis or series of this project is named {series[:80]!r}.")
    if len(makers) > 1:
        told = ", ".join(sorted(makers))
        raise InvalidInput(f"Several make a series {series[:80]!r}: say `of` which, one of {told}.")
    return makers.pop(), series


def _makers(session: Session, analysis: Analysis, name: str) -> set[str]:
    """Return what else in an analysis' project makes a series of this name, or will."""
    own = analysis.project_id
    made = select(Series.generator_id).where(Series.project_id == own, Series.name == name)
    cleaned = select(Channel.cleaner_id).where(Channel.project_id == own, Channel.name == name)
    computed = (
        select(AnalysisOutput.analysis_id)
        .join(Analysis, Analysis.id == AnalysisOutput.analysis_id)
        .where(Analysis.project_id == own, AnalysisOutput.name == name)
    )
    found = {maker for query in (made, cleaned, computed) for maker in session.scalars(query)}
    return {maker for maker in found if maker is not None} - {analysis.id}
