"""What `series.py` compares: Entrepot and the limit; the others are in :mod:`series_peers`."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlencode

import numpy as np
import orjson
import polars as pl
import pyarrow as pa
from common import Http, answers, daemon, folder_bytes, settled_bytes, synced
from numpy.typing import NDArray

ZONE = "Europe/Paris"


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
    session: int  #: of the server's processes

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

    def __init__(
        self, http: Http, folder: Path, project: dict[str, str], ids: dict[tuple[str, str], str], name: str = "Entrepot"
    ) -> None:
        self.name = name
        self.formats = {
            "bulk": "Arrow",
            "read": "Arrow",
            "means": "Arrow",
            "window": "JSON",
            "small": "JSON",
            "export": "Arrow",
            "disk": "SQLite",
        }
        self.http, self._folder, self._projects, self._ids = http, folder, project, ids

    @classmethod
    @contextlib.contextmanager
    def running(
        cls, folder: Path, database_url: str | None = None, source: str | None = None, name: str = "Entrepot"
    ) -> Iterator["Entrepot"]:
        """Start a server in a folder, of the code in `source` where there is another one."""
        program = Path(sys.executable).parent / "entrepot"
        data = folder / "data"
        environment = {} if database_url is None else {"ENTREPOT_DATABASE_URL": database_url}
        environment |= {} if source is None else {"PYTHONPATH": source}
        made = subprocess.run(
            [program, "init", "--data-dir", data, "--organization", "Bench", "--admin", "bench@example.org", "--json"],
            env=os.environ | environment,
            capture_output=True,
            check=True,
        )
        token, announced = orjson.loads(made.stdout)["token"], data / "run" / "serve.json"
        command: list[str | Path] = [program, "serve", "--data-dir", data, "--port", "0", "--no-ftp"]

        def ready() -> bool:
            return announced.exists() and answers(orjson.loads(announced.read_bytes())["http_port"], "/health")

        with daemon(command, folder / "entrepot.log", ready, environment) as pid:
            http = Http(orjson.loads(announced.read_bytes())["http_port"], {"authorization": f"Token {token}"})
            system = cls(http, data, {}, {}, name)
            if database_url is not None:
                system.formats["disk"] = "PostgreSQL"
                system._database_url = database_url
            system.session = pid
            yield system

    _database_url: str | None = None
    session = 0

    def another(self) -> "Entrepot":
        return Entrepot(self.http.another(), self._folder, self._projects, self._ids, self.name)

    def create(self, series: Sequence[Data]) -> None:
        for data in series:
            if data.group not in self._projects:
                self._projects[data.group] = self._post("/api/v1/projects", {"name": data.group})["id"]
            fields = {"project": self._projects[data.group], "name": data.name}
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
        return packed(table), "application/vnd.apache.arrow.stream"

    def write(self, payload: tuple[bytes, str]) -> bytes:
        return self.http.send("POST", "/api/v1/points", payload[0], content_type=payload[1])

    def read(self, data: Data, form: str = "arrow") -> bytes:
        return self._points(data, format=form or "arrow")

    def window(self, data: Data, start: int, stop: int) -> bytes:
        return self._points(data, format="json", **{"from": start, "to": stop})

    def means(self, data: Data, step: str) -> bytes:
        freq = {"hour": "1h", "day": "1D"}[step]
        return self._points(data, format="arrow", step=freq, clock=ZONE)

    def export(self, group: str) -> bytes:
        return self.http.send("GET", f"/api/v1/points?project={self._projects[group]}&format=arrow")

    def values(self, answer: bytes) -> NDArray[np.float64]:
        if answer[:1] == b"{":
            return np.array(orjson.loads(answer)["value"])
        if answer[:4] == b"time":
            return pl.read_csv(answer)["value"].to_numpy()
        values: np.ndarray[Any, np.dtype[np.float64]] = pa.ipc.open_stream(answer).read_all()["value"].to_numpy()
        return values

    def settle(self) -> None:
        pass

    def disk(self) -> int:
        if self._database_url is None:
            return settled_bytes(self._folder)
        import psycopg

        with psycopg.connect(self._database_url.replace("postgresql+psycopg", "postgresql")) as connection:
            connection.autocommit = True
            connection.execute("CHECKPOINT")
            found = connection.execute("SELECT pg_database_size(current_database())").fetchone()
            assert found is not None
            return int(found[0])

    def path(self, data: Data, **query: Any) -> str:
        """Return where points of a series are."""
        return f"/api/v1/series/{self._ids[data.group, data.name]}/points?{urlencode(query)}"

    def _points(self, data: Data, **query: Any) -> bytes:
        return self.http.send("GET", self.path(data, **query))

    def _post(self, path: str, fields: Mapping[str, str]) -> Any:
        return orjson.loads(self.http.send("POST", path, orjson.dumps(fields), content_type="application/json"))


class Limit:
    """Plain Polars on Parquet files, one a series, in this very process: no server, no transactions, no late data."""

    def __init__(self, folder: Path) -> None:
        self.name, self.session = "Polars", 0
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
            synced(path)

    def read(self, data: Data, form: str = "") -> pl.DataFrame:
        return pl.read_parquet(self.file(data))

    def window(self, data: Data, start: int, stop: int) -> pl.DataFrame:
        stamps = pl.col("time").dt.timestamp("us")
        return pl.scan_parquet(self.file(data)).filter(stamps >= start, stamps < stop).collect()

    def means(self, data: Data, step: str) -> pl.DataFrame:
        frame = pl.scan_parquet(self.file(data)).with_columns(pl.col("time").dt.convert_time_zone(ZONE))
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

    def file(self, data: Data) -> Path:
        """Return where the points of a series are."""
        return self._folder / f"{data.group}-{data.name}.parquet"


def packed(table: pa.Table, form: Any = pa.ipc.new_stream) -> bytes:
    """Return a table as an Arrow stream, or as another form of pyarrow's."""
    sink = pa.BufferOutputStream()
    with form(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _frame(data: Data) -> pl.DataFrame:
    return pl.DataFrame({"time": pl.Series(data.times).cast(pl.Datetime("us", "UTC")), "value": data.values})
