"""Two exports right after each other: each call gets its own archive."""

import pandas as pd
from ovbp_session import Session, describe

from ovbpclient.models.odata import Task

session = Session()
client = session.client
frame = pd.DataFrame({"x": 1.0, "y": 2.0}, index=pd.date_range("2020-01-01", periods=10, freq="1H"))
project, importer = session.imported(session.arguments["project"], frame)
x, y = sorted(importer.list_all_output_series(), key=lambda series: series.name)

# Two whole calls shall fit into one second, so the client looks after its tasks more often than its default.
Task.wait_for_completion.__defaults__ = (20, True)
exported = [client.series.export_download_and_parse_data([series]) for series in (x, y, x, y)]
names = [entry.name for entry in client.users.retrieve("me").get_odata_ftp_account().list_dir("series_exports")]
empty = client.series.export_download_and_parse_data([x], start="2030-01-01", out_mode="dataframe")
session.end(exported=describe(exported), names=names, empty=describe(empty))
