"""InfluxDB 1.6 and VictoriaMetrics, each doing the work of `series.py` in the best format that it offers."""

import contextlib
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote, urlencode

import numpy as np
import orjson
from common import HOST, Http, answers, daemon, free_port, settled_bytes
from numpy.typing import NDArray
from series_systems import ZONE, Data

HOUR, DAY = 3_600_000_000, 86_400_000_000


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
        self._http, self._folder, self.session = http, folder, 0

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
        command: list[str | Path] = ["influxd", "-config", config]
        with daemon(command, folder / "influxdb.log", lambda: answers(port, "/ping")) as pid:
            http = Http(port, {"accept": "application/csv"})
            http.send("POST", f"/query?q={quote('CREATE DATABASE bench WITH DURATION INF SHARD DURATION 52w')}")
            system = cls(http, data)
            system.session = pid
            yield system

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
        self._http, self._folder, self.session = http, folder, 0

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
        with daemon(command, folder / "victoria-metrics.log", lambda: answers(port, "/health")) as pid:
            system = cls(Http(port), data)
            system.session = pid
            yield system

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
