"""Attacks with little that becomes much: packed, repeated, nested, endless."""

import gzip
import io
import struct
import subprocess
import sys
import threading
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from entrepot.bounds import arrow, text
from entrepot.bounds.zipped import require_modest_zip
from entrepot.client.owi.exceptions import InvalidParameterError
from entrepot.client.owi.tables import read_table
from entrepot.errors import InvalidInput, TooLarge
from entrepot.pipeline.feeders.options import Address, Credentials, Options
from entrepot.pipeline.feeders.sources import Denied, Unreachable, Unreadable, base, open_source
from entrepot.pipeline.feeders.sources.base import Access, Tally
from entrepot.pipeline.feeders.sources.ftp import _Ftp
from entrepot.scripts import calls, frames, wire
from entrepot.server.api import point_formats

MIB = 2**20
#: Reads an Arrow stream from standard input as the server does, with at most 1.5 GiB of memory.
_READER = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (3 << 29, 3 << 29))
from entrepot.bounds.arrow import read_stream
from entrepot.errors import TooLarge
try:
    read_stream(sys.stdin.buffer.read(), lambda schema: None)
except TooLarge as error:
    (highest,) = (line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
    print("refused", int(highest) // 1024)  # ru_maxrss would be that of the process that started this one, too
"""


def stream(table: pa.Table, compression: str | None = None) -> bytes:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue()


def taken(body: bytes, kind: str) -> Any:
    class Request:
        headers = {"content-type": kind}

    return point_formats.parse(Request(), body)  # type: ignore[arg-type]


@contextmanager
def memory_below(limit: int) -> Iterator[None]:
    """Hold what Python allocates within, and what Arrow holds at its highest, below a limit."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < limit
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_packed_arrow_stream_of_true_size_is_refused_before_it_is_unpacked(codec: str) -> None:
    """A few megabytes that stand for 4 GB of zeros."""
    batch = pa.record_batch({"value": np.zeros(2**24)})
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=codec)
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    whole = sink.getvalue()
    schema = stream(pa.table({"value": pa.array([], pa.float64())}))[:-8]
    body = schema + whole[len(schema) : -8] * 32 + whole[-8:]
    assert len(body) < 40 * MIB
    done = subprocess.run([sys.executable, "-c", _READER], input=body, capture_output=True, check=True, timeout=120)
    said, peak = done.stdout.split()
    assert said == b"refused"
    assert int(peak) < 400, "MiB"


def test_a_column_of_nothing_has_no_billion_rows() -> None:
    body = stream(pa.table({"series": pa.nulls(2**26)}))
    assert len(body) < 1000
    with memory_below(MIB), pytest.raises(TooLarge, match="rows"):
        arrow.read_stream(body, lambda _schema: None)


def test_one_long_id_shown_by_every_row_is_not_copied_for_each() -> None:
    rows, name = 100_000, "x" * 1_000_000
    for series in (
        pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([name])),
        pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([name, name])),
        pl.Series([name]).gather([0] * rows).to_arrow(compat_level=pl.CompatLevel.newest()),
    ):
        table = pa.table({"series": series, "time": np.arange(rows), "value": np.zeros(rows)})
        with memory_below(20 * MIB), pytest.raises(InvalidInput, match="at most"):
            taken(stream(table), point_formats.ARROW)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[1.0]]),
        pa.array([{"a": 1.0}]),
        pa.RunEndEncodedArray.from_arrays(pa.array([1], pa.int32()), pa.array([1.0])),
        pa.ExtensionArray.from_storage(pa.json_(pa.string()), pa.array(["{}"])),
    ],
    ids=["list", "struct", "run-end", "extension"],
)
def test_types_that_nest_repeat_or_extend_are_refused(column: Any) -> None:
    body = stream(pa.table({"series": ["a"], "time": [1], "value": column}))
    with pytest.raises(InvalidInput, match="not taken"):
        taken(body, point_formats.ARROW)


def test_lengths_that_lie_are_no_stream() -> None:
    body = bytearray(stream(pa.table({"value": np.arange(1000.0)}), "zstd"))
    at = body.index(struct.pack("<q", 8000))
    for length in (-2, -(2**62), 2**62):
        body[at : at + 8] = struct.pack("<q", length)
        with pytest.raises((TooLarge, pa.ArrowInvalid)):
            arrow.read_stream(bytes(body), lambda _schema: None)
    whole = stream(pa.table({"value": np.arange(1000.0)}), "zstd")
    for cut in range(8, len(whole) - 8, 97):
        damaged = whole[:cut] + bytes([whole[cut] ^ 0xFF]) + whole[cut + 1 :]
        try:
            arrow.read_stream(damaged, lambda _schema: None)
        except (InvalidInput, pa.ArrowException, OSError):
            continue


