"""Queries of rows in an analysis' own terms, as tables and plots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

import pandas as pd

from entrepot.client.owi.analyses import BaseAnalysis, registry
from entrepot.client.owi.api import ResultsAPI
from entrepot.client.owi.charts import PlotResponse, by_turbine
from entrepot.client.owi.exceptions import InvalidParameterError
from entrepot.client.owi.models import ResultSeries
from entrepot.client.owi.serializers import DjangoResultSerializer

_LOCATED = ("geo", "map", "water_depth_trend")
#: The plot of several analyses, by the keys of its sources.
_FLEETWIDE = "cross_analysis_fleetwide"
_SOURCES = {"frequency": "LifetimeDesignFrequencies", "verification": "LifetimeDesignVerification"}


@dataclass(frozen=True, kw_only=True)
class ResultQuery:
    """Which rows are wanted; what is None is no condition, and `backend_filters` are the server's own."""

    analysis_name: str | None = None
    analysis_id: int | None = None
    site_id: int | None = None
    location_id: int | None = None
    turbine: str | None = None
    short_description: str | None = None
    timestamp_from: datetime | None = None
    timestamp_to: datetime | None = None
    backend_filters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for bound in (self.timestamp_from, self.timestamp_to):
            if bound is not None and bound.tzinfo is None:
                raise ValueError("Bounds of time need a zone.")

    def to_backend_filters(self) -> dict[str, Any]:
        """Return the query in the server's words; an analysis' id says more than its name."""
        named = {"analysis__name": self.analysis_name} if self.analysis_id is None else {}
        filters = {
            "analysis__id": self.analysis_id,
            **named,
            "site": self.site_id,
            "location__id": self.location_id,
            "short_description": self.short_description,
            "additional_data__turbine": self.turbine,
            "additional_data__timestamp_from": self.timestamp_from,
            "additional_data__timestamp_to": self.timestamp_to,
        }
        return {**self.backend_filters, **{name: value for name, value in filters.items() if value is not None}}


Filters = ResultQuery | Mapping[str, Any] | None


@dataclass
class ApiResultsRepository:
    """Where rows come from: a server."""

    api: ResultsAPI

    def list_analyses(self, name: str | None = None, **filters: Any) -> pd.DataFrame:
        """Return analyses."""
        found: pd.DataFrame = self.api.list_analyses(name, **filters)["data"]
        return found

    def list_results(self, query: ResultQuery) -> pd.DataFrame:
        """Return the rows that a query asks for."""
        found: pd.DataFrame = self.api.list_results(**query.to_backend_filters())["data"]
        return found

    def get_location_frame(self, location_ids: Sequence[int]) -> pd.DataFrame:
        """Return what is known of locations."""
        locations = self.api.get_locations()
        return locations[locations["id"].isin(location_ids)].reset_index(drop=True)


class ResultsService:
    """Rows as tables and plots of their analyses.

    Parameters
    ----------
    repository
        Where rows come from; a :class:`ApiResultsRepository`, or what has its methods.
    """

    def __init__(self, repository: ApiResultsRepository) -> None:
        self.repository = repository
        self.serializer = DjangoResultSerializer()

    def get_result_series(self, analysis_name: str, filters: Filters = None) -> list[ResultSeries]:
        """Return the rows of an analysis."""
        frame = self.repository.list_results(_query(analysis_name, filters))
        return [self.serializer.from_mapping(row) for row in frame.to_dict(orient="records")]  # type: ignore[arg-type]

    def get_results(self, analysis_name: str, filters: Filters = None) -> pd.DataFrame:
        """Return the rows of an analysis as the table that they were made of."""
        return _analysis(analysis_name).from_results(self.get_result_series(analysis_name, filters))

    def plot_results(
        self,
        analysis_name: str | None = None,
        filters: Filters = None,
        *,
        plot_type: str | None = None,
        source_filters: Mapping[str, Filters] | None = None,
    ) -> PlotResponse:
        """Draw the rows of an analysis.

        Parameters
        ----------
        plot_type
            One that the analysis has; or ``cross_analysis_fleetwide``, frequencies of design and measurement by
            turbine, which needs no `analysis_name`.
        source_filters
            For the latter: what else is asked for of its sources, ``frequency`` and ``verification``.

        Raises
        ------
        InvalidParameterError
            There is no such analysis, no such plot, or nothing to draw.
        """
        if plot_type == _FLEETWIDE:
            return self._fleetwide(analysis_name, filters, source_filters or {})
        if source_filters:
            raise InvalidParameterError(f"source_filters are for {_FLEETWIDE} only.")
        name = analysis_name or _query(None, filters).analysis_name
        if name is None:
            raise InvalidParameterError("Give an analysis_name.")
        analysis, results = _analysis(name), self.get_result_series(name, filters)
        locations = None
        if plot_type in _LOCATED:
            ids = sorted({one.location_id for one in results if one.location_id is not None})
            locations = self.repository.get_location_frame(ids)
        return analysis.plot(results, plot_type, locations=locations)

    def _fleetwide(
        self, analysis_name: str | None, filters: Filters, source_filters: Mapping[str, Filters]
    ) -> PlotResponse:
        if unknown := sorted(set(source_filters) - set(_SOURCES)):
            raise InvalidParameterError(f"There is no source {unknown[0]!r}; there are {', '.join(_SOURCES)}.")
        shared = _query(None, filters)
        tables = []
        for key, name in _SOURCES.items():
            # The id of one analysis is none of the other's.
            own_id = shared.analysis_id if name == (analysis_name or shared.analysis_name) else None
            query = replace(shared, analysis_name=name, analysis_id=own_id)
            if (own := source_filters.get(key)) is not None:
                changes = {one: value for one, value in vars(_query(name, own)).items() if value}
                query = replace(query, **changes)
            table = self.get_results(name, query)
            tables.append(table if "reference" in table else table.assign(reference=key))
        return PlotResponse(by_turbine(pd.concat(tables), "Frequencies of the fleet", "Hz"))


def get_results(analysis_name: str, filters: Filters = None, *, service: ResultsService) -> pd.DataFrame:
    """Return the rows of an analysis as the table that they were made of."""
    return service.get_results(analysis_name, filters)


def plot_results(
    analysis_name: str | None = None, filters: Filters = None, *, service: ResultsService, **options: Any
) -> PlotResponse:
    """Draw the rows of an analysis; `options` are those of :meth:`ResultsService.plot_results`."""
    return service.plot_results(analysis_name, filters, **options)


def _query(analysis_name: str | None, filters: Filters) -> ResultQuery:
    if not isinstance(filters, ResultQuery):
        known = {one.name for one in fields(ResultQuery)}
        if unknown := sorted(set(filters or {}) - known):
            raise InvalidParameterError(f"There is no filter {unknown[0]!r}; others go into backend_filters.")
        filters = ResultQuery(**(filters or {}))
    return filters if filters.analysis_name or analysis_name is None else replace(filters, analysis_name=analysis_name)


def _analysis(name: str) -> BaseAnalysis:
    if name not in registry:
        raise InvalidParameterError(f"There is no analysis {name!r}; there are {', '.join(sorted(registry))}.")
    return registry[name]()
