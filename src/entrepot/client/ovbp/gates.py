"""Gates, where files come in, and the feeders that fetch files into them."""

from typing import TYPE_CHECKING

import ftputil

from entrepot.client.ovbp.ftp import GateFtpAccount
from entrepot.client.ovbp.generators import ActiveModelMixin
from entrepot.client.ovbp.records import BaseModel
from entrepot.client.ovbp.tasks import Task
from entrepot.client.ovbp.util import given

if TYPE_CHECKING:
    from entrepot.client.ovbp.endpoints import BaseEndpoint


class BaseFeeder(ActiveModelMixin):
    """What fetches files into a gate, on a crontab."""

    @property
    def _tasks_endpoint(self) -> "BaseEndpoint[Task]":
        return self.client.base_feeder_tasks

    def get_child(self) -> BaseModel | None:
        """Return the record that says how it fetches; None where there is none yet."""
        if self.child_id is None:
            return None
        endpoints = {
            "genericbasicfeeder": self.client.generic_basic_feeders,
            "staticwebservicefeeder": self.client.static_webservice_feeders,
        }
        if self.child_model not in endpoints:
            raise RuntimeError(f"This client does not know feeders of the kind {self.child_model!r}.")
        return endpoints[self.child_model].retrieve(self.child_id)

    def feed(self) -> Task:
        """Fetch once, active or not."""
        return self._task("post", "feed")


class Gate(BaseModel):
    """Where files come in: an FTP folder."""

    def attach_internal_ftp_account(self) -> GateFtpAccount:
        """Have the gate's files kept by the platform itself, and return the account to send them with.

        A gate that has such an account already keeps it.
        """
        account = self.get_ftp_account()
        account.attach_new_oftp_account()
        self.data["ftp_account"] = account.data
        return account

    def create_base_feeder(self, timezone: str | None = None, crontab: str | None = None) -> BaseFeeder:
        """Give the gate a feeder.

        Parameters
        ----------
        timezone
            IANA name of the time zone of `crontab`; None: the server's choice.
        crontab
            When it fetches: second, minute, hour, day, month, weekday; None: only when told to.
        """
        feeder = self.client.base_feeders.create(gate=self.id, **given(timezone=timezone, crontab=crontab))
        self.data["base_feeder"] = feeder.data
        return feeder

    def get_base_feeder(self) -> BaseFeeder | None:
        """Return the gate's feeder; None where it has none."""
        if self.base_feeder is None:
            return None
        if not isinstance(self.base_feeder, dict):
            self.reload()
        return self.client.base_feeders.data_to_record(self.base_feeder)

    def get_ftp_account(self) -> GateFtpAccount:
        """Return the account of the gate's files."""
        if not isinstance(self.ftp_account, dict):
            return self.client.gate_ftp_accounts.retrieve(self.ftp_account)
        return self.client.gate_ftp_accounts.data_to_record(self.ftp_account)

    def get_ftputil_client(self) -> ftputil.FTPHost:
        """Return an FTP client in the gate's folder, to be used as a context manager."""
        return self.get_ftp_account().get_ftputil_client()

    def run(self) -> Task:
        """Let the feeder fetch once; raise RuntimeError without one."""
        return self._feeder("run").feed()

    def activate(self) -> Task | None:
        """Let the feeder fetch on its crontab; raise RuntimeError without one."""
        return self._feeder("activate").activate()

    def deactivate(self) -> Task | None:
        """Let the feeder, if there is one, no longer fetch by itself."""
        feeder = self.get_base_feeder()
        return None if feeder is None else feeder.deactivate()

    def _feeder(self, verb: str) -> BaseFeeder:
        feeder = self.get_base_feeder()
        if feeder is None:
            raise RuntimeError(f"This gate has no feeder to {verb}: give it one with create_base_feeder().")
        return feeder
