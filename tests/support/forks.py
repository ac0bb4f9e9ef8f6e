"""Processes that start within milliseconds and share nothing with the test's own: forked from one that imported all."""

import multiprocessing
from multiprocessing.context import ForkServerContext

#: What they do. There is one process to fork from, which imports all of it when the first of them starts.
_IMPORTED = (
    "tests.integration.jobs.processes",
    "tests.integration.works.finisher",
    "tests.support.feeder_worker",
    "tests.support.pipeline_worker",
    "tests.support.series_worker",
)


def context() -> ForkServerContext:
    """Return what starts them."""
    forkserver = multiprocessing.get_context("forkserver")
    forkserver.set_forkserver_preload([*_IMPORTED])
    return forkserver
