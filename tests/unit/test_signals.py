"""Signals that come at any moment."""

import os
import signal
import subprocess
import sys

WAITER = """
import signal
from entrepot.signals import stop_on
stop = stop_on(signal.SIGTERM)
print("ready", flush=True)
while not stop.wait(0):
    pass
"""


def test_a_process_ends_wherever_in_its_waiting_the_signal_finds_it() -> None:
    # Within the handler, about every second of these waited for a lock that it held itself.
    for _ in range(10):
        with subprocess.Popen([sys.executable, "-c", WAITER], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            os.kill(process.pid, signal.SIGTERM)
            try:
                assert process.wait(30) == 0
            finally:
                process.kill()
