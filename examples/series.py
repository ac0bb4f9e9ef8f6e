"""From a file on a gate to a computed series: the guide of Openergy's platform, in short."""

import os

import pandas as pd

import entrepot
from entrepot.client.ovbp import Client, RecordDoesNotExistError

me = entrepot.connect().me()  # ENTREPOT_URL and ENTREPOT_TOKEN
client = Client(token=os.environ["ENTREPOT_TOKEN"], url=f"{os.environ['ENTREPOT_URL']}/ovbp/api/v2")
organization = client.get_organization(me["organizations"][0]["name"])
try:
    project = organization.get_project("series example")
except RecordDoesNotExistError:
    project = organization.create_project("series example")
    gate = project.create_gate("gate")
    importer = project.create_importer("meter")
    script = """
import pandas as pd

def parse(content_bytes, rel_path, **tools):
    return pd.read_csv(content_bytes, index_col=0, parse_dates=True)
"""
    importer.configure(gate, parse_script=script)

# A day of a meter, every ten minutes, in kW.
frame = pd.DataFrame({"power": range(144)}, pd.date_range("2024-01-01", periods=144, freq="10min"))
with project.get_gate("gate").get_ftputil_client() as ftp, ftp.open("2024-01-01.csv", "w") as file:
    file.write(frame.to_csv())

importer = project.get_importer("meter")
importer.run().wait_for_completion()

cleaner = project.get_cleaner("meter")
if not cleaner.list_all_unitcleaners():
    cleaner.create_unitcleaner(
        "power", name="hourly power", freq="1H", input_unit_type="mean", unit_type="mean", unit="kW"
    )
cleaner.run().wait_for_completion()

try:
    analysis = project.get_analysis("energy")
except RecordDoesNotExistError:
    analysis = project.create_analysis("energy")
    analysis.create_analysis_input(cleaner, "hourly power", "power")
    analysis.create_analysis_output("energy", "sum", unit="kWh")
    script = """
def analyze(df, **tools):
    return df.resample("6h").sum().rename(columns={"power": "energy"})
"""
    analysis.create_analysis_config("1H", "6H", script)
analysis.run().wait_for_completion()

print(client.series.select_data(analysis.list_all_output_series()))
