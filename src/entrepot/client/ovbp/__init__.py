"""A client of Openergy's platform, and of Entrepot's door of that name, on today's Python and pandas.

A script written for ``ovbpclient`` runs with ``entrepot.client.ovbp`` in its import lines instead: names, arguments,
defaults, return values and what is printed are the same.
"""

from entrepot.client.ovbp import exceptions, json, models, tools, util
from entrepot.client.ovbp.client import Client
from entrepot.client.ovbp.exceptions import (
    ExcelConfigurationError,
    HttpError,
    MultipleRecordsReturnedError,
    OVBPClientError,
    RecordDoesNotExistError,
    TaskDidNotFinishSuccessfully,
)

__all__ = [
    "Client",
    "ExcelConfigurationError",
    "HttpError",
    "MultipleRecordsReturnedError",
    "OVBPClientError",
    "RecordDoesNotExistError",
    "TaskDidNotFinishSuccessfully",
    "exceptions",
    "json",
    "models",
    "tools",
    "util",
]
