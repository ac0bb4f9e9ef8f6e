import numpy as np

BIN = 0.5  # m/s


def rows(df, **tools):
    """The mean power of each turbine over its mean wind speed, by bins of wind speed, and the hours in each bin."""
    rows = []
    for turbine in dict.fromkeys(column.split()[0] for column in df.columns):
        both = df[[f"{turbine} wind", f"{turbine} power"]].dropna()
        both.columns = ["wind", "power"]
        bins = both.groupby(np.floor(both["wind"] / BIN))
        if both.empty:
            continue
        rows.append(
            {
                "short_description": turbine,
                "location": turbine,
                "name_col1": "wind_speed",
                "units_col1": "m/s",
                "value_col1": bins["wind"].mean(),
                "name_col2": "power",
                "units_col2": "kW",
                "value_col2": bins["power"].mean(),
                "name_col3": "hours",
                "units_col3": "count",
                "value_col3": bins.size(),
                "additional_data": {"analysis_kind": "comparison", "result_scope": "location"},
            }
        )
    return rows
