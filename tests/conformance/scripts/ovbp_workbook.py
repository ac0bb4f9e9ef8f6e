"""A configuration workbook written and read without a server."""

import json
import sys

from ovbpclient.models.base import BaseModel
from ovbpclient.models.odata import Cleaner
from ovbpclient.models.odata.cleaner import excel_to_unitcleaners_data


class Endpoint:
    """What a record needs of the collection that it belongs to."""

    client = None
    path = "odata/records"


class OfflineCleaner(Cleaner):
    """A cleaner that has its records at hand."""

    def get_odata_project(self):
        return BaseModel(Endpoint, {"name": "Project"})

    def list_all_unitcleaners(self):
        return [BaseModel(Endpoint, data) for data in arguments["unitcleaners"]]

    def list_all_importer_series(self):
        return [BaseModel(Endpoint, {"external_name": "raw", "unitcleaner": None})]


given, taken = sys.argv[1:3]
with open(given) as f:
    arguments = json.load(f)
if "write" in arguments:
    OfflineCleaner(Endpoint, {"id": "c", "name": "cleaner"}).export_configuration_to_excel(arguments["write"])
read = excel_to_unitcleaners_data(arguments["read"]) if "read" in arguments else []
with open(taken, "w") as f:
    json.dump(read, f)
