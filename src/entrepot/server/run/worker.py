"""The part that does jobs."""

from entrepot import jobs
from entrepot.jobs.worker import Worker
from entrepot.scripts import ScriptRunner
from entrepot.server.child import Ready, stop_on_sigterm
from entrepot.server.handlers import HANDLERS, STYLES
from entrepot.server.services import Services
from entrepot.settings import Settings

#: Of the ten seconds that the supervisor gives; what is left is for the release of unfinished jobs.
GRACE_SECONDS = 5.0


def run(settings: Settings, ready: Ready) -> None:
    """Do jobs until SIGTERM."""
    stop = stop_on_sigterm()
    services = Services.open(settings)
    jobs.load((*HANDLERS, *STYLES))
    sandboxed = {"auto": None, "required": True, "off": False}[settings.sandbox]
    with ScriptRunner(sandboxed=sandboxed, data_dir=settings.data_dir.absolute()) as scripts:
        scripts.start()
        offered = {"scripts": scripts, "settings": settings, "vault": services.vault}
        worker = Worker(services.database, settings, offered, slots=settings.job_slots)
        ready()
        worker.run(stop, grace_seconds=GRACE_SECONDS)
    services.close()