def test_packed_csv_and_columns_without_end_are_refused() -> None:
    for body in (gzip.compress(b"series,time,value\n" + b"a,1,1\n" * 10), b",".join([b"a"] * 1_000_000) + b"\n"):
        with memory_below(20 * MIB), pytest.raises(InvalidInput, match="first line"):
            taken(body, "text/csv")
    with pytest.raises(TooLarge, match="rows"):
        text.check_csv(b"a\n" + b"\n" * 11, ["a"], 10)


@pytest.mark.parametrize("piece", [b"[],", b"{},"])
def test_json_of_empty_lists_is_counted_before_it_is_read(piece: bytes) -> None:
    body = b"[" + piece * 3_000_000 + b"0]"
    with memory_below(MIB), pytest.raises(TooLarge, match="objects and arrays"):
        text.read_json(body)


def test_json_is_not_nested_without_end() -> None:
    for body in (b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000):
        with pytest.raises(orjson.JSONDecodeError):
            text.read_json(body)


@pytest.mark.parametrize("number", ["1e999999999", "9" * 100_000, "-" + "9" * 5000, "0." + "1" * 100_000])
def test_huge_numbers_cost_nothing(number: str) -> None:
    body = f'{{"x": {{"time": [1], "value": [{number}]}}}}'.encode()
    try:
        times, values, _ = taken(body, "application/json").part(0)
    except InvalidInput:
        return
    assert (len(times), len(values)) == (1, 1)


def test_a_script_cannot_answer_with_more_than_it_sends() -> None:
    index = pa.array([0], pa.timestamp("us"))
    honest = pa.table({"": index, "a": [1.0]})
    assert calls.decode(b"".join(wire.pack({"kind": "frame"}, [stream(honest)])), "frame")[0].shape == (1, 1)
    rows = 2_000_000
    zeros = pa.table({"": pa.array(np.zeros(rows, np.int64)).view(pa.timestamp("us")), "a": np.zeros(rows)})
    for table, codec in ((zeros, "zstd"), (pa.table({"": index, "a": [[1.0]]}), None)):
        message = b"".join(wire.pack({"kind": "frame"}, [stream(table, codec)]))
        with memory_below(4 * MIB), pytest.raises(ValueError, match=r"at most|more than|not taken"):
            calls.decode(message, "frame")
    nothing = b"".join(wire.pack({"kind": "values"}, [stream(pa.table({"values": pa.nulls(2**26)}))]))
    with memory_below(MIB), pytest.raises(ValueError, match="rows"):
        calls.decode(nothing, "values")
    assert frames.from_ipc(stream(honest)).num_rows == 1


def test_a_script_cannot_answer_with_parts_or_lists_without_end() -> None:
    many = b"".join(wire.pack({}, [b""] * (wire.MAX_BUFFERS + 1)))
    with pytest.raises(ValueError, match="parts"):
        wire.unpack(many)
    header = b'{"header": {"x": [' + b"[]," * 1_100_000 + b'0]}, "sizes": []}'
    with memory_below(8 * MIB), pytest.raises(ValueError, match="objects"):
        wire.unpack(struct.pack("<4sI", wire.MAGIC, len(header)) + header)


def test_gzip_is_unpacked_a_block_at_a_time() -> None:
    packed = gzip.compress(bytes(64 * MIB))
    with memory_below(8 * MIB):
        assert sum(map(len, text.inflated([packed]))) == 64 * MIB


def test_a_workbook_that_unpacks_to_gigabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    openpyxl.Workbook().save(tmp_path / "fine.xlsx")
    require_modest_zip(tmp_path / "fine.xlsx")
    with (
        zipfile.ZipFile(tmp_path / "fine.xlsx") as fine,
        zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in fine.namelist():
            padding = b" " * (20 * MIB) if name == "xl/worksheets/sheet1.xml" else b""
            bomb.writestr(name, fine.read(name).replace(b"</worksheet>", padding + b"</worksheet>"))
    assert (tmp_path / "bomb.xlsx").stat().st_size < 100_000
    monkeypatch.setattr("entrepot.bounds.zipped.MOST_UNPACKED", 10 * MIB)
    with memory_below(2 * MIB), pytest.raises(InvalidParameterError, match="unpacked"):
        read_table(tmp_path / "bomb.xlsx")


def test_members_that_lie_over_one_another_are_refused(tmp_path: Path) -> None:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"\0" * 100_000)
    raw = sink.getvalue()
    at, end = raw.index(b"PK\x01\x02"), raw.index(b"PK\x05\x06")
    entry = raw[at:end]
    entries = b"".join(entry[:-1] + bytes([97 + number]) for number in range(20))
    tail = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 20, 20, len(entries), at, 0)
    (tmp_path / "x.zip").write_bytes(raw[:at] + entries + tail)
    with pytest.raises(ValueError, match="over one another"):
        require_modest_zip(tmp_path / "x.zip")


