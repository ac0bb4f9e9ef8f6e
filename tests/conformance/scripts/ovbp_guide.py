"""The documented day of an ovbpclient user: the same calls, in the same order, showing the same things."""

import datetime as dt
import os

import pandas as pd
from ovbp_session import ORGANIZATION, Session

from ovbpclient import RecordDoesNotExistError

PARSE = """
import pandas as pd

def parse(content_bytes, rel_path, **tools):
    return pd.read_json(content_bytes)

"""
ANALYZE = """
import pandas as pd

def analyze(df, **tools):
    return pd.DataFrame({"a-output": df.mean(axis=1)})

"""


def guide(session):
    client, show = session.client, session.show
    project_name = session.arguments["project"]

    organization = client.get_organization(ORGANIZATION)
    try:
        project = organization.get_project(project_name)
    except RecordDoesNotExistError:
        project = organization.create_project(project_name)
    show("project", project)
    show("project", project.data)
    project = client.get_project(ORGANIZATION, project_name)

    try:
        gate = project.get_gate("gate")
    except RecordDoesNotExistError:
        gate = project.create_gate("gate", comment="documentation gate")
        gate.attach_internal_ftp_account()

    df = pd.DataFrame(
        dict(a=[1] * 24, b=[2] * 24, c=[3] * 24), index=pd.date_range("01/01/2012", periods=24, freq="H")
    )
    with gate.get_ftputil_client() as ftp_client:
        with ftp_client.open("first.json", "w") as f:
            f.write(df.to_json())

    try:
        importer = project.get_importer("importer-a")
    except RecordDoesNotExistError:
        importer = project.create_importer("importer-a", comment="documentation importer")
        importer.configure(gate, parse_script=PARSE, crontab="0 0 0 1 1 *")
    show("importer", importer)
    show("importer", importer.data)

    task = importer.run()
    if not importer.active:
        importer.activate()
    importer.deactivate()
    session.finish(task)
    importer_series = importer.list_all_output_series()
    for se in importer_series:
        show("importer series", se)
    show(
        "importer frame",
        client.series.select_data(
            importer_series, start=dt.datetime(2012, 1, 1, 6), end=dt.datetime(2012, 1, 1, 12)
        ),
    )
    show("one series", importer_series[0].select_data(end=dt.datetime(2012, 1, 1, 4)))

    cleaner = project.get_cleaner("importer-a")
    show("cleaner", cleaner)
    show("cleaner", cleaner.data)
    for uc in cleaner.list_all_unitcleaners():
        uc.delete()
    for se in cleaner.list_all_importer_series():
        cleaner.create_unitcleaner(se.name, name=f"{se.name}-cleaned", freq="1H")
    unitcleaners = cleaner.list_all_unitcleaners()
    for uc in unitcleaners:
        show("unitcleaners", uc)
    xlsx_path = os.path.abspath("importer-a.xlsx")
    cleaner.export_configuration_to_excel(xlsx_path)
    cleaner.configure_from_excel(xlsx_path)

    session.wait(lambda: len(s := cleaner.list_all_output_series()) == 3 and session.points(s) == 22)
    cleaner_series = cleaner.list_all_output_series()
    for se in cleaner_series:
        show("cleaner series", se)
    show("cleaner frame", client.series.select_data(cleaner_series, end=dt.datetime(2012, 1, 1, 4)))

    try:
        analysis = project.get_analysis("analysis-a")
    except RecordDoesNotExistError:
        analysis = project.create_analysis("analysis-a", comment="documentation analysis")
    show("analysis", analysis)
    show("analysis", analysis.data)

    analysis_inputs = analysis.list_all_analysis_inputs()
    if len(analysis_inputs) == 0:
        for name in [uc.name for uc in unitcleaners if uc.name[0] in ("a", "b")]:
            analysis.create_analysis_input(cleaner, name, name)
        analysis_inputs = analysis.list_all_analysis_inputs()
    for ai in analysis_inputs:
        show("analysis inputs", ai)
    analysis_outputs = analysis.list_all_analysis_outputs()
    if len(analysis_outputs) == 0:
        analysis.create_analysis_output("a-output", "mean", unit="°C")
        analysis_outputs = analysis.list_all_analysis_outputs()
    for ao in analysis_outputs:
        show("analysis outputs", ao)
    if analysis.get_analysis_config() is None:
        analysis.create_analysis_config("3H", "3H", ANALYZE)
    analysis.reload()
    show("configured analysis", analysis.data)

    task = analysis.run()
    if not analysis.active:
        analysis.activate()
    session.finish(task)
    session.wait(lambda: session.points(analysis.list_all_output_series()) == 6)
    analysis_series = analysis.list_all_output_series()
    show("analysis frame", client.series.select_data(analysis_series))

    for place, records in (
        ("gates", project.list_all_gates()),
        ("importers", project.list_all_importers()),
        ("cleaners", project.list_all_cleaners()),
        ("analyses", project.list_all_analyses()),
        ("notifications", project.list_all_notifications(resolved=False)),
    ):
        session.notes[place] = []
        for record in records:
            show(place, record)

    project_series = project.list_all_series()
    for se in client.series.export_download_and_parse_data(project_series):
        show("exported series", se)
    show(
        "exported frame",
        client.series.export_download_and_parse_data(
            project_series, out_mode="dataframe", out_freq="1H", clock="tzt"
        ),
    )


session = Session()
try:
    guide(session)
    session.end(error=None)
except AttributeError as error:
    session.end(error=str(error))
