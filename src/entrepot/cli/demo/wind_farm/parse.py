import pandas as pd


def parse(content, path, **tools):
    turbine = path.split("/")[0]
    frame = pd.read_csv(content, index_col="Date_time")
    frame.index = pd.to_datetime(frame.index, utc=True)
    return frame.add_prefix(f"{turbine} ")
