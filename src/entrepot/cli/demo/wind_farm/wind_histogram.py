import numpy as np


def rows(frame, **tools):
    """The hours of each turbine by wind speed, in bins of 1 m/s."""
    for column in frame.columns:
        turbine, speeds = column.split()[0], frame[column].dropna()
        if speeds.empty:
            continue
        edges = np.arange(np.floor(speeds.max()) + 2)
        yield {
            "name": turbine,
            "location": turbine,
            "bin_left": (edges[:-1], "m/s"),
            "value": (np.histogram(speeds, edges)[0], "count"),
            "bin_right": (edges[1:], "m/s"),
            "extra": {
                "analysis_kind": "histogram",
                "result_scope": "location",
                "scope_label": turbine,
                "series_key": turbine,
            },
        }
