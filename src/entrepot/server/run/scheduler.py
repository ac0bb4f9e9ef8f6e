"""The part that makes the jobs of schedules."""

import importlib
import signal

from entrepot.jobs.scheduler import Scheduler
from entrepot.server.child import Ready
from entrepot.server.handlers import SCHEDULES
from entrepot.server.services import Services
from entrepot.settings import Settings
from entrepot.signals import stop_on


def run(settings: Settings, ready: Ready) -> None:
    """Make them until SIGTERM."""
    stop = stop_on(signal.SIGTERM)
    services = Services.open(settings)
    modules = [importlib.import_module(name) for name in SCHEDULES]
    with services.database.write() as session:
        for module in modules:
            module.schedule(session)
    ready()
    Scheduler(services.database).run(stop)
    services.close()
