"""Series as files: what is seen on a plot, or all of it; and a basket of series of any projects, as an archive."""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.csv import write_csv
from starlette.responses import FileResponse, RedirectResponse, Response, StreamingResponse

from entrepot import jobs
from entrepot.bounds.cells import guarded
from entrepot.errors import EntrepotError, InvalidInput, NotFound
from entrepot.objects.folder import BLOCK
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates.folder_home import FolderHome
from entrepot.pipeline.gates.homes import open_home
from entrepot.pipeline.generators import catalog
from entrepot.pipeline.runs.exports import user_home
from entrepot.series.models import Series
from entrepot.series.points import Points
from entrepot.server import conditions
from entrepot.server.api import exports as api
from entrepot.server.api.envelopes import LOOK, look_of
from entrepot.server.api.exports import ExportRequest
from entrepot.server.api.nouns import Reference, project_names
from entrepot.server.api.parameters import known_parameters
from entrepot.server.console import forms, looks
from entrepot.server.console.explorer import in_order
from entrepot.server.console.form_page import refusal, status_of
from entrepot.server.console.forms import Entry
from entrepot.server.console.looks import Seen
from entrepot.server.console.native import PageUnit, attempted
from entrepot.server.console.page import Data, Page, form, render
from entrepot.server.endpoint import Call

