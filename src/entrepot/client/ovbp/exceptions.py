"""What can go wrong.

* OVBPClientError

  * HttpError
  * RecordDoesNotExistError
  * MultipleRecordsReturnedError
  * TaskDidNotFinishSuccessfully
  * ExcelConfigurationError
"""

from collections.abc import Iterable
from typing import NamedTuple


class OVBPClientError(Exception):
    """Anything that this client raises of its own."""


class HttpError(OVBPClientError):
    """The server answered with an error.

    Attributes
    ----------
    message : str
        The answer's text: for bad input, JSON that names each field and what is wrong with it.
    code : int or None
        The HTTP status.
    """

    def __init__(self, message: str = "Client error", code: int | None = None) -> None:
        super().__init__(message, code)
        self.message = message
        self.code = code

    def __str__(self) -> str:
        return f"Error code: {self.code}.\nContent:\n\n{self.message}"


class RecordDoesNotExistError(OVBPClientError):
    """No record is what was asked for."""


class MultipleRecordsReturnedError(OVBPClientError):
    """More than one record is what was asked for, and one was expected."""


class TaskDidNotFinishSuccessfully(OVBPClientError):
    """A task failed, was cancelled or was lost.

    Attributes
    ----------
    task_id, status : str
        Which task, and how it ended.
    message : str or None
        What the server says of it, such as the end of a script's error.
    """

    def __init__(self, task_id: str, status: str, message: str | None = None) -> None:
        super().__init__(task_id, status, message)
        self.task_id = task_id
        self.status = status
        self.message = message

    def __str__(self) -> str:
        reason = f"\n{self.message}" if self.message else ""
        return f"Task '{self.task_id}' did not finish successfully. Status: '{self.status}'.{reason}"


class WrongCell(NamedTuple):
    """A cell that cannot be read as what it is for: its sheet, its place such as ``F9``, and why."""

    sheet: str
    cell: str
    reason: str

    def __str__(self) -> str:
        return f"{self.sheet}!{self.cell}: {self.reason}"


class ExcelConfigurationError(OVBPClientError, ValueError):
    """A workbook cannot be read as a configuration; nothing was changed.

    Attributes
    ----------
    cells : tuple of WrongCell
        Every cell at fault, in the order of the sheet.
    """

    def __init__(self, cells: Iterable[WrongCell]) -> None:
        self.cells = tuple(cells)
        super().__init__("\n".join(map(str, self.cells)))
