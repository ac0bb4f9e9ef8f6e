"""The surface of ``owi-metadatabase-results``, on today's Python and pandas: analyses and their rows.

Code written for it runs when its imports are changed::

    from entrepot.client.owi import AnalysisDefinition, DjangoAnalysisSerializer, ResultsAPI

    api = ResultsAPI(api_root="https://results.example.org/owi/api/v1", token="...")
"""

from entrepot.client.owi.api import ResultsAPI
from entrepot.client.owi.exceptions import (
    APIConnectionError,
    APIException,
    DataProcessingError,
    InvalidParameterError,
)
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
from entrepot.client.owi.tables import read_table, to_payloads, to_table, write_table

__all__ = [
    "APIConnectionError",
    "APIException",
    "AnalysisDefinition",
    "AnalysisKind",
    "DataProcessingError",
    "DjangoAnalysisSerializer",
    "DjangoResultSerializer",
    "InvalidParameterError",
    "Plot",
    "RelatedObject",
    "ResultScope",
    "ResultSeries",
    "ResultVector",
    "ResultsAPI",
    "plot_rows",
    "read_table",
    "to_payloads",
    "to_table",
    "write_table",
]
