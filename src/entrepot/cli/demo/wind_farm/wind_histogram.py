import numpy as np


def rows(df, **tools):
    """The hours of each turbine by wind speed, in bins of 1 m/s."""
    rows = []
    for column in df.columns:
        turbine, speeds = column.split()[0], df[column].dropna()
        if speeds.empty:
            continue
        edges = np.arange(np.floor(speeds.max()) + 2)
        rows.append(
            {
                "short_description": turbine,
                "location": turbine,
                "name_col1": "bin_left",
                "units_col1": "m/s",
                "value_col1": edges[:-1],
                "name_col2": "value",
                "units_col2": "count",
                "value_col2": np.histogram(speeds, edges)[0],
                "name_col3": "bin_right",
                "units_col3": "m/s",
                "value_col3": edges[1:],
                "additional_data": {
                    "analysis_kind": "histogram",
                    "result_scope": "location",
                    "scope_label": turbine,
                    "series_key": turbine,
                },
            }
        )
    return rows
