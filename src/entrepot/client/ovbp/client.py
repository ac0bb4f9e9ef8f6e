"""The client: where everything begins."""

import getpass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from entrepot.client.ovbp.analyses import Analysis
from entrepot.client.ovbp.cleaners import Cleaner
from entrepot.client.ovbp.endpoints import BaseEndpoint, SeriesEndpoint
from entrepot.client.ovbp.ftp import FtpAccount, GateFtpAccount
from entrepot.client.ovbp.gates import BaseFeeder, Gate
from entrepot.client.ovbp.importers import Importer
from entrepot.client.ovbp.projects import OdataProject, Organization, Project, User
from entrepot.client.ovbp.records import BaseModel
from entrepot.client.ovbp.rest_client import RestClient
from entrepot.client.ovbp.series import Series
from entrepot.client.ovbp.tasks import Task
from entrepot.client.ovbp.util import get_one_and_only_one


class Client:
    """A connection to a server; may be used as a context manager, which closes it.

    Parameters
    ----------
    auth_buffer_or_path
        A text file, open or by its path: the first line is the login, the second the password. None: `login` and
        `password` say it, and whichever is missing is asked for.
    url
        Where the interface begins, such as ``https://entrepot.example.org/ovbp/api/v2``.
    verify_ssl
        Whether the server's certificate is checked; or the path of a file with the authorities to trust.
    login, password
        In place of a file.
    token
        An API key of Entrepot, in place of both.

    Attributes
    ----------
    organizations, projects, users : BaseEndpoint
        Who works on what.
    odata_users, user_ftp_accounts, odata_projects : BaseEndpoint
        What concerns their data.
    gates, base_feeders, generic_basic_feeders, static_webservice_feeders, gate_ftp_accounts : BaseEndpoint
        Where files come in.
    importers, importer_series, cleaners, unitcleaners : BaseEndpoint
        What makes series of files, and clean series of raw ones.
    analyses, analysis_configs, analysis_inputs, analysis_outputs : BaseEndpoint
        What computes series.
    series : SeriesEndpoint
        All series.
    base_feeder_tasks, importer_tasks, cleaner_tasks, analysis_tasks, series_export_tasks : BaseEndpoint
        What the server does.
    notifications : BaseEndpoint
        What somebody should look at.
    """

    def __init__(
        self,
        auth_buffer_or_path: str | Path | IO[Any] | None = None,
        url: str = "https://data.openergy.fr/api/v2",
        verify_ssl: bool | str | Path = True,
        *,
        login: str | None = None,
        password: str | None = None,
        token: str | None = None,
    ) -> None:
        if auth_buffer_or_path is not None:
            login, password = _credentials(auth_buffer_or_path)
        if token is None:
            login = input("Login: ") if login is None else login
            password = getpass.getpass() if password is None else password
        self.rest_client = RestClient(url, login or "", password or "", verify_ssl=verify_ssl, token=token)

        self.organizations = BaseEndpoint(self, "oteams/organizations", Organization)
        self.projects = BaseEndpoint(self, "oteams/projects", Project)
        self.users = BaseEndpoint(self, "oteams/users", User)

        self.odata_users = BaseEndpoint(self, "odata/users", BaseModel)
        self.user_ftp_accounts = BaseEndpoint(self, "odata/user_ftp_accounts", FtpAccount)
        self.odata_projects = BaseEndpoint(self, "odata/projects", OdataProject)

        self.gates = BaseEndpoint(self, "odata/gates", Gate)
        self.base_feeders = BaseEndpoint(self, "odata/base_feeders", BaseFeeder)
        self.generic_basic_feeders = BaseEndpoint(self, "odata/generic_basic_feeders", BaseModel)
        self.static_webservice_feeders = BaseEndpoint(self, "odata/static_webservice_feeder", BaseModel)
        self.gate_ftp_accounts = BaseEndpoint(self, "odata/gate_ftp_accounts", GateFtpAccount)
        self.base_feeder_tasks = BaseEndpoint(self, "odata/base_feeder_tasks", Task)

        self.importers = BaseEndpoint(self, "odata/importers", Importer)
        self.importer_tasks = BaseEndpoint(self, "odata/importer_tasks", Task)
        self.importer_series = BaseEndpoint(self, "odata/importer_series", BaseModel)

        self.cleaners = BaseEndpoint(self, "odata/cleaners", Cleaner)
        self.unitcleaners = BaseEndpoint(self, "odata/unitcleaners", BaseModel)
        self.cleaner_tasks = BaseEndpoint(self, "odata/cleaner_tasks", Task)

        self.analyses = BaseEndpoint(self, "odata/analyses", Analysis)
        self.analysis_configs = BaseEndpoint(self, "odata/analysis_configs", BaseModel)
        self.analysis_inputs = BaseEndpoint(self, "odata/analysis_inputs", BaseModel)
        self.analysis_outputs = BaseEndpoint(self, "odata/analysis_outputs", BaseModel)
        self.analysis_tasks = BaseEndpoint(self, "odata/analysis_tasks", Task)

        self.series = SeriesEndpoint(self, "odata/series", Series)
        self.series_export_tasks = BaseEndpoint(self, "odata/series_export_tasks", Task)

        self.notifications = BaseEndpoint(self, "odata/notifications", BaseModel)

    def get_organization(self, name: str) -> Organization:
        """Return the organization of this name; raise RecordDoesNotExistError where there is none."""
        return get_one_and_only_one(self.organizations.list(limit=2, filter_by={"name": name}))

    def get_project(self, organization_name: str, project_name: str) -> Project:
        """Return the project of this name; raise RecordDoesNotExistError where there is none."""
        return self.get_organization(organization_name).get_project(project_name)

    def close(self) -> None:
        """Close the connection."""
        self.rest_client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _credentials(source: str | Path | IO[Any]) -> tuple[str, str]:
    if isinstance(source, str | Path):
        text = Path(source).read_text(encoding="utf-8-sig")
    else:
        read = source.read()
        text = read.decode("utf-8-sig") if isinstance(read, bytes) else read
    login, *others = text.strip().splitlines() or [""]
    if not others:
        raise ValueError("Credentials are two lines: the login, then the password.")
    return login, others[0]
