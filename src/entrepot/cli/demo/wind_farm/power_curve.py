import numpy as np

BIN = 0.5  # m/s


def rows(frame, **tools):
    """The mean power of each turbine over its mean wind speed, by bins of wind speed, and the hours in each bin."""
    for turbine in dict.fromkeys(column.split()[0] for column in frame.columns):
        both = frame[[f"{turbine} wind", f"{turbine} power"]].dropna()
        both.columns = ["wind", "power"]
        if both.empty:
            continue
        bins = both.groupby(np.floor(both["wind"] / BIN))
        yield {
            "name": turbine,
            "location": turbine,
            "wind_speed": (bins["wind"].mean(), "m/s"),
            "power": (bins["power"].mean(), "kW"),
            "hours": (bins.size(), "count"),
            "extra": {"analysis_kind": "comparison", "result_scope": "location"},
        }
