import pandas as pd


def parse(content_bytes, rel_path, **tools):
    turbine = rel_path.split("/")[0]
    df = pd.read_csv(content_bytes, index_col="Date_time")
    df.index = pd.to_datetime(df.index, utc=True)
    return df.add_prefix(f"{turbine} ")
