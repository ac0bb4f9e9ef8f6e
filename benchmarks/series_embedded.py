"""DuckDB 2 on Parquet and ClickHouse (chDB), both in the process of `series.py`, and Tiled 0.2 over HTTP.

What runs in process answers no request: it has no connection, no key to look up and no format to send, so that its
figures are a limit rather than a peer's. They are installed into environments of their own, pinned by
`series_embedded.txt` and `series_tiled.txt`.
"""

import base64
import contextlib
import functools
import io
import site
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import orjson
import polars as pl
import pyarrow as pa
from common import HOST, Http, answers, daemon, free_port, peers_python, settled_bytes, synced
from numpy.typing import NDArray
from series_systems import ZONE, Data, Limit, packed

#: Where Tiled's tables are: SQL is what it can append to.
SCHEMA = pa.schema([("time", pa.int64()), ("value", pa.float64())])


@functools.cache
def installed() -> None:
    """Let this process import DuckDB and chDB; what it has already stays before what they bring."""
    (packages,) = peers_python("series_embedded").parents[1].glob("lib/python*/site-packages")
    site.addsitedir(str(packages))


class DuckDB(Limit):
    """DuckDB 2 in this very process, on files as Polars has them."""

    def __init__(self, folder: Path, connection: Any = None) -> None:
        super().__init__(folder)
        import duckdb

        self.name, self._duckdb, self._connection = "DuckDB", duckdb, connection or duckdb.connect()
        self._connection.execute(f"SET TimeZone = '{ZONE}'")

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder: Path) -> Iterator["DuckDB"]:
        """Open a database that holds nothing itself."""
        installed()
        system = cls(folder)
        yield system
        system._connection.close()

    def another(self) -> "DuckDB":
        return DuckDB(self._folder, self._connection.cursor())

    def encode(self, series: Sequence[Data], *, small: bool = False) -> list[tuple[Path, Any]]:
        return [(path, frame.to_arrow()) for path, frame in super().encode(series, small=small)]

    def write(self, payload: list[tuple[Path, Any]]) -> None:
        for path, points in payload:
            relation = self._duckdb.from_arrow(points, connection=self._connection)
            relation.write_parquet(str(path), compression="zstd")
            synced(path)

    def read(self, data: Data, form: str = "") -> Any:
        return self._query("SELECT * FROM read_parquet(?)", str(self.file(data)))

    def window(self, data: Data, start: int, stop: int) -> Any:
        text = "SELECT * FROM read_parquet(?) WHERE time >= make_timestamptz(?) AND time < make_timestamptz(?)"
        return self._query(text, str(self.file(data)), start, stop)

    def means(self, data: Data, step: str) -> Any:
        text = f"SELECT avg(value) AS value FROM read_parquet(?) GROUP BY date_trunc('{step}', time) ORDER BY min(time)"
        return self._query(text, str(self.file(data)))

    def export(self, group: str) -> bytes:
        return packed(self._query("SELECT * FROM read_parquet(?)", str(self._folder / f"{group}-*.parquet")))

    def _query(self, text: str, *values: Any) -> Any:
        return self._connection.sql(text, params=list(values)).to_arrow_table()


class ClickHouse:
    """ClickHouse in this very process (chDB), a MergeTree that has an insert on the disk before it returns."""

    def __init__(self, session: Any, folder: Path) -> None:
        self.name, self.session = "ClickHouse", 0
        self.formats = {
            "bulk": "Arrow, in process",
            "read": "Arrow, in process",
            "means": "Arrow, in process",
            "window": "Arrow, in process",
            "small": "Arrow, in process, synced",
            "export": "Arrow, in process",
            "disk": "MergeTree, merged",
        }
        self._session, self._folder = session, folder

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder: Path) -> Iterator["ClickHouse"]:
        """Open a database in a folder."""
        installed()
        from chdb.session import Session

        session = Session(str(folder))
        session.query("CREATE DATABASE bench")
        session.query(
            "CREATE TABLE bench.points (g LowCardinality(String), s LowCardinality(String),"
            " time DateTime64(6, 'UTC') CODEC(DoubleDelta, ZSTD), value Float64 CODEC(Gorilla, ZSTD))"
            " ENGINE = MergeTree ORDER BY (g, s, time) SETTINGS fsync_after_insert = 1, fsync_part_directory = 1"
        )
        yield cls(session, folder)
        session.close()

    def another(self) -> "ClickHouse":
        return self

    def create(self, series: Sequence[Data]) -> None:
        pass

    def encode(self, series: Sequence[Data], *, small: bool = False) -> pa.Table:
        parts = [
            _table(data)
            .append_column("g", pa.array([data.group] * len(data.times)).dictionary_encode())
            .append_column("s", pa.array([data.name] * len(data.times)).dictionary_encode())
            for data in series
        ]
        return pa.concat_tables(parts).unify_dictionaries().select(["g", "s", "time", "value"])

    def write(self, payload: pa.Table) -> None:
        points = payload
        self._session.query("INSERT INTO bench.points SELECT g, s, time, value FROM Python(points)")
        del points

    def read(self, data: Data, form: str = "") -> bytes:
        return self._query(f"SELECT time, value {self._of(data)} ORDER BY time")

    def window(self, data: Data, start: int, stop: int) -> bytes:
        first, last = (f"fromUnixTimestamp64Micro(toInt64({at}), 'UTC')" for at in (start, stop))
        return self._query(f"SELECT time, value {self._of(data)} AND time >= {first} AND time < {last} ORDER BY time")

    def means(self, data: Data, step: str) -> bytes:
        start = {"hour": "toStartOfHour", "day": "toStartOfDay"}[step]
        text = f"SELECT {start}(time, '{ZONE}') AS at, avg(value) AS value {self._of(data)} GROUP BY at ORDER BY at"
        return self._query(text)

    def export(self, group: str) -> bytes:
        return self._query(f"SELECT s, time, value FROM bench.points WHERE g = '{group}' ORDER BY s, time")

    def values(self, answer: bytes) -> NDArray[np.float64]:
        return cast("NDArray[np.float64]", pa.ipc.open_stream(answer).read_all()["value"].to_numpy())

    def settle(self) -> None:
        pass

    def disk(self) -> int:
        self._session.query("OPTIMIZE TABLE bench.points FINAL")
        return settled_bytes(self._folder)

    def _of(self, data: Data) -> str:
        return f"FROM bench.points WHERE g = '{data.group}' AND s = '{data.name}'"

    def _query(self, text: str) -> bytes:
        return bytes(self._session.query(text, "ArrowStream").bytes())


