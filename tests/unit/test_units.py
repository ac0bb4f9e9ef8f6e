"""What conversions need is built once, whoever comes first, and keeps no thread that a fork would miss."""

import subprocess
import sys

CODE = """
import os
import threading
import time

import numpy as np
import pint

from entrepot import units

built, results, threads = [], [], len(os.listdir("/proc/self/task"))
registry = pint.UnitRegistry

def counted(**options):
    built.append(threading.current_thread().name)
    return registry(**options)

pint.UnitRegistry = counted
together = threading.Barrier(4)

def convert():
    together.wait()
    results.append(float(units.convert(np.array([2.0]), "kW", "W")[0]))

def prepare():
    together.wait()
    units.prepare()

working = [threading.Thread(target=one) for one in (prepare, convert, convert, convert)]
for one in working:
    one.start()
for one in working:
    one.join()
assert results == [2000.0] * 3, results
assert len(built) == 1, built
deadline = time.monotonic() + 10  # one that was joined may be seen for a moment more
while len(os.listdir("/proc/self/task")) != threads:
    assert time.monotonic() < deadline
"""


def test_conversions_during_preparation_wait_for_the_same_registry() -> None:
    ran = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stderr) == (0, "")
