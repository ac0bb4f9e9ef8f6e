"""An analysis and its rows, uploaded, updated, asked for and plotted: OWI-Lab's upload guide, in short."""

import os
from datetime import UTC, datetime

from entrepot.client.owi import (
    AnalysisDefinition,
    AnalysisKind,
    DjangoAnalysisSerializer,
    DjangoResultSerializer,
    ResultsAPI,
    ResultScope,
    ResultSeries,
    ResultVector,
    plot_rows,
)

api = ResultsAPI(api_root=f"{os.environ['ENTREPOT_URL']}/owi/api/v1", token=os.environ["ENTREPOT_TOKEN"])


def made(path: str, **fields: object) -> int:
    """Return the id of what has this title, made if there is none."""
    found = api.send("GET", path).json()
    same = [one["id"] for one in found if one["title"] == fields["title"]]
    return same[0] if same else api.send("POST", path, fields).json()["id"]


site = made("/locations/projectsites/", title="Belwind")
model = made("/geometry/routes/modeldefinitions/", title="as-designed Belwind", project=site)
turbines = {
    title: made("/locations/assetlocations/", title=title, projectsite=site, northing=51.67 + n / 100, easting=2.8)
    for n, title in enumerate(("BBA01", "BBA02", "BBA03"))
}

# An analysis is known by its name, model definition, timestamp and location.
definition = AnalysisDefinition(
    name="LifetimeDesignFrequencies",
    model_definition_id=model,
    source_type="notebook",
    timestamp=datetime(2026, 3, 31, 12, tzinfo=UTC),
    additional_data={"sheet_name": "Lifetime - Design frequencies"},
)
found = api.get_analysis(name=definition.name, model_definition__id=model, timestamp=definition.timestamp)
analysis = found if found["exists"] else api.create_analysis(DjangoAnalysisSerializer().to_payload(definition))
analysis_id = int(analysis["id"])

# A row has two or three vectors of the same length, each with a name and a unit.
rows = [
    ResultSeries(
        analysis_name=definition.name,
        analysis_kind=AnalysisKind.COMPARISON,
        result_scope=ResultScope.LOCATION,
        short_description=f"{turbine} - FA1",
        site_id=site,
        location_id=location,
        data_additional={"reference_labels": ["INFL", "ACTU", "FLEX"]},
        vectors=[
            ResultVector(name="reference_index", unit="index", values=[0, 1, 2]),
            ResultVector(name="FA1", unit="Hz", values=[0.3406, 0.333 + n / 100, 0.3254]),
        ],
    )
    for n, (turbine, location) in enumerate(turbines.items())
]
payloads = [DjangoResultSerializer().to_payload(row, analysis_id=analysis_id) for row in rows]
# All or none, in one request; rows that exist are known by their short description.
for one in api.create_or_update_results_bulk(payloads)["summary"]:
    print(one["short_description"], one["action"])

table = api.list_results(analysis=analysis_id, short_description__startswith="BBA0", location__isnull=False)["data"]
print(table[["short_description", "value_col2"]].to_string(index=False))
print(plot_rows(table, unit="mHz").save("frequencies.html"))
print(plot_rows(table, "map", locations=api.get_locations()).save("frequencies.png"))
