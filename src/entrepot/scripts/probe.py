"""A call without a script: what `sandbox.obstacle` runs to see whether calls can have cells here."""

import os
import sys
from pathlib import Path

from .confine import confine, make_job
from .limits import MIB, Limits


def probe() -> None:
    """Make a cell, enter it as a script would, and end; whatever fails ends this process with the reason."""
    limits = Limits(disk=MIB)
    job = make_job(Path("probe"), limits, cells=True, network=False)
    assert job.cell is not None
    child = os.fork()
    if child == 0:
        code = 1
        try:
            job.cell.enter()
            confine(job, limits)
            code = 0
        except OSError as error:
            sys.stderr.write(f"{error.strerror or error}\n")
            sys.stderr.flush()
        finally:
            os._exit(code)
    _, ended = os.waitpid(child, 0)
    job.cell.kill()
    os.waitpid(job.cell.first, 0)
    sys.exit(os.waitstatus_to_exitcode(ended))
