"""A month of a wind farm: SCADA files on a gate to wind speed histograms and power curves, and back to the files."""

import os
from importlib.resources import files

import pandas as pd

import entrepot
from entrepot.client.ovbp import Client, RecordDoesNotExistError
from entrepot.client.owi import ResultsAPI, plot_rows

URL, TOKEN = os.environ["ENTREPOT_URL"], os.environ["ENTREPOT_TOKEN"]
FARM = files("entrepot.cli.demo") / "wind_farm"  # La Haute Borne, March 2014: see the README there
TURBINES = ("R80711", "R80721", "R80736", "R80790")
CLOCK = {"clock": "gmt", "output_timezone": "UTC"}

client = entrepot.connect(URL, TOKEN)
platform = Client(token=TOKEN, url=f"{URL}/ovbp/api/v2")
owi = ResultsAPI(api_root=f"{URL}/owi/api/v1", token=TOKEN)
organization = platform.get_organization(client.me()["organizations"][0]["name"])

# What rows are about: the site, its turbines, and a model of it.
sites = owi.send("GET", "/locations/projectsites?title=La Haute Borne").json()
if not sites:
    sites = [owi.send("POST", "/locations/projectsites/", {"title": "La Haute Borne"}).json()]
    places = zip(TURBINES, (48.4503, 48.4496, 48.4461, 48.4480), (5.5895, 5.5869, 5.5925, 5.5880), strict=True)
    locations = [
        {"title": title, "projectsite": sites[0]["id"], "northing": north, "easting": east}
        for title, north, east in places
    ]
    owi.send("POST", "/locations/assetlocations/", locations)
    owi.send("POST", "/geometry/routes/modeldefinitions/", {"title": "as-built", "project": sites[0]["id"]})
(model,) = owi.send("GET", "/geometry/routes/modeldefinitions?site=La Haute Borne").json()


def rows_analysis(name: str) -> int:
    """Return the id of the rows' analysis of this name."""
    found = owi.get_analysis(name=name, model_definition__id=model["id"])
    return int(
        (found if found["exists"] else owi.create_analysis({"name": name, "model_definition": model["id"]}))["id"]
    )


try:
    project = organization.get_project("La Haute Borne")
except RecordDoesNotExistError:
    # Files of ten-minute means become hourly series, and these become rows.
    project = organization.create_project("La Haute Borne")
    gate = project.create_gate("scada")
    project.create_importer("scada").configure(gate, parse_script=(FARM / "parse.py").read_text())
    cleaner = project.get_cleaner("scada")
    means = {"freq": "1H", "input_unit_type": "mean", "unit_type": "mean", "clock": "gmt"}
    for turbine in TURBINES:
        cleaner.create_unitcleaner(f"{turbine} Ws_avg", f"{turbine} wind", unit="m/s", **means)
        cleaner.create_unitcleaner(f"{turbine} P_avg", f"{turbine} power", unit="kW", **means)
    for name, script, columns in (
        ("WindSpeedHistogram", "wind_histogram.py", ("wind",)),
        ("PowerCurve", "power_curve.py", ("wind", "power")),
    ):
        analysis = project.create_analysis(name)
        for column in (f"{turbine} {what}" for turbine in TURBINES for what in columns):
            analysis.create_analysis_input(cleaner, column, column)
        analysis.create_analysis_config("1H", "1H", (FARM / script).read_text(), **CLOCK)
        client.keep_rows(analysis.id, rows_analysis(name))

with project.get_gate("scada").get_ftputil_client() as ftp:
    for turbine in TURBINES:
        ftp.makedirs(turbine, exist_ok=True)
        with ftp.open(f"{turbine}/2014-03.csv", "wb") as file:
            file.write((FARM / turbine / "2014-03.csv").read_bytes())
project.get_importer("scada").run().wait_for_completion()
project.get_cleaner("scada").run().wait_for_completion()
for name in ("WindSpeedHistogram", "PowerCurve"):
    project.get_analysis(name).run().wait_for_completion()  # activate() would have it follow by itself

histograms = owi.list_results(analysis__name="WindSpeedHistogram")["data"]
curves = owi.list_results(analysis__name="PowerCurve")["data"]
table = pd.DataFrame({row.short_description: pd.Series(row.value_col2) for row in histograms.itertuples()})
print(table.fillna(0).astype(int).rename_axis("m/s"))
print(plot_rows(histograms, title="Hours by wind speed, March 2014").save("wind.html"))
print(plot_rows(curves, unit="MW", title="Power curves, March 2014").save("power.png"))


def sources(runs: list[dict]) -> set[tuple[str, str]]:
    """Return the paths and digests of all files that results go back to."""
    read = [each for run in runs for each in run["inputs"]]
    found = {(each["id"].partition("/")[2], each["sha256"]) for each in read if each["kind"] == "gate file"}
    return found.union(*(sources(each["made_by"]) for each in read))


for path, digest in sorted(sources(client.connection.json("GET", f"/api/v1/lineage/row/{curves['id'][0]}"))):
    print(f"{path}  SHA-256 {digest[:16]}…")
