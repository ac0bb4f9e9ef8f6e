"""The surface of ``owi-metadatabase`` and its parts for results and SHM, on today's Python and pandas.

Code written for these runs when its imports are changed, to this module for all of them::

    from entrepot.client.owi import GeometryAPI, LifetimeDesignFrequencies, LocationsAPI, ResultsAPI, ResultsService

    api = ResultsAPI(api_root="https://results.example.org/owi/api/v1", token="...")
"""

from entrepot.client.owi.analyses import (
    BaseAnalysis,
    CorrosionMonitoring,
    LifetimeDesignFrequencies,
    LifetimeDesignVerification,
    WindSpeedHistogram,
    register_analysis,
)
from entrepot.client.owi.analyses.ceit import (
    CEIT_METRICS,
    CorrosionMonitoringInput,
    CorrosionMonitoringRow,
    ceit_frame_from_measurements,
    load_ceit_measurements,
    plot_ceit_analyses,
)
from entrepot.client.owi.api import ResultsAPI
from entrepot.client.owi.charts import PlotResponse
from entrepot.client.owi.exceptions import (
    APIConnectionError,
    APIException,
    DataProcessingError,
    InvalidParameterError,
)
from entrepot.client.owi.metadata import GeometryAPI, LocationsAPI, ShmAPI
from entrepot.client.owi.models import (
    AnalysisDefinition,
    AnalysisKind,
    RelatedObject,
    ResultScope,
    ResultSeries,
    ResultVector,
)
from entrepot.client.owi.plots import Plot, plot_rows
from entrepot.client.owi.serializers import DjangoAnalysisSerializer, DjangoResultSerializer
from entrepot.client.owi.services import ApiResultsRepository, ResultQuery, ResultsService, get_results, plot_results
from entrepot.client.owi.tables import read_table, to_payloads, to_table, write_table
from entrepot.client.owi.utils import load_token_from_env_file

__all__ = [
    "CEIT_METRICS",
    "APIConnectionError",
    "APIException",
    "AnalysisDefinition",
    "AnalysisKind",
    "ApiResultsRepository",
    "BaseAnalysis",
    "CorrosionMonitoring",
    "CorrosionMonitoringInput",
    "CorrosionMonitoringRow",
    "DataProcessingError",
    "DjangoAnalysisSerializer",
    "DjangoResultSerializer",
    "GeometryAPI",
    "InvalidParameterError",
    "LifetimeDesignFrequencies",
    "LifetimeDesignVerification",
    "LocationsAPI",
    "Plot",
    "PlotResponse",
    "RelatedObject",
    "ResultQuery",
    "ResultScope",
    "ResultSeries",
    "ResultVector",
    "ResultsAPI",
    "ResultsService",
    "ShmAPI",
    "WindSpeedHistogram",
    "ceit_frame_from_measurements",
    "get_results",
    "load_ceit_measurements",
    "load_token_from_env_file",
    "plot_ceit_analyses",
    "plot_results",
    "plot_rows",
    "read_table",
    "register_analysis",
    "to_payloads",
    "to_table",
    "write_table",
]