_MEDIA = {
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
#: Rows that a sheet of Excel has, but for the names; and cells that are written while somebody waits.
_ROWS, _CELLS = 1_048_575, 2_000_000
_OPTIONS = (
    "from", "to", "step", "clock", "layout", "file_step", "separator", "decimal", "tags", "offsets", "bom",
    "formula_guard",
)  # fmt: skip
_MOST_IN_BASKET = 300


@dataclass(frozen=True)
class Basket:
    """What the page of the basket shows: series with their projects, how they are exported, what was not taken."""

    series: Sequence[Series]
    projects: dict[str, Reference]
    entries: Sequence[Entry]
    refusal: str


def _frame(call: Call) -> Response:
    """Return series side by side, a row a stamp, as CSV, as Parquet or for Excel."""
    known_parameters(call, "series", "from", "to", "format", *LOOK)
    form_ = call.query.get("format", "parquet")
    if form_ not in _MEDIA:
        raise InvalidInput.field("format", f"One of {', '.join(_MEDIA)}.")
    chosen = in_order(call, call.query.getlist("series"))
    if not chosen:
        raise InvalidInput.field("series", "Choose a series.")
    most = min(
        call.services.settings.read_max_rows, _CELLS if form_ == "xlsx" else call.services.settings.read_max_rows
    )
    seen = looks.columns(look_of(call), chosen)
    held = _held(call, chosen, seen, most)
    stamps = np.unique(np.concatenate([one.times for one in held]))
    if form_ == "xlsx" and (stamps.size > _ROWS or stamps.size * len(held) > _CELLS):
        raise InvalidInput.field(
            "format", "These are too many cells for a spreadsheet: choose a shorter time, or Parquet."
        )
    columns = [_along(one, stamps) for one in held]
    body = _WRITERS[form_](_names(seen), stamps, columns)
    headers = {"content-disposition": f'attachment; filename="points.{form_}"', "cache-control": "no-store"}
    return Response(body, media_type=_MEDIA[form_], headers=headers)


def _held(call: Call, chosen: Sequence[Series], seen: Sequence[Seen], most: int) -> list[Points]:
    start, stop = looks.window(call, chosen)
    held, left = [], most
    for one in seen:
        found = one.points(call, start, stop, left)
        left -= len(found)
        if left < 0:
            raise InvalidInput.field("series", f"These are more than {most:,} points: choose a shorter time.")
        held.append(found)
    return held


def _along(points_: Points, stamps: Any) -> Any:
    column = np.full(stamps.size, np.nan)
    column[np.searchsorted(stamps, points_.times)] = points_.values
    return column


def _names(seen: Sequence[Seen]) -> list[str]:
    """Return a name for each column: series of two projects may have the same."""
    names = [f"{one.name} ({one.series.unit})" if one.series.unit else one.name for one in seen]
    ids = [one.series.id[:8] for one in seen]
    return [name if names.count(name) == 1 else f"{name} {id_}" for name, id_ in zip(names, ids, strict=True)]


def _csv(names: list[str], stamps: Any, columns: list[Any]) -> bytes:
    body = io.BytesIO()
    write_csv(_table([guarded(name) for name in names], stamps, columns), body)
    return body.getvalue()


def _parquet(names: list[str], stamps: Any, columns: list[Any]) -> bytes:
    body = io.BytesIO()
    pq.write_table(_table(names, stamps, columns), body)
    return body.getvalue()


def _table(names: list[str], stamps: Any, columns: list[Any]) -> pa.Table:
    arrays = [pa.array(stamps, pa.timestamp("us", "UTC")), *(pa.array(one, from_pandas=True) for one in columns)]
    return pa.table(arrays, ["time", *names])


def _sheet(names: list[str], stamps: Any, columns: list[Any]) -> bytes:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("points")
    # A spreadsheet knows no zones, and would run what looks like a formula.
    sheet.append(["time (UTC)", *map(guarded, names)])
    times = stamps.astype("datetime64[us]").tolist()
    for row in zip(times, *(one.tolist() for one in columns), strict=True):
        sheet.append([None if value != value else value for value in row])  # noqa: PLR0124 - NaN is no value
    body = io.BytesIO()
    book.save(body)
    return body.getvalue()


_WRITERS = {"csv": _csv, "parquet": _parquet, "xlsx": _sheet}


def _show(call: Call, error: EntrepotError | None = None) -> Response:
    typed: dict[str, str] = call.content or {}
    ids = _ids(typed) if typed else call.query.getlist("series")
    found = {one.id: one for one in catalog.find_series(call.session, call.principal, ids=ids)} if ids else {}
    usual = forms.defaults(ExportRequest, _OPTIONS) | {"layout": "frame"}
    shown = forms.entries(ExportRequest, _OPTIONS, typed or usual, error)
    chosen = [found[id_] for id_ in dict.fromkeys(ids) if id_ in found]
    view = Basket(chosen, project_names(call, chosen), shown, refusal(error, shown))
    return render(call, "basket.html", status_of(error), view=view)


def _export(call: Call) -> Response:
    unit = PageUnit(call)
    begun, error = attempted(
        call.session,
        lambda: api.create_export(unit, forms.read(ExportRequest, _OPTIONS, call.content, series=_ids(call.content))),
    )
    return _show(call, error) if begun is None else RedirectResponse(f"/console/runs/{begun.id}", 303)


def _ids(typed: dict[str, str]) -> list[str]:
    ids = typed.get("series", "").split()
    if len(ids) > _MOST_IN_BASKET:
        raise InvalidInput.field("series", f"At most {_MOST_IN_BASKET} series in a basket.")
    return ids


def _archive(call: Call) -> Response:
    """Return the archive that an export of the caller's own made."""
    job = jobs.get(call.session, call.path["id"])
    told: Any = job.result
    if job.kind != "series.export" or job.user_id != call.principal.user_id or not isinstance(told, dict):
        raise NotFound("There is no such export of yours.")
    call.principal.require("read", str(job.organization_id), "Export", job.project_id)
    home = open_home(call.services.settings, call.session, user_home(job.user_id))
    path = home.resolve(str(told["path"]))
    if not gate_files.is_file(home, path):
        raise NotFound("The archive has made room for newer ones: export again.")
    name, headers = path.rpartition("/")[2], {"cache-control": "no-store"}
    if isinstance(home, FolderHome):
        return FileResponse(home.root / path, media_type="application/zip", filename=name, headers=headers)
    headers |= {"content-disposition": conditions.attachment(name), "content-length": str(home.status(path).st_size)}
    return StreamingResponse(_blocks(home.open(path)), headers=headers, media_type="application/zip")


def _blocks(file: BinaryIO) -> Iterator[bytes]:
    with file:
        while block := file.read(BLOCK):
            yield block


PAGES = (
    Data("GET", "/console/explorer/frame", _frame, "series", "read"),
    Page("GET", "/console/basket", _show, "series", "read"),
    Page("POST", "/console/basket", _export, "series", "read", parse=form, body="large"),
    Data("GET", "/console/exports/{id}", _archive, "series", "read"),
)
