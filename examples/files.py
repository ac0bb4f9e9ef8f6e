"""A file published, found, downloaded, checked and acknowledged: ricloud's guide, in short."""

import os
import tempfile
from pathlib import Path

import entrepot
from entrepot.client import ricloud

ricloud.url, ricloud.token = f"{os.environ['ENTREPOT_URL']}/ricloud/", os.environ["ENTREPOT_TOKEN"]

with tempfile.TemporaryDirectory() as folder:
    report = Path(folder) / "report.csv"
    report.write_text("turbine,factor\nR80711,0.31\n")
    published = entrepot.connect().files.publish(report, identifier="monthly-report")

# Whoever waits for it asks for what is new, takes it and says so; a webhook would tell at once.
for result in ricloud.Result.list(identifier="monthly-report"):
    content = result.download()  # checked against its checksum; goes on where it broke off
    print(result.state, result.size, "bytes, MD5", result.checksum)
    print(content.decode().splitlines()[1])
    result.acknowledge()
    print(result.state)
