"""The wind farm's files: sent by FTP and by HTTP, imported by schedule, cleaned and analysed; and what came of them."""

import threading
import zipfile
from collections.abc import Mapping
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import entrepot
from tests.support.deadline import eventually
from tests.support.load import Load

ARCHIVE = Path(__file__).parents[3] / "shared" / "data" / "la-haute-borne-2014.zip"
TURBINES = ("R80711", "R80721", "R80736", "R80790")
UNITS = {
    "P_avg": "kW",
    "Ws_avg": "m/s",
    "Ba_avg": "deg",
    "Va_avg": "deg",
    "Ot_avg": "°C",
    "Ya_avg": "deg",
    "Wa_avg": "deg",
}


def year() -> dict[str, bytes]:
    """Return the files of all the year that there is."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        names = sorted((name for name in archive.namelist() if name.endswith(".csv")), key=lambda name: name[-11:])
        return {name.replace("/", "-"): archive.read(name) for name in names}


def day() -> dict[str, bytes]:
    """Return wind and power of one day of what the demo ships."""
    made = {}
    for turbine in TURBINES:
        path = files("entrepot.cli.demo").joinpath("wind_farm", turbine, "2014-03.csv")
        with path.open() as file:
            frame = pd.read_csv(file, usecols=["Date_time", "P_avg", "Ws_avg"], dtype=str, nrows=145)
        made[f"{turbine}-2014-03.csv"] = frame.to_csv(index=False).encode()
    return made


def parse(content, path, **tools):  # type: ignore[no-untyped-def]  # as users write it
    """Read a file of a turbine."""
    frame = pd.read_csv(content, index_col="Date_time")
    frame.index = pd.to_datetime(frame.index, utc=True)
    return frame.add_prefix(path.split("-")[0] + " ")


def analyze(frame, **tools):  # type: ignore[no-untyped-def]
    """Return daily capacity factors; each column alone: a mean of pandas' tells in its last bit what others lack."""
    return frame.apply(lambda column: column.dropna().resample("D").mean()) / 2050


def rows(frame, **tools):  # type: ignore[no-untyped-def]
    """Yield power curves."""
    for turbine in sorted({column.split()[0] for column in frame.columns}):
        both = frame[[f"{turbine} Ws_avg", f"{turbine} P_avg"]].dropna()
        bins = both.groupby(np.floor(both[f"{turbine} Ws_avg"]))
        if len(both):
            wind, power = bins[f"{turbine} Ws_avg"].mean(), bins[f"{turbine} P_avg"].mean()
            yield {"name": turbine, "wind_speed": (wind, "m/s"), "power": (power, "kW")}


class Farm:
    """The files on their way into a server, one after the other, by FTP and by HTTP in turn.

    Parameters
    ----------
    load
        Whoever uses the server, and asks again where there is no answer.
    url
        Where the server is asked for by the SDK.
    pause
        Seconds between two files.
    """

    def __init__(self, load: Load, url: str, files: Mapping[str, bytes], *, pause: float = 0) -> None:
        self.sent: list[str] = []
        self.files = files
        self._pause = pause
        self._load = load
        self._port = entrepot.connect(url, load.server.token, timeout=120)
        self._project = farm = self._port.projects.ensure("La Haute Borne")
        self._gate = farm.gates.ensure("scada")
        importer = self._gate.importers.ensure("scada", parse=parse)
        columns = next(iter(files.values())).split(maxsplit=1)[0].decode().split(",")[1:]
        for turbine in TURBINES:
            for name in (f"{turbine} {raw}" for raw in columns):
                unit = UNITS[name.split()[1]]
                importer.channels.ensure(name, name=name, unit=unit, kind="mean", step="1h", clock="UTC", fill=2)
        channels = {each.name: each for each in importer.channels}
        power = [channels[f"{turbine} P_avg"] for turbine in TURBINES]
        wind = [channels[f"{turbine} Ws_avg"] for turbine in TURBINES]
        site = farm.sites.ensure("La Haute Borne")
        curves = farm.result_sets.ensure("Power curves", site=site, model="as-built")
        self._analyses = [
            farm.analyses.ensure(
                "capacity factor", inputs=power, outputs=[each.name for each in power], analyze=analyze,
                input_step="1h", step="1d", clock="Europe/Paris", active=True,
            ),
            farm.analyses.ensure("power curves", inputs=[*wind, *power], rows=rows, into=curves, active=True),
        ]  # fmt: skip
        importer.change(schedule="*/5 * * * * *", active=True)
        account = self._gate.account(password=True)
        self._login = account["login"], account["password"]
        self._thread = threading.Thread(target=self._send)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def _send(self) -> None:
        for number, (name, content) in enumerate(self.files.items()):
            send = partial(self._load.put, self._login, name, content) if number % 2 else partial(self._put, name)
            if self._load.until_told(send):
                self.sent.append(name)
            self._load.stopped.wait(self._pause)
        self._load.hang_up()

    def _put(self, name: str) -> bool:
        self._load.http().put(f"{self._gate.path}/files/{name}", content=self.files[name]).raise_for_status()
        return True

    def made(self) -> dict[str, Any]:
        """Wait until all that was sent is computed; return the points of all series, and the rows, by their names."""
        self._thread.join()
        (importer,) = self._gate.importers
        read = f"{importer.path}/files"
        eventually(lambda: len([*importer.connection.pages(read)]) == len(self.files), 600, every=0.5)
        for analysis in self._analyses:
            analysis.run(upstream=True)
        found: dict[str, Any] = {}
        for one in self._project.series:
            points = one.read()
            key = f"{one.record['of']['kind']}: {one.name}"
            assert key not in found
            found[key] = pd.DatetimeIndex(points.index).as_unit("us").asi8.tobytes(), points.to_numpy().tobytes()
        for row in self._project.result_sets["Power curves"].rows:
            assert f"row: {row.name}" not in found
            found[f"row: {row.name}"] = row.record["columns"]
        self._port.close()
        return found


def difference(there: Any, here: Any) -> Any:
    """Return in which points two series differ, as people read them; other things as they are."""
    if not isinstance(here, tuple):
        return there, here
    times, values = zip(
        *((np.frombuffer(one[0], np.int64), np.frombuffer(one[1])) for one in (there, here)), strict=True
    )
    each = [pd.Series(found, pd.to_datetime(at, unit="us", utc=True)) for at, found in zip(times, values, strict=True)]
    both = pd.concat(each, axis=1, keys=("there", "here"))
    return both[~(both["there"] == both["here"])].reset_index().to_dict("split")["data"]
