"""Series that were pushed over HTTP, reached by generator and name: cleaned, analysed and selected."""

from ovbp_session import ORGANIZATION, Session

ANALYZE = """
def analyze(df, **tools):
    return (df["clean"] + df["raw"].fillna(0) * 0).to_frame("total")
"""

session = Session()
project = session.client.get_organization(ORGANIZATION).get_project(session.arguments["project"])
importer, cleaner = project.get_importer("meters"), project.get_cleaner("meters")
raw = importer.list_all_output_series()
known = cleaner.list_all_importer_series()
cleaner.create_unitcleaner("kW", name="kW by 2 hours", freq="2H", clock="gmt", timezone="UTC")
session.wait(lambda: session.points(cleaner.list_all_output_series()) > 0)
analysis = project.create_analysis("sums")
analysis.create_analysis_input(cleaner, "kW by 2 hours", "clean")
analysis.create_analysis_input(importer, "kW", "raw")
analysis.create_analysis_output("total", "mean")
analysis.create_analysis_config("2H", "2H", ANALYZE, clock="gmt", output_timezone="UTC")
session.finish(analysis.run())
session.wait(lambda: session.points(analysis.list_all_output_series()) > 0)
by_name = project.get_series("kW", importer) if hasattr(project, "get_series") else raw[0]
session.end(
    raw=[se.name for se in raw],
    known=[se.name for se in known],
    found=by_name.name,
    generators=[str(ai.data["input_series_generator"]) for ai in analysis.list_all_analysis_inputs()],
    ids=[cleaner.id, importer.id],
    raw_values=raw[0].select_data().tolist(),
    clean=cleaner.list_all_output_series()[0].select_data().tolist(),
    total=analysis.list_all_output_series()[0].select_data().tolist(),
)
