RATED_POWER = 2050  # kW


def analyze(df, **tools):
    return df.resample("D").mean() / RATED_POWER
