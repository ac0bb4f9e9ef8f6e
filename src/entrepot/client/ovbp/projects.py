"""Organizations, their projects, and users."""

from typing import TYPE_CHECKING, Any

from entrepot.client.ovbp.ftp import FtpAccount
from entrepot.client.ovbp.records import BaseModel
from entrepot.client.ovbp.util import RecordT, get_one_and_only_one, given

if TYPE_CHECKING:
    from entrepot.client.ovbp.analyses import Analysis
    from entrepot.client.ovbp.cleaners import Cleaner
    from entrepot.client.ovbp.endpoints import BaseEndpoint
    from entrepot.client.ovbp.gates import Gate
    from entrepot.client.ovbp.importers import Importer
    from entrepot.client.ovbp.series import Series


class Organization(BaseModel):
    """Who projects belong to."""

    def list_all_projects(self) -> "list[Project]":
        """Return its projects, by name."""
        return self.client.projects.list_all(filter_by={"organization": self.id})

    def get_project(self, name: str) -> "Project":
        """Return its project of this name; raise RecordDoesNotExistError where there is none."""
        found = self.client.projects.list(limit=2, filter_by={"name": name, "organization": self.id})
        return get_one_and_only_one(found)

    def create_project(self, name: str, comment: str = "") -> "Project":
        """Create a project."""
        return self.client.projects.create(organization=self.id, name=name, comment=comment)


class OdataProject(BaseModel):
    """What concerns data of a project."""

    def activate_mail_alerts(self) -> None:
        """Have notifications sent by mail too."""
        self.update(mail_alerts_activated=True)

    def deactivate_mail_alerts(self) -> None:
        """Have notifications no longer sent by mail."""
        self.update(mail_alerts_activated=False)


class Project(BaseModel):
    """A project: gates, importers, cleaners, analyses, their series and notifications.

    Names are exact and unique in a project for each kind. Its ``get_...`` methods raise RecordDoesNotExistError where
    there is nothing of that name.
    """

    @property
    def odata_id(self) -> str:
        """The id under which records of this project refer to it."""
        return _id(self.odata)

    def get_odata_project(self) -> OdataProject:
        """Return what concerns its data; ``reload()`` fills in all values."""
        data = self.odata if isinstance(self.odata, dict) else {"id": self.odata}
        return self.client.odata_projects.data_to_record(data)

    def create_gate(self, name: str, comment: str = "") -> "Gate":
        """Create a gate."""
        return self._create(self.client.gates, name, comment)

    def get_gate(self, name: str) -> "Gate":
        """Return the gate of this name."""
        return self._get(self.client.gates, name)

    def list_all_gates(self) -> "list[Gate]":
        """Return the gates, by name."""
        return self._list_all(self.client.gates)

    def create_importer(self, name: str, comment: str = "") -> "Importer":
        """Create an importer, and with it a cleaner of the same name."""
        return self._create(self.client.importers, name, comment)

    def get_importer(self, name: str) -> "Importer":
        """Return the importer of this name."""
        return self._get(self.client.importers, name)

    def list_all_importers(self) -> "list[Importer]":
        """Return the importers, by name."""
        return self._list_all(self.client.importers)

    def create_cleaner(self, name: str, comment: str = "") -> "Cleaner":
        """Create a cleaner; servers refuse it, because each importer comes with its own."""
        return self._create(self.client.cleaners, name, comment)

    def get_cleaner(self, name: str) -> "Cleaner":
        """Return the cleaner of this name, which is that of its importer."""
        return self._get(self.client.cleaners, name)

    def list_all_cleaners(self) -> "list[Cleaner]":
        """Return the cleaners, by name."""
        return self._list_all(self.client.cleaners)

    def create_analysis(self, name: str, comment: str = "") -> "Analysis":
        """Create an analysis."""
        return self._create(self.client.analyses, name, comment)

    def get_analysis(self, name: str) -> "Analysis":
        """Return the analysis of this name."""
        return self._get(self.client.analyses, name)

    def list_all_analyses(self) -> "list[Analysis]":
        """Return the analyses, by name."""
        return self._list_all(self.client.analyses)

    def list_all_series(self) -> "list[Series]":
        """Return the series, newest first."""
        return self._list_all(self.client.series)

    def list_all_notifications(self, resolved: bool | None = None) -> list[BaseModel]:
        """Return the notifications, newest first.

        Parameters
        ----------
        resolved
            Only those that are resolved, or that are not; None: all. ``notification.update(resolved=True)`` resolves
            one.
        """
        return self._list_all(self.client.notifications, resolved=resolved)

    def _create(self, endpoint: "BaseEndpoint[RecordT]", name: str, comment: str) -> RecordT:
        return endpoint.create(project=self.odata_id, name=name, comment=comment)

    def _get(self, endpoint: "BaseEndpoint[RecordT]", name: str) -> RecordT:
        return get_one_and_only_one(endpoint.list(limit=2, filter_by={"name": name, "project": self.odata_id}))

    def _list_all(self, endpoint: "BaseEndpoint[RecordT]", **others: Any) -> list[RecordT]:
        return endpoint.list_all(filter_by=given(project=self.odata_id, **others))


class User(BaseModel):
    """A user; ``client.users.retrieve("me")`` is the one that is logged in."""

    @property
    def odata_id(self) -> str:
        """The id under which the user's FTP account is found."""
        return _id(self.odata)

    def get_odata_user(self) -> BaseModel:
        """Return what concerns data of the user."""
        return self.client.odata_users.retrieve(self.odata_id)

    def get_odata_ftp_account(self) -> FtpAccount:
        """Return the user's own FTP account, where exports are."""
        return self.client.user_ftp_accounts.retrieve(_id(self.get_odata_user().ftp_account))


def _id(reference: Any) -> str:
    """Return the id of another record, which may be nested."""
    found: str = reference["id"] if isinstance(reference, dict) else reference
    return found
