"""What happens to data."""

from entrepot.client.ovbp.analyses import Analysis
from entrepot.client.ovbp.cleaners import Cleaner
from entrepot.client.ovbp.ftp import FtpAccount, FtpEntry, GateFtpAccount
from entrepot.client.ovbp.gates import BaseFeeder, Gate
from entrepot.client.ovbp.generators import ActiveModelMixin, GeneratorModelMixin
from entrepot.client.ovbp.importers import Importer
from entrepot.client.ovbp.projects import OdataProject as Project
from entrepot.client.ovbp.series import Series
from entrepot.client.ovbp.tasks import Task

__all__ = [
    "ActiveModelMixin",
    "Analysis",
    "BaseFeeder",
    "Cleaner",
    "FtpAccount",
    "FtpEntry",
    "Gate",
    "GateFtpAccount",
    "GeneratorModelMixin",
    "Importer",
    "Project",
    "Series",
    "Task",
]
