"""The systems that `series.py` compares: each does the same work, in the best format that it offers."""

import contextlib
import csv
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, urlencode

import numpy as np
import orjson
import polars as pl
import pyarrow as pa
from common import HOST, Http, answers, daemon, folder_bytes, free_port, settled_bytes
from numpy.typing import NDArray

ZONE = "Europe/Paris"
HOUR, DAY = 3_600_000_000, 86_400_000_000


@dataclass(frozen=True)
class Data:
    """Points of a series: its name within its group, times in microseconds since 1970, values."""

    group: str
    name: str
    times: NDArray[np.int64]
    values: NDArray[np.float64]


class System(Protocol):
    """One system under test; every method but the `encode` ones is what is timed."""

    name: str
    formats: dict[str, str]

    def create(self, series: Sequence[Data]) -> None:
        """Make the series known, where that is needed before points are written."""

    def encode(self, series: Sequence[Data], *, small: bool = False) -> Any:
        """Return what is sent to write these points at once."""

    def write(self, payload: Any) -> object:
        """Write points."""

    def another(self) -> "System":
        """Return the same system through a connection of its own."""

    def read(self, data: Data, form: str = "") -> Any:
        """Read all points of a series."""

    def window(self, data: Data, start: int, stop: int) -> Any:
        """Read the points of a series in [start, stop)."""

    def means(self, data: Data, step: str) -> Any:
        """Return the means of a series by `hour` or `day`, in the zone."""

    def export(self, group: str) -> Any:
        """Read all points of a group of series."""

    def values(self, answer: Any) -> NDArray[np.float64]:
        """Return the values in what :meth:`read` or :meth:`means` returned."""

    def settle(self) -> None:
        """Let whatever was written become readable."""

    def disk(self) -> int:
        """Return the bytes on disk once background work has ended."""


