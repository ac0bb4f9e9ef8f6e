"""What `import entrepot; entrepot.connect` takes beside `import pandas`: the least of some runs of each.

In seconds of the processor, which do not depend on what else the machine does.
"""

import os
import subprocess
import sys

RUNS = 9
PANDAS, OURS = "import pandas", "import pandas, entrepot; entrepot.connect"


def seconds(code: str) -> float:
    before = os.times()
    subprocess.run([sys.executable, "-c", code], check=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


if __name__ == "__main__":
    taken = [(seconds(PANDAS), seconds(OURS)) for _ in range(RUNS)]
    pandas, ours = (min(column) for column in zip(*taken, strict=True))
    print(f"pandas {pandas * 1000:.0f} ms, with entrepot {ours * 1000:.0f} ms: {(ours - pandas) * 1000:.0f} ms more")
