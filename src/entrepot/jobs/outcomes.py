"""How a run of a job ends other than well."""

from typing import Any

from entrepot.errors import EntrepotError


class Refused(EntrepotError):
    """The job cannot be done as things stand: it ends ``refused`` and is not tried again."""

    status = 409
    code = "refused"


class Failed(EntrepotError):
    """A user's script or data is at fault: the job ends ``failed`` and is not tried again.

    Parameters
    ----------
    message
        What the user reads.
    details
        More of it, as JSON: a traceback with the script's own lines, the file at fault.
    """

    status = 422
    code = "failed"

    def __init__(self, message: str | None = None, details: Any = None) -> None:
        super().__init__(message)
        self.details = details


class JobStopped(EntrepotError):
    """The run was told to stop."""

    status = 409
    code = "stopped"


class JobCancelled(JobStopped):
    """The job was cancelled, or ran past its deadline."""


class LeaseLost(JobStopped):
    """Another worker has taken the job over."""


class Released(JobStopped):
    """The worker is stopping; the job goes back to those that wait."""


class DeadlinePassed(JobCancelled):
    """The job ran past its deadline."""