def test_a_parquet_file_of_one_value_repeated_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrepot.client.tables.MOST_UNPACKED", 8 * MIB)
    pq.write_table(pa.table({"a": np.zeros(2**21)}), tmp_path / "bomb.parquet", compression="zstd")
    assert (tmp_path / "bomb.parquet").stat().st_size < 10_000
    with memory_below(4 * MIB), pytest.raises(InvalidParameterError, match="unpacked"):
        read_table(tmp_path / "bomb.parquet")


def test_a_long_text_of_parquet_is_there_once(tmp_path: Path) -> None:
    rows, text_ = 2000, "x" * 100_000
    shown = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([text_]))
    pq.write_table(pa.table({"a": shown.cast(pa.string())}), tmp_path / "x.parquet")
    with memory_below(20 * MIB):  # written out, it is 200
        table = read_table(tmp_path / "x.parquet")
        assert table["a"].iloc[-1] == text_
    assert len(table) == rows


# -------------------------------------------------------------------------------------------- sources


@contextmanager
def web(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        do_HEAD = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def source(url: str) -> Any:
    inside = (ip_network("127.0.0.0/8"),)
    return open_source(Access(Address.parse(url, inside), Options(), Credentials(), inside, seconds=60))


def listed(url: str) -> list[base.Remote]:
    found = source(f"{url}/data/")
    try:
        return list(found.files())
    finally:
        found.close()


def head(handler: BaseHTTPRequestHandler, kind: str, **headers: str) -> None:
    handler.send_response(200)
    for name, value in {"content-type": kind, "connection": "close", **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()


def test_a_listing_without_end_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MOST_LISTED_BYTES", 4 * MIB)

    def endless(handler: BaseHTTPRequestHandler) -> None:
        head(handler, "text/html")
        try:
            while True:
                handler.wfile.write(b"<a href='x.csv'>x</a>" * 5000)
        except OSError:
            return

    with web(endless) as url, pytest.raises(Denied, match="bytes"):
        listed(url)


def test_folders_without_end_are_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MOST_ENTRIES", 300)

    def tree(handler: BaseHTTPRequestHandler) -> None:
        head(handler, "application/json")
        handler.wfile.write(orjson.dumps([{"name": f"d{n}", "type": "directory"} for n in range(20)]))

    with web(tree) as url, pytest.raises(Denied, match="300 entries"):
        listed(url)


def test_a_listing_is_not_packed_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MOST_LISTED_BYTES", 4 * MIB)
    packed = gzip.compress(bytes(128 * MIB), 1)

    def bomb(handler: BaseHTTPRequestHandler) -> None:
        head(handler, "text/html", content_encoding="gzip", content_length=str(len(packed)))
        try:
            handler.wfile.write(packed)
        except OSError:
            return

    with web(bomb) as url, memory_below(24 * MIB), pytest.raises(Denied, match="bytes"):
        listed(url)


def test_packings_that_were_not_asked_for_are_refused() -> None:
    def brotli(handler: BaseHTTPRequestHandler) -> None:
        head(handler, "text/csv", content_encoding="br", content_length="4")
        handler.wfile.write(b"abcd")

    with web(brotli) as url:
        found = source(f"{url}/a.csv")
        try:
            with pytest.raises(Unreadable, match="br"):
                list(found.read(base.Remote("a.csv")))
        finally:
            found.close()


def test_an_answer_of_ftp_has_an_end() -> None:
    client = _Ftp()
    client.file = io.StringIO("220-welcome\r\n" + "220-more\r\n" * 10_000 + "220 end\r\n")
    with pytest.raises(Unreachable, match="no end"):
        client.getmultiline()
    client.file = io.StringIO("220-welcome\r\n more\r\n220 end\r\n")
    assert client.getmultiline() == "220-welcome\n more\n220 end"


def test_a_tally_counts_entries_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "MOST_ENTRIES", 3)
    tally = Tally()
    for _ in range(3):
        tally.entry()
    with pytest.raises(Denied, match="3 entries"):
        tally.entry()
