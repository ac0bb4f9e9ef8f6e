"""How long `import entrepot; entrepot.connect` takes beside `import pandas`: the least of some runs of each."""

import subprocess
import sys
import time

RUNS = 9
PANDAS, OURS = "import pandas", "import pandas, entrepot; entrepot.connect"


def seconds(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


if __name__ == "__main__":
    # Turn by turn, so that what else the machine does is shared.
    taken = [(seconds(PANDAS), seconds(OURS)) for _ in range(RUNS)]
    pandas, ours = (min(column) for column in zip(*taken, strict=True))
    print(f"pandas {pandas * 1000:.0f} ms, with entrepot {ours * 1000:.0f} ms: {(ours - pandas) * 1000:.0f} ms more")
