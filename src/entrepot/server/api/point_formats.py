"""Points on the wire: JSON, CSV, Arrow and Parquet to NumPy and back, with as few copies as each allows."""

import io
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from starlette.requests import Request

from entrepot.bounds.arrow import MOST_ROWS, read_stream
from entrepot.bounds.text import check_csv, read_json
from entrepot.errors import InvalidInput
from entrepot.series.batches import Batch, Part
from entrepot.series.points import LONGEST_TAG, Tags, Times, Values
from entrepot.series.second_pass import FIRST, SECOND

if TYPE_CHECKING:
    import polars as pl

ARROW = "application/vnd.apache.arrow.stream"
MEDIA = {"json": "application/json", "csv": "text/csv", "arrow": ARROW, "parquet": "application/vnd.apache.parquet"}
COLUMNS = ("series", "time", "value")

# What else looks like a date, days and months may be told apart wrongly.
_ISO = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?:$|[T ])"
_LONGEST_TEXT = 200
_IN_MEMORY = 1 << 20
_TIME = pa.timestamp("us", tz="UTC")
_OTHERS = {"tag": pa.string(), "completeness": pa.float64()}


def parse(request: Request, body: bytes) -> Batch:
    """Return the points in a request's body, whose content type says what it is.

    Raises
    ------
    InvalidInput
        It is not that, or not points; names the column, or in JSON the series and its part.
    """
    import polars as pl

    kind = request.headers.get("content-type", MEDIA["json"]).partition(";")[0].strip().lower()
    try:
        if kind == MEDIA["json"]:
            return _from_json(read_json(body))
        if kind == ARROW:
            return _from_table(read_stream(body, lambda schema: _check_columns(schema.names)))
        if kind == MEDIA["csv"]:
            check_csv(
                body, COLUMNS, MOST_ROWS, ("tag",)
            )  # polars would unpack what is packed, and make any number of columns
            frame = pl.read_csv(body, schema_overrides={"series": pl.String, "value": pl.Float64, "tag": pl.String})
            _check_columns(frame.columns)  # before Arrow, in which a name with a null byte ends the program
            return _from_table(frame.to_arrow())
    except (orjson.JSONDecodeError, pa.ArrowException, OSError, pl.exceptions.PolarsError) as error:
        raise InvalidInput(f"The body is not the {kind} that its content type says: {str(error)[:300]}") from None
    raise InvalidInput.field("content-type", f"Send application/json, text/csv or {ARROW}.")


@dataclass(frozen=True)
class Block:
    """Points as they are shown, perhaps with other columns beside."""

    times: Times
    values: Values
    others: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.times.size


def joined(blocks: Iterable[Block]) -> Block:
    """Return blocks as one."""
    parts = list(blocks)
    return Block(
        np.concatenate([part.times for part in parts]),
        np.concatenate([part.values for part in parts]),
        {name: np.concatenate([part.others[name] for part in parts]) for name in parts[0].others},
    )


def encode(block: Block, form: str, about: Mapping[str, Any]) -> bytes:
    """Return the points of one series as a table of `time`, `value` and others; JSON also tells `about` it."""
    if form == "json":
        columns = {"time": block.times, "value": block.values, **block.others}
        parts = [b',"%b":%b' % (name.encode(), json_of(values)) for name, values in columns.items()]
        return b"".join((orjson.dumps(about)[:-1], *parts, b"}"))
    import polars as pl

    if form == "arrow":
        sink = pa.BufferOutputStream()  # megabytes at once make a BytesIO grow in many copies
        schema = _schema(block.others)
        with pa.ipc.new_stream(sink, schema) as writer:
            writer.write_batch(_batch(block, schema))
        return bytes(sink.getvalue().to_pybytes())
    frame = _frame(block)
    if form == "csv":
        return _csv(frame)
    buffer = io.BytesIO()
    frame.with_columns(pl.col("time").dt.replace_time_zone("UTC")).write_parquet(buffer)
    return buffer.getvalue()