class Entrepot:
    """A real `entrepot serve`, through its native API."""

    def __init__(self, http: Http, folder: Path, project: dict[str, str], ids: dict[tuple[str, str], str]) -> None:
        self.name = "Entrepot"
        self.formats = {
            "bulk": "Arrow",
            "read": "Arrow",
            "means": "Arrow",
            "window": "JSON",
            "small": "JSON",
            "export": "Arrow",
            "disk": "SQLite",
        }
        self._http, self._folder, self._projects, self._ids = http, folder, project, ids

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder: Path, database_url: str | None = None) -> Iterator["Entrepot"]:
        """Start a server in a folder."""
        program = Path(sys.executable).parent / "entrepot"
        data = folder / "data"
        environment = {} if database_url is None else {"ENTREPOT_DATABASE_URL": database_url}
        made = subprocess.run(
            [program, "init", "--data-dir", data, "--organization", "Bench", "--admin", "bench@example.org", "--json"],
            env=os.environ | environment,
            capture_output=True,
            check=True,
        )
        token, announced = orjson.loads(made.stdout)["token"], data / "run" / "serve.json"
        command = [program, "serve", "--data-dir", data, "--port", "0", "--no-ftp"]

        def ready() -> bool:
            return announced.exists() and answers(orjson.loads(announced.read_bytes())["http_port"], "/health")

        with daemon(command, folder / "entrepot.log", ready, environment):
            http = Http(orjson.loads(announced.read_bytes())["http_port"], {"authorization": f"Token {token}"})
            system = cls(http, data, {}, {})
            if database_url is not None:
                system.formats["disk"] = "PostgreSQL"
                system._database_url = database_url
            yield system

    _database_url: str | None = None

    def another(self) -> "Entrepot":
        return Entrepot(self._http.another(), self._folder, self._projects, self._ids)

    def create(self, series: Sequence[Data]) -> None:
        for data in series:
            if data.group not in self._projects:
                self._projects[data.group] = self._post("/api/v1/projects", {"name": data.group})["id"]
            fields = {"project_id": self._projects[data.group], "name": data.name}
            self._ids[data.group, data.name] = self._post("/api/v1/series", fields)["id"]

    def encode(self, series: Sequence[Data], *, small: bool = False) -> tuple[bytes, str]:
        ids = [self._ids[data.group, data.name] for data in series]
        if small:
            content = {key: {"time": data.times, "value": data.values} for key, data in zip(ids, series, strict=True)}
            return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), "application/json"
        codes = np.repeat(np.arange(len(series), dtype=np.int32), [len(data.times) for data in series])
        table = pa.table(
            {
                "series": pa.DictionaryArray.from_arrays(codes, pa.array(ids)),
                "time": pa.array(np.concatenate([data.times for data in series])).cast(pa.timestamp("us", "UTC")),
                "value": np.concatenate([data.values for data in series]),
            }
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
        return sink.getvalue().to_pybytes(), "application/vnd.apache.arrow.stream"

    def write(self, payload: tuple[bytes, str]) -> bytes:
        return self._http.send("POST", "/api/v1/points", payload[0], content_type=payload[1])

    def read(self, data: Data, form: str = "arrow") -> bytes:
        return self._points(data, format=form or "arrow")

    def window(self, data: Data, start: int, stop: int) -> bytes:
        return self._points(data, format="json", start=start, end=stop)

    def means(self, data: Data, step: str) -> bytes:
        freq = {"hour": "1h", "day": "1D"}[step]
        return self._points(data, format="arrow", freq=freq, clock="dst", timezone=ZONE)

    def export(self, group: str) -> bytes:
        return self._http.send("GET", f"/api/v1/points?project={self._projects[group]}&format=arrow")

    def values(self, answer: bytes) -> NDArray[np.float64]:
        if answer[:1] == b"{":
            return np.array(orjson.loads(answer)["value"])
        if answer[:4] == b"time":
            return pl.read_csv(answer)["value"].to_numpy()
        return pa.ipc.open_stream(answer).read_all()["value"].to_numpy()

    def settle(self) -> None:
        pass

    def disk(self) -> int:
        if self._database_url is None:
            return settled_bytes(self._folder)
        import psycopg

        with psycopg.connect(self._database_url.replace("postgresql+psycopg", "postgresql")) as connection:
            connection.autocommit = True
            connection.execute("CHECKPOINT")
            return int(connection.execute("SELECT pg_database_size(current_database())").fetchone()[0])

    def _points(self, data: Data, **query: Any) -> bytes:
        return self._http.send("GET", f"/api/v1/series/{self._ids[data.group, data.name]}/points?{urlencode(query)}")

    def _post(self, path: str, fields: Mapping[str, str]) -> Any:
        return orjson.loads(self._http.send("POST", path, orjson.dumps(fields), content_type="application/json"))


class InfluxDB:
    """InfluxDB 1.6; a group is a measurement, a series a value of its tag `s`."""

    def __init__(self, http: Http, folder: Path) -> None:
        self.name = "InfluxDB"
        self.formats = {
            "bulk": "line protocol, 10,000 a batch",
            "read": "CSV, chunked",
            "means": "CSV",
            "window": "CSV",
            "small": "line protocol",
            "export": "CSV, chunked",
            "disk": "TSM, compacted",
        }
        self._http, self._folder = http, folder

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder: Path) -> Iterator["InfluxDB"]:
        """Start a server in a folder."""
        port, rpc, data = free_port(), free_port(), folder / "data"
        config = folder / "influxdb.conf"
        config.write_text(
            f"""
reporting-disabled = true
bind-address = "{HOST}:{rpc}"
[meta]
dir = "{data}/meta"
logging-enabled = false
[data]
dir = "{data}/data"
wal-dir = "{data}/wal"
query-log-enabled = false
cache-snapshot-write-cold-duration = "5s"
compact-full-write-cold-duration = "5s"
[monitor]
store-enabled = false
[http]
bind-address = "{HOST}:{port}"
log-enabled = false
max-body-size = 0
[logging]
level = "error"
"""
        )
        command = ["influxd", "-config", config]
        with daemon(command, folder / "influxdb.log", lambda: answers(port, "/ping")):
            http = Http(port, {"accept": "application/csv"})
            http.send("POST", f"/query?q={quote('CREATE DATABASE bench WITH DURATION INF SHARD DURATION 52w')}")
            yield cls(http, data)

    def another(self) -> "InfluxDB":
        return InfluxDB(self._http.another(), self._folder)

    def create(self, series: Sequence[Data]) -> None:
        pass

    def encode(self, series: Sequence[Data], *, small: bool = False) -> list[bytes]:
        lines = [
            f"{data.group},s={data.name} v={value!r} {time}"
            for data in series
            for time, value in zip(data.times.tolist(), data.values.tolist(), strict=True)
        ]
        return ["\n".join(lines[at : at + 10_000]).encode() for at in range(0, len(lines), 10_000)]

    def write(self, payload: list[bytes]) -> None:
        for batch in payload:
            self._http.send("POST", "/write?db=bench&precision=u", batch)

    def read(self, data: Data, form: str = "") -> bytes:
        return self._query(f"SELECT v FROM {data.group} WHERE s='{data.name}'", chunked="true")

    def window(self, data: Data, start: int, stop: int) -> bytes:
        where = f"s='{data.name}' AND time >= {start}u AND time < {stop}u"
        return self._query(f"SELECT v FROM {data.group} WHERE {where}")

    def means(self, data: Data, step: str) -> bytes:
        first, last = int(data.times[0]), int(data.times[-1])
        bins = {"hour": "1h", "day": "1d"}[step]
        where = f"s='{data.name}' AND time >= {first}u AND time <= {last}u"
        return self._query(f"SELECT mean(v) FROM {data.group} WHERE {where} GROUP BY time({bins}) tz('{ZONE}')")

    def export(self, group: str) -> bytes:
        return self._query(f"SELECT v FROM {group} GROUP BY s", chunked="true")

    def values(self, answer: bytes) -> NDArray[np.float64]:
        lines = (line for line in io.StringIO(answer.decode()) if not line.startswith("name,") and line.strip())
        return np.array([float(row[3]) for row in csv.reader(lines) if row[3]])

    def settle(self) -> None:
        pass

    def disk(self) -> int:
        return settled_bytes(self._folder)

    def _query(self, query: str, **options: str) -> bytes:
        return self._http.send("GET", f"/query?{urlencode({'db': 'bench', 'epoch': 'u', 'q': query} | options)}")


