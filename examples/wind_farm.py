"""A month of a wind farm: SCADA files on a gate to power curves, and back to the files that they came from."""

from importlib.resources import files
from pathlib import Path

import pandas as pd

import entrepot

FARM = Path(str(files("entrepot.cli.demo") / "wind_farm"))  # La Haute Borne, March 2014: see the README there
PLACES = {
    "R80711": (48.4569, 5.5847),
    "R80721": (48.4497, 5.5869),
    "R80736": (48.4461, 5.5925),
    "R80790": (48.4536, 5.5875),
}


def parse(content, path, **tools):
    """Read one file of one turbine: ten-minute means, stamps with their zone."""
    frame = pd.read_csv(content, index_col="Date_time")
    frame.index = pd.to_datetime(frame.index, utc=True)
    return frame.add_prefix(path.split("/")[0] + " ")


def rows(frame, **tools):
    """Mean power by wind speed, in bins of 1 m/s: a row a turbine."""
    for turbine in PLACES:
        curve = frame[f"{turbine} power"].groupby(frame[f"{turbine} wind"].round()).mean().dropna()
        if len(curve):
            yield {"name": turbine, "location": turbine, "wind speed": (curve.index, "m/s"), "power": (curve, "kW")}


with entrepot.connect() as port:  # ENTREPOT_URL and ENTREPOT_TOKEN, or what `entrepot login` keeps
    farm = port.projects.ensure("La Haute Borne")
    site = farm.sites.ensure("La Haute Borne")
    for turbine, (northing, easting) in PLACES.items():
        site.locations.ensure(turbine, northing=northing, easting=easting)

    scada = farm.gates.ensure("scada")
    importer = scada.importers.ensure("scada", parse=parse)
    for turbine in PLACES:
        for raw, name, unit in (("Ws_avg", "wind", "m/s"), ("P_avg", "power", "kW")):
            importer.channels.ensure(
                f"{turbine} {raw}", name=f"{turbine} {name}", unit=unit, kind="mean", step="1h", clock="UTC"
            )
    curves = farm.result_sets.ensure("Power curves", site=site, model="as-built")
    analysis = farm.analyses.ensure("Power curves", inputs=importer.channels, rows=rows, into=curves)

    for turbine in PLACES:
        scada.upload(FARM / turbine / "2014-03.csv", to=turbine)
    analysis.run(upstream=True, progress=True)  # what is new is imported and cleaned first

    wind = farm.series["R80711 wind"]
    print(wind.read("2014-03", step="1 day", clock="Europe/Paris").describe().round(2))
    print(wind.plot("2014-03").save("wind.html"), curves.plot(unit="MW").save("power.png"))
    for row in curves.rows:
        for file in row.explain().files:
            print(f"{row.name}: {file.path}  SHA-256 {file.sha256[:16]}…")
