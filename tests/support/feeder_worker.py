"""A worker process for tests that kill it: runs of feeders, and imports with scripts run in place."""

import faulthandler
import signal
import threading
from pathlib import Path

from entrepot import jobs
from entrepot.db import Database
from entrepot.identity import Vault
from entrepot.jobs.worker import Worker
from entrepot.pipeline.feeders import arrivals, feed_run
from entrepot.settings import Settings
from tests.support.pipeline_worker import InPlaceScripts


def work(url: str, data_dir: str, lease_seconds: float) -> None:
    """Do jobs until killed."""
    faulthandler.register(signal.SIGUSR1)
    feed_run._BATCH_FILES = 3  # more moments to be killed at
    assert arrivals
    jobs.load(("entrepot.pipeline.importing.run", "entrepot.pipeline.cleaning.run"))
    database = Database(url)
    settings = Settings(data_dir=Path(data_dir), webhook_allowed_networks=["127.0.0.1/32"])
    settings = settings.model_copy(update={"job_lease_seconds": lease_seconds})  # shorter than an operator may choose
    services = {"scripts": InPlaceScripts(), "vault": Vault.open(settings.secret_key_file)}
    Worker(database, settings, services, slots=2).run(threading.Event())