class VictoriaMetrics:
    """VictoriaMetrics 1.79; a group is a metric's name, a series a value of its label `s`; times in milliseconds."""

    def __init__(self, http: Http, folder: Path) -> None:
        self.name = "VictoriaMetrics"
        self.formats = {
            "bulk": "JSON lines",
            "read": "JSON lines",
            "means": "JSON, bins (t-step, t] in UTC",
            "window": "JSON lines",
            "small": "JSON lines, not synced to disk",
            "export": "JSON lines",
            "disk": "merged",
        }
        self._http, self._folder = http, folder

    @classmethod
    @contextlib.contextmanager
    def running(cls, folder: Path) -> Iterator["VictoriaMetrics"]:
        """Start a server in a folder."""
        port, data = free_port(), folder / "data"
        options = {
            "httpListenAddr": f"{HOST}:{port}",
            "storageDataPath": data,
            "retentionPeriod": "100y",
            "search.disableCache": "true",
            "search.latencyOffset": "0",
            "search.maxPointsPerTimeseries": "2000000",
            "search.maxSamplesPerQuery": "2000000000",
            "search.maxExportDuration": "10m",
            "import.maxLineLen": "1000000000",
            "loggerLevel": "ERROR",
        }
        command = ["victoria-metrics", *(f"-{name}={value}" for name, value in options.items())]
        with daemon(command, folder / "victoria-metrics.log", lambda: answers(port, "/health")):
            yield cls(Http(port), data)

    def another(self) -> "VictoriaMetrics":
        return VictoriaMetrics(self._http.another(), self._folder)

    def create(self, series: Sequence[Data]) -> None:
        pass

    def encode(self, series: Sequence[Data], *, small: bool = False) -> bytes:
        return b"\n".join(
            orjson.dumps(
                {
                    "metric": {"__name__": data.group, "s": data.name},
                    "values": data.values,
                    "timestamps": data.times // 1000,
                },
                option=orjson.OPT_SERIALIZE_NUMPY,
            )
            for data in series
        )

    def write(self, payload: bytes) -> None:
        self._http.send("POST", "/api/v1/import", payload)

    def read(self, data: Data, form: str = "") -> bytes:
        return self._export(f'{data.group}{{s="{data.name}"}}')

    def window(self, data: Data, start: int, stop: int) -> bytes:
        bounds = {"start": f"{start // 1000 / 1000:.3f}", "end": f"{(stop - 1) // 1000 / 1000:.3f}"}
        return self._export(f'{data.group}{{s="{data.name}"}}', **bounds)

    def means(self, data: Data, step: str) -> bytes:
        bins, length = {"hour": ("1h", HOUR), "day": ("1d", DAY)}[step]
        first, last = (int(time) // length * length // 1_000_000 for time in data.times[[0, -1]])
        query = f'avg_over_time({data.group}{{s="{data.name}"}}[{bins}])'
        options = {"query": query, "start": first + length // 1_000_000, "end": last, "step": bins, "nocache": 1}
        return self._http.send("GET", f"/api/v1/query_range?{urlencode(options)}")

    def export(self, group: str) -> bytes:
        return self._export(group)

    def values(self, answer: bytes) -> NDArray[np.float64]:
        if answer.startswith(b'{"status"'):
            (result,) = orjson.loads(answer)["data"]["result"]
            return np.array([float(value) for _, value in result["values"]])
        parts = [orjson.loads(line) for line in answer.splitlines()]
        return np.concatenate([part["values"] for part in sorted(parts, key=lambda part: part["timestamps"][0])])

    def settle(self) -> None:
        self._http.send("GET", "/internal/force_flush")

    def disk(self) -> int:
        self.settle()
        self._http.send("GET", "/internal/force_merge")
        return settled_bytes(self._folder)

    def _export(self, match: str, **bounds: str) -> bytes:
        return self._http.send("GET", f"/api/v1/export?{urlencode({'match[]': match} | bounds)}")


class Limit:
    """Plain Polars on Parquet files, one a series, in this very process: no server, no transactions, no late data."""

    def __init__(self, folder: Path) -> None:
        self.name = "Polars"
        self.formats = {
            "bulk": "a Parquet file a series",
            "read": "in process",
            "means": "in process",
            "window": "in process",
            "small": "a new file, synced",
            "export": "Arrow",
            "disk": "Parquet, zstd",
        }
        self._folder, self._small = folder, 0

    def another(self) -> "Limit":
        return self

    def create(self, series: Sequence[Data]) -> None:
        pass

    def encode(self, series: Sequence[Data], *, small: bool = False) -> list[tuple[Path, pl.DataFrame]]:
        if small:
            self._small += 1
            file = self._folder / f"small-{self._small}.parquet"
            return [(file, pl.concat([_frame(d).with_columns(series=pl.lit(d.name)) for d in series]))]
        return [(self._folder / f"{data.group}-{data.name}.parquet", _frame(data)) for data in series]

    def write(self, payload: list[tuple[Path, pl.DataFrame]]) -> None:
        for path, frame in payload:
            frame.write_parquet(path)
            with path.open("rb") as file:
                os.fsync(file.fileno())

    def read(self, data: Data, form: str = "") -> pl.DataFrame:
        return pl.read_parquet(self._file(data))

    def window(self, data: Data, start: int, stop: int) -> pl.DataFrame:
        stamps = pl.col("time").dt.timestamp("us")
        return pl.scan_parquet(self._file(data)).filter(stamps >= start, stamps < stop).collect()

    def means(self, data: Data, step: str) -> pl.DataFrame:
        frame = pl.scan_parquet(self._file(data)).with_columns(pl.col("time").dt.convert_time_zone(ZONE))
        every = {"hour": "1h", "day": "1d"}[step]
        return frame.group_by_dynamic(pl.col("time").set_sorted(), every=every).agg(pl.col("value").mean()).collect()

    def export(self, group: str) -> bytes:
        sink = io.BytesIO()
        pl.read_parquet(self._folder / f"{group}-*.parquet").write_ipc_stream(sink)
        return sink.getvalue()

    def values(self, answer: pl.DataFrame) -> NDArray[np.float64]:
        return answer["value"].to_numpy()

    def settle(self) -> None:
        pass

    def disk(self) -> int:
        return folder_bytes(self._folder)

    def _file(self, data: Data) -> Path:
        return self._folder / f"{data.group}-{data.name}.parquet"


def _frame(data: Data) -> pl.DataFrame:
    return pl.DataFrame({"time": pl.Series(data.times).cast(pl.Datetime("us", "UTC")), "value": data.values})
