"""The part that does jobs."""

import signal

from entrepot import jobs
from entrepot.engines.opening import open_engine
from entrepot.jobs.worker import Worker
from entrepot.pipeline.generators import finding
from entrepot.scripts import ScriptRunner
from entrepot.server.child import Ready
from entrepot.server.handlers import HANDLERS, STYLES
from entrepot.server.services import Services
from entrepot.settings import Settings
from entrepot.signals import stop_on

#: Of the ten seconds that the supervisor gives; what is left is for the release of unfinished jobs.
GRACE_SECONDS = 5.0


def run(settings: Settings, ready: Ready) -> None:
    """Do jobs until SIGTERM."""
    stop = stop_on(signal.SIGTERM)
    services = Services.open(settings)
    jobs.load((*HANDLERS, *STYLES))
    sandboxed = {"auto": None, "required": True, "off": False}[settings.sandbox]
    engine = open_engine(settings, services.database)
    with ScriptRunner(sandboxed=sandboxed, data_dir=settings.data_dir.absolute(), engine=engine) as scripts:
        with services.database.read() as session:
            scripted = finding.any_scripted(session)
        if scripted:
            scripts.start()
        offered = {"scripts": scripts, "settings": settings, "vault": services.vault}
        worker = Worker(services.database, settings, offered, slots=settings.job_slots)
        ready()
        worker.run(stop, grace_seconds=GRACE_SECONDS)
    services.close()
