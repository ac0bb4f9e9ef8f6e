RATED_POWER = 2050  # kW


def analyze(frame, **tools):
    return frame.resample("D").mean() / RATED_POWER
