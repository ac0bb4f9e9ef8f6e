"""Publishing what runs made: as files, each in the very transaction in which its run ends, so that none has two."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.orm import Session

from entrepot import jobs
from entrepot.bounds.cells import guarded
from entrepot.errors import Forbidden, InvalidInput
from entrepot.files.publish import Description, Publisher, Stored
from entrepot.identity import Principal, Role
from entrepot.pipeline.configuration import get
from entrepot.pipeline.models import Analysis

if TYPE_CHECKING:
    import polars as pl

FORMATS = ("parquet", "csv")
Columns = Mapping[str, tuple[NDArray[np.int64], NDArray[np.float64]]]


def set_publishing(
    session: Session, principal: Principal, analysis_id: str, fields: Mapping[str, Any] | None
) -> Analysis:
    """Have every run of an analysis publish what it computed; None: no more.

    Parameters
    ----------
    fields
        Any of ``format`` (``parquet``, the default, or ``csv``), ``identifier`` (by default the analysis' name),
        ``storage`` and, of CSV, ``formula_guard``.
    """
    analysis = get(session, principal, Analysis, analysis_id, "write")
    if fields is not None:
        described = dict(fields)
        formula_guard = bool(described.pop("formula_guard", False))
        format_ = described.pop("format", None) or FORMATS[0]
        if format_ not in FORMATS:
            raise InvalidInput.field("format", f"One of {', '.join(FORMATS)}.")
        for name in described:
            if name not in ("identifier", "storage"):
                raise InvalidInput.field(name[:100], "There is no such field.")
        publishing = Description.of(described | {"project": analysis.project_id})
        publishing.check(session, replace(principal, organization_id=analysis.organization_id))
        fields = {"format": format_, **{name: value for name, value in described.items() if value}}
        fields |= {"formula_guard": True} if formula_guard else {}
    analysis.publishing = dict(fields) if fields is not None else None
    session.flush()
    return analysis


def check_request(
    session: Session, principal: Principal, organization_id: str, project_id: str | None, fields: Any
) -> dict[str, Any]:
    """Return what is to be published of an export, checked, with its project.

    Parameters
    ----------
    fields
        Any of ``name``, ``identifier``, ``type``, ``request``, ``step``, ``storage`` and ``project``.

    Raises
    ------
    InvalidInput
        In the field ``publish``.
    Forbidden
        The caller's key does not reach as far.
    """
    if not isinstance(fields, dict):
        raise InvalidInput.field("publish", "An object is required; an empty one will do.")
    principal.require_scope("files", "write", "files:publish")
    if not principal.bound and organization_id not in principal.roles:
        raise Forbidden("The series belong to another organization than yours.")
    described = {"project": project_id, **fields}
    try:
        Description.of(described).check(session, replace(principal, organization_id=organization_id))
    except InvalidInput as error:
        reasons = [f"{name}: {reason}" for name, found in error.fields.items() for reason in found]
        raise InvalidInput.field("publish", " ".join(reasons) or error.message) from None
    return {name: value for name, value in described.items() if value}


@contextmanager
def storing(
    context: jobs.JobContext, path: Path, fields: Mapping[str, Any], key_id: str | None = None
) -> Iterator[Stored]:
    """Store a file for the job's organization; it is published if it is recorded in a unit of work within."""
    organization_id = context.job.organization_id
    assert organization_id is not None, "generators and exports belong to an organization"
    # Whoever asked for it had the right; here the server acts for the organization.
    principal = Principal(context.job.user_id or "", "", organization_id, {organization_id: Role.WRITER}, key_id)
    publisher = Publisher(context.database, context.settings, context.services["vault"])
    with publisher.storing_path(principal, path, Description.of(fields)) as stored:
        yield stored


@dataclass(frozen=True)
class Publishing:
    """How an analysis publishes, read before its run computes."""

    name: str
    project_id: str
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, analysis: Analysis) -> "Publishing | None":
        """Return how the analysis publishes; None when it does not."""
        given = analysis.publishing
        return None if given is None else cls(analysis.name, analysis.project_id, given)

    @contextmanager
    def storing(self, context: jobs.JobContext, parts: Sequence[Columns]) -> Iterator[Stored]:
        """Store what a run computed: a column ``time``, in UTC, and one for each output."""
        format_ = self.fields["format"]
        table = _table(parts)
        first = table.to_series()[0].strftime("%Y-%m-%dT%H-%M-%S")
        described = {
            "name": f"{self.name[:150]} {first}.{format_}",
            "identifier": self.fields.get("identifier") or self.name[:500],
            "type": format_,
            "storage": self.fields.get("storage"),
            "project": self.project_id,
        }
        # It has no name: a worker that is killed leaves nothing.
        with tempfile.TemporaryFile() as file:
            if format_ == "parquet":
                table.write_parquet(file)
            else:
                if self.fields.get("formula_guard"):
                    table = table.rename(guarded)
                table.write_csv(file, datetime_format="%Y-%m-%dT%H:%M:%S%.fZ")
            file.flush()
            try:
                with storing(context, Path(f"/proc/self/fd/{file.fileno()}"), described) as stored:
                    yield stored
            except InvalidInput as error:
                raise jobs.Failed(f"What the run made cannot be published: {error.message}") from error


def _table(parts: Sequence[Columns]) -> "pl.DataFrame":
    import polars as pl

    names = list(dict.fromkeys(name for part in parts for name in part))
    # An output may have the first of these names.
    time = next(name for name in ("time", "time_utc", "time_of_row") if name not in names)
    frames = []
    for part in parts:
        frame = pl.DataFrame(schema={time: pl.Int64})
        for name, (stamps, values) in part.items():
            frame = frame.join(pl.DataFrame({time: stamps, name: values}), on=time, how="full", coalesce=True)
        frames.append(frame)
    table = pl.concat(frames, how="diagonal").sort(time)
    return table.select(pl.from_epoch(time, time_unit="us").dt.replace_time_zone("UTC"), *names)