class Tiled:
    """Tiled 0.2: a table of its own for each series, which can be appended to, in DuckDB.

    It reads rows by position and not by time; means are computed by whoever reads. Two appends at once fail in DuckDB.
    """

    def __init__(self, http: Http, folder: Path, times: dict[str, NDArray[np.int64]]) -> None:
        self.name = "Tiled"
        self.formats = {
            "bulk": "Arrow",
            "read": "Arrow",
            "means": "Arrow, means by the client",
            "window": "values alone, by position",
            "small": "Arrow, a request a series",
            "export": "Arrow, a request a series",
            "disk": "DuckDB",
        }
        self._http, self._folder, self._times, self.session = http, folder, times, 0
        self._turn = threading.Lock()

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder: Path) -> Iterator["Tiled"]:
        """Start a server in a folder."""
        port, data, key = free_port(), folder / "data", "benchmark"
        data.mkdir()
        command: list[str | Path] = [
            peers_python("series_tiled").with_name("tiled"), "serve", "catalog", "--init", data / "catalog.db",
            "--write", data / "files", "--write", f"duckdb:///{data / 'tables.duckdb'}", "--api-key", key,
            "--host", HOST, "--port", str(port),
        ]  # fmt: skip
        with daemon(command, folder / "tiled.log", lambda: answers(port, "/healthz")) as pid:
            system = cls(Http(port, {"authorization": f"Apikey {key}"}), data, {})
            system.session = pid
            yield system

    def another(self) -> "Tiled":
        return self

    def create(self, series: Sequence[Data]) -> None:
        schema = base64.b64encode(SCHEMA.serialize()).decode()
        structure = {
            "arrow_schema": f"data:application/vnd.apache.arrow.file;base64,{schema}",
            "columns": SCHEMA.names,
            "npartitions": 1,
            "resizable": False,
        }
        source = {
            "structure_family": "table",
            "structure": structure,
            "mimetype": "application/x-tiled-sql-table",
            "parameters": {},
            "properties": {},
            "assets": [],
            "management": "writable",
        }
        for data in series:
            node = {
                "id": _key(data),
                "structure_family": "table",
                "metadata": {},
                "specs": [],
                "data_sources": [source],
            }
            self._http.send("POST", "/api/v1/metadata/", orjson.dumps(node), content_type="application/json")
            self._times[_key(data)] = data.times

    def encode(self, series: Sequence[Data], *, small: bool = False) -> list[tuple[str, bytes]]:
        return [
            (_key(data), packed(pa.table([data.times, data.values], schema=SCHEMA), pa.ipc.new_file)) for data in series
        ]

    def write(self, payload: list[tuple[str, bytes]]) -> None:
        for key, body in payload:
            path = f"/api/v1/table/partition/{key}?partition=0"
            with self._turn:
                self._http.send("PATCH", path, body, content_type="application/vnd.apache.arrow.file")

    def read(self, data: Data, form: str = "") -> bytes:
        return self._table(_key(data))

    def window(self, data: Data, start: int, stop: int) -> bytes:
        first, last = np.searchsorted(self._times[_key(data)], [start, stop])
        path = f"/api/v1/array/full/{_key(data)}/value?format=application/octet-stream&slice={first}:{last}"
        return self._http.send("GET", path)

    def means(self, data: Data, step: str) -> pl.DataFrame:
        points = pl.read_ipc(io.BytesIO(self.read(data)))
        stamps = pl.from_epoch("time", "us").dt.replace_time_zone("UTC").dt.convert_time_zone(ZONE)
        every = {"hour": "1h", "day": "1d"}[step]
        return points.group_by_dynamic(stamps.set_sorted(), every=every).agg(pl.col("value").mean())

    def export(self, group: str) -> list[bytes]:
        return [self._table(key) for key in self._times if key.startswith(f"{group}-")]

    def values(self, answer: bytes | pl.DataFrame) -> NDArray[np.float64]:
        return (pl.read_ipc(io.BytesIO(answer)) if isinstance(answer, bytes) else answer)["value"].to_numpy()

    def settle(self) -> None:
        pass

    def disk(self) -> int:
        return settled_bytes(self._folder)

    def _table(self, key: str) -> bytes:
        return self._http.send("GET", f"/api/v1/table/full/{key}?format=application/vnd.apache.arrow.file")


def _key(data: Data) -> str:
    return f"{data.group}-{data.name}"


def _table(data: Data) -> pa.Table:
    stamps = pa.array(data.times).cast(pa.timestamp("us", "UTC"))
    return pa.table({"time": stamps, "value": data.values})
