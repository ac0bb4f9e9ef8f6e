"""A project with more series than fit on two pages."""

import pandas as pd
from ovbp_session import Session

session = Session()
names = [f"series-{number:03}" for number in range(450)]
frame = pd.DataFrame(1.0, index=pd.date_range("2020-01-01", periods=3, freq="1H"), columns=names)
project, importer = session.imported(session.arguments["project"], frame)
series = project.list_all_series()
session.end(
    names=[se.name for se in series],
    ids=[se.id for se in series],
    of_importer=len(importer.list_all_output_series()),
    importer_series=len(project.get_cleaner("importer").list_all_importer_series()),
)
