"""The part that makes the jobs of schedules."""

from entrepot.jobs.scheduler import Scheduler
from entrepot.server.child import Ready, stop_on_sigterm
from entrepot.server.services import Services
from entrepot.settings import Settings


def run(settings: Settings, ready: Ready) -> None:
    """Make them until SIGTERM."""
    stop = stop_on_sigterm()
    services = Services.open(settings)
    ready()
    Scheduler(services.database).run(stop)
    services.close()