def stream_one(form: str, about: Mapping[str, Any], others: Sequence[str], parts: Iterable[Block]) -> Iterator[bytes]:
    """Yield what :func:`encode` returns, or the JSON of a series, made of its points page by page."""
    if form == "json":
        yield from _json_pages(about, others, parts)
    elif form == "csv":
        yield ",".join(("time", "value", *others)).encode() + b"\n"
        for block in parts:
            yield _csv(_frame(block), header=False)
    else:
        sink, schema = _Sink(), _schema(others)
        opened = (
            pa.ipc.new_stream(sink, schema) if form == "arrow" else pq.ParquetWriter(sink, schema, compression="zstd")
        )
        with opened as writer:
            for block in parts:
                writer.write_batch(_batch(block, schema))
                yield sink.taken()
        yield sink.taken()


def _schema(others: Iterable[str], *, named: bool = False) -> Any:
    fields = [("series", pa.dictionary(pa.int32(), pa.string()))] if named else []
    return pa.schema([*fields, ("time", _TIME), ("value", pa.float64()), *((name, _OTHERS[name]) for name in others)])


def _batch(block: Block, schema: Any, *first: Any) -> Any:
    others = [pa.array(values, _OTHERS[name], from_pandas=True) for name, values in block.others.items()]
    return pa.record_batch([*first, pa.array(block.times).view(_TIME), block.values, *others], schema)


def json_of(values: Any) -> bytes:
    """Return a column as JSON; what is no number is null."""
    return orjson.dumps(values if values.dtype != object else values.tolist(), option=orjson.OPT_SERIALIZE_NUMPY)


def _json_pages(about: Mapping[str, Any], others: Sequence[str], parts: Iterable[Block]) -> Iterator[bytes]:
    yield orjson.dumps(about)[:-1] + b',"time":['
    # Other columns come after all times, so they wait on disk.
    with ExitStack() as stack:
        waiting = {name: stack.enter_context(tempfile.SpooledTemporaryFile(_IN_MEMORY)) for name in ("value", *others)}
        separator = b""
        for block in parts:
            if len(block):
                yield separator + json_of(block.times)[1:-1]
                for name, file in waiting.items():
                    file.write(separator + json_of(block.values if name == "value" else block.others[name])[1:-1])
                separator = b","
        for name, file in waiting.items():
            yield f'],"{name}":['.encode()
            file.seek(0)
            while chunk := file.read(_IN_MEMORY):
                yield chunk
    yield b"]}"


def stream(form: str, ids: Sequence[str], others: Sequence[str], parts: Iterable[tuple[int, Block]]) -> Iterator[bytes]:
    """Yield a table with the columns `series`, `time`, `value` and others, of pages with the numbers of series."""
    import polars as pl

    if form == "csv":
        yield ",".join(("series", "time", "value", *others)).encode() + b"\n"
        for number, block in parts:
            frame = _frame(block).select(pl.lit(ids[number]).alias("series"), "time", "value", *others)
            yield _csv(frame, header=False)
        return
    names = pa.array(ids)
    sink, schema = _Sink(), _schema(others, named=True)
    with pa.ipc.new_stream(sink, schema) as writer:
        for number, block in parts:
            codes = pa.DictionaryArray.from_arrays(np.full(len(block), number, np.int32), names)
            writer.write_batch(_batch(block, schema, codes))
            yield sink.taken()
    yield sink.taken()


