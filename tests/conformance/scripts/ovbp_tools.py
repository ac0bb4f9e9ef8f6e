"""The tools that come with the client, on a project with one of everything, and on the whole organization."""

import os

import pandas as pd
from ovbp_session import ORGANIZATION, Session

from ovbpclient import RecordDoesNotExistError, tools

ANALYZE = "def analyze(df, **tools):\n    return df.rename(columns={'a': 'out'})\n"


def one_of_everything(session, name):
    frame = pd.DataFrame({"a": 1.0}, index=pd.date_range("2020-01-01", periods=24, freq="1H"))
    project, importer = session.imported(name, frame)
    fed = project.create_gate("fed", comment="has a feeder")
    feeder = fed.create_base_feeder(timezone="Europe/Paris", crontab="0 0 0 1 1 *")
    session.client.generic_basic_feeders.create(base_feeder=feeder.id, script="def feed(**tools):\n    pass\n")
    project.get_gate("fed").activate()
    importer.activate()
    cleaner = project.get_cleaner("importer")
    cleaner.create_unitcleaner("a", name="a-cleaned", freq="1H")
    analysis = project.create_analysis("analysis")
    analysis.create_analysis_input(cleaner, "a-cleaned", "a")
    analysis.create_analysis_output("out", "mean")
    analysis.create_analysis_config("1H", "1H", ANALYZE)
    analysis.activate()
    session.wait(lambda: session.points(analysis.list_all_output_series()) > 0)
    return project


def files_of(folder):
    found = []
    for root, _, names in os.walk(folder):
        found += [os.path.relpath(os.path.join(root, name), folder) for name in names]
    return sorted(found)


def state(project):
    gates = {gate.name: gate.get_base_feeder() for gate in project.list_all_gates()}
    return {
        "feeders": {name: feeder and feeder.active for name, feeder in gates.items()},
        "importers": {importer.name: importer.active for importer in project.list_all_importers()},
        "analyses": {analysis.name: analysis.active for analysis in project.list_all_analyses()},
    }


session = Session()
organization = session.client.get_organization(ORGANIZATION)
project = one_of_everything(session, "Tools")
results = {"active": state(project)}

tools.download_project(project, "project")
results["downloaded"] = files_of("project")
tools.deactivate_project(project)
results["deactivated"] = state(project)
tools.deactivate_project(project)
tools.clear_project(project)
session.wait(lambda: not project.list_all_series())
results["cleared"] = [series.name for series in project.list_all_series()]
tools.delete_project(project)
try:
    organization.get_project("Tools")
except RecordDoesNotExistError:
    results["deleted"] = True

for name in ("First", "Second"):
    one_of_everything(session, name)
tools.download_organization(organization, "organization")
results["downloaded_organization"] = files_of("organization")
tools.deactivate_organization(organization)
tools.clear_organization(organization)
tools.delete_organization(organization)
results["projects"] = [project.name for project in organization.list_all_projects()]
session.end(**results)
