"""Small helpers."""

import datetime as dt
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import pandas as pd

from entrepot.client.ovbp.exceptions import MultipleRecordsReturnedError, RecordDoesNotExistError

if TYPE_CHECKING:
    from entrepot.client.ovbp.records import BaseModel

RecordT = TypeVar("RecordT", bound="BaseModel")

#: A time: ISO 8601 text, a date or a datetime. Without an offset it is on the clock of the data concerned; with one
#: it is that very instant.
Moment: TypeAlias = str | dt.date | dt.datetime | np.datetime64


def get_one_and_only_one(
    records_list: Iterable[RecordT], condition: str | int | Callable[[RecordT], bool] | None = None
) -> RecordT:
    """Return the only record that meets a condition.

    Parameters
    ----------
    records_list
        The records to look through.
    condition
        A function of a record; or a record's id; or None: any record will do.

    Raises
    ------
    RecordDoesNotExistError, MultipleRecordsReturnedError
        None does, or more than one.
    """
    if condition is None:
        found = list(records_list)
    elif callable(condition):
        found = [record for record in records_list if condition(record)]
    else:
        found = [record for record in records_list if record.id == condition]
    if not found:
        raise RecordDoesNotExistError("There is no such record.")
    if len(found) > 1:
        raise MultipleRecordsReturnedError(f"There are {len(found)} such records, where one is expected.")
    return found[0]


def moment_text(moment: Moment | None) -> str | None:
    """Return a moment as ISO 8601 text; texts stay as they are, and None stays None."""
    if moment is None or isinstance(moment, str):
        return moment
    if isinstance(moment, dt.datetime | np.datetime64):
        return pd.Timestamp(moment).isoformat(sep=" ")
    return moment.isoformat()


def given(**arguments: Any) -> dict[str, Any]:
    """Return the arguments that are not None."""
    return {name: value for name, value in arguments.items() if value is not None}