class _Sink(io.RawIOBase):
    """A file from which what was written is taken away."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self._blocks.append(bytes(data))
        self._size += len(self._blocks[-1])
        return len(self._blocks[-1])

    def tell(self) -> int:
        return self._size

    def taken(self) -> bytes:
        """Return what came since the last time."""
        blocks, self._blocks = self._blocks, []
        return b"".join(blocks)


def _frame(block: Block) -> "pl.DataFrame":
    import polars as pl

    columns: dict[str, Any] = {"time": pl.Series(block.times).cast(pl.Datetime("us")), "value": block.values}
    others = {
        name: pl.Series(values.tolist(), dtype=pl.String)
        if values.dtype == object
        else pl.Series(values, nan_to_null=True)
        for name, values in block.others.items()
    }
    return pl.DataFrame(columns | others)


def _from_json(content: Any) -> Batch:
    if not isinstance(content, dict):
        raise InvalidInput("The body must be a JSON object.")
    return _plain(content) or Batch.of(_checked(content))


def _plain(content: dict[str, Any]) -> Batch | None:
    """Return points without tags whose times are numbers; None where anything is otherwise, or wrong."""
    times: list[Any] = []
    values: list[Any] = []
    edges = [0]
    for part in content.values():
        if not isinstance(part, dict) or part.keys() != {"time", "value"}:
            return None
        stamps, numbers = part["time"], part["value"]
        if not isinstance(stamps, list) or not isinstance(numbers, list) or len(stamps) != len(numbers):
            return None
        times += stamps
        values += numbers
        edges.append(len(times))
    if {*map(type, times)} != {int} or not {*map(type, values)} <= {int, float, type(None)}:
        return None
    try:
        return Batch([*content], edges, np.array(times, np.int64), np.array(values, np.float64))
    except OverflowError:
        return None


def _checked(content: dict[str, Any]) -> dict[str, Part]:
    batch = {}
    for series_id, part in content.items():
        if not isinstance(part, dict) or set(part) - {"tag"} != {"time", "value"}:
            raise InvalidInput.field(series_id, 'Each series is {"time": [...], "value": [...]}, and perhaps "tag".')
        for name, values in part.items():
            if not isinstance(values, list):
                raise InvalidInput.field(f"{series_id}.{name}", "A list is needed.")
        times, values = part["time"], part["value"]
        if len(times) != len(values):
            raise InvalidInput.field(f"{series_id}.value", f"{len(values)} values for {len(times)} times.")
        if not {*map(type, values)} <= {int, float, type(None)}:
            raise InvalidInput.field(f"{series_id}.value", "Values are numbers, or null.")
        tags = _tags(part["tag"], len(times), f"{series_id}.tag") if "tag" in part else None
        batch[series_id] = (_json_times(times, f"{series_id}.time"), np.array(values, np.float64), tags)
    return batch


def _tags(tags: list[Any], count: int, field: str) -> Tags:
    """Return the tags of as many points, checked."""
    if len(tags) != count:
        raise InvalidInput.field(field, f"{len(tags)} tags for {count} points.")
    for tag in set(tags) if {*map(type, tags)} <= {str, type(None)} else [0]:
        if tag is not None and (not isinstance(tag, str) or len(tag) > LONGEST_TAG or "\0" in tag):
            raise InvalidInput.field(field, f"A tag is a text of at most {LONGEST_TAG} characters, or null.")
        if tag in (FIRST, SECOND):
            raise InvalidInput.field(field, f"The tag {tag!r} is kept for hours that a clock shows twice.")
    return np.array([*tags, None], object)[:-1]


def _json_times(times: list[Any], field: str) -> Times:

    import polars as pl

    kinds = {*map(type, times)}
    if kinds <= {int}:
        try:
            return np.array(times, np.int64)
        except OverflowError:
            raise InvalidInput.field(field, "A time is not between the years 1 and 9999.") from None
    if kinds != {str}:
        raise InvalidInput.field(field, "Times are microseconds since 1970, or timestamps; all of one kind.")
    return _times(pl.Series(times), field)


def _from_table(table: Any) -> Batch:

    import polars as pl

    _check_columns(table.column_names)
    names, codes = _codes(table["series"])
    values: Any = pl.from_arrow(table["value"])
    if not (values.dtype.is_numeric() or values.dtype == pl.Null):
        raise InvalidInput.field("value", "Values are numbers, or null.")
    times, numbers = _times(pl.from_arrow(table["time"]), "time"), values.cast(pl.Float64).fill_null(np.nan).to_numpy()
    tags = _tags(_texts(table["tag"]), len(times), "tag") if "tag" in table.column_names else None
    edges = _edges(codes)
    if len(set(codes[edges[:-1]].tolist())) < len(edges) - 1:
        order = np.argsort(codes, kind="stable")
        codes, times, numbers = codes[order], times[order], numbers[order]
        tags = None if tags is None else tags[order]
        edges = _edges(codes)
    return Batch([names[codes[start]] for start in edges[:-1]], edges, times, numbers, tags)


def _texts(column: Any) -> list[Any]:
    import polars as pl

    texts: Any = pl.from_arrow(column)
    if texts.dtype not in (pl.String, pl.Null, pl.Categorical):
        raise InvalidInput.field("tag", "Tags are texts.")
    if texts.dtype == pl.String:
        _require_short(texts, "tag", 4 * LONGEST_TAG)
    found: list[Any] = texts.to_list()
    return found


def _check_columns(columns: Sequence[str]) -> None:
    if sorted(set(columns) - {"tag"}) != sorted(COLUMNS) or len(set(columns)) < len(columns):
        wrong = sorted({*columns}.symmetric_difference(COLUMNS) - {"tag"}) or ["columns"]
        problem = "A table of points has the columns series, time and value, and perhaps tag."
        raise InvalidInput.field(", ".join(wrong)[:100], problem)


def _edges(codes: Any) -> list[int]:
    """Return where runs of equal codes begin, and the end of the last one."""
    return [0, *(np.flatnonzero(codes[1:] != codes[:-1]) + 1).tolist(), len(codes)] if len(codes) else [0]


def _codes(column: Any) -> tuple[list[str], Any]:
    """Return the names of the series, and for each row the place of its own among them."""
    names = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if names not in (pa.string(), pa.large_string(), pa.string_view()):
        raise InvalidInput.field("series", "The ids of series are texts.")
    encoded = _encoded(column)
    found = encoded.dictionary.to_pylist()
    if encoded.null_count or None in found:
        raise InvalidInput.field("series", "Every row names its series.")
    codes = encoded.indices.to_numpy()
    if len(set(found)) < len(found):  # it is the sender's, who may name a series twice
        places = {name: place for place, name in enumerate(dict.fromkeys(found))}
        found, codes = [*places], np.array([places[name] for name in found])[codes]
    return found, codes


def _encoded(column: Any) -> Any:

    import polars as pl

    if pa.types.is_dictionary(column.type):
        for chunk in column.chunks:
            _require_short(pl.from_arrow(chunk.dictionary), "series")
        return column.unify_dictionaries().combine_chunks()
    _require_short(pl.from_arrow(column), "series")
    return column.cast(pa.large_string()).combine_chunks().dictionary_encode()


def _require_short(texts: Any, field: str, most: int = _LONGEST_TEXT) -> None:
    """Refuse long texts before they are copied: a million rows may show the same one, which is there once."""
    if (texts.str.len_bytes().max() or 0) > most:
        raise InvalidInput.field(field, f"A text here has at most {most} bytes.")


def _times(times: Any, field: str) -> Times:
    """Return timestamps, texts or whole numbers as microseconds since 1970; what has no zone is UTC."""
    import polars as pl

    try:
        if times.dtype == pl.String:
            _require_short(times, field)
            if not times.drop_nulls().str.contains(_ISO).all():
                raise InvalidInput.field(field, "Times are microseconds since 1970, or ISO 8601 timestamps.")
            times = times.str.to_datetime(time_unit="us", time_zone="UTC", strict=True)
        if isinstance(times.dtype, pl.Datetime):
            times = times.dt.cast_time_unit("us").cast(pl.Int64)
        elif not times.dtype.is_integer() and len(times):
            raise InvalidInput.field(field, "Times are microseconds since 1970, or timestamps.")
        if times.null_count():
            raise InvalidInput.field(field, "A time is missing.")
        stamps: Times = times.cast(pl.Int64).to_numpy()
        return stamps
    except pl.exceptions.PolarsError as error:
        raise InvalidInput.field(field, str(error)[:300]) from None


def _csv(frame: "pl.DataFrame", *, header: bool = True) -> bytes:
    buffer = io.BytesIO()
    frame.write_csv(buffer, datetime_format="%Y-%m-%dT%H:%M:%S%.fZ", include_header=header)
    return buffer.getvalue()
