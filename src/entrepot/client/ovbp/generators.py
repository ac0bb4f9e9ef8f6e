"""What importers, cleaners and analyses have in common: they make series, and are run, cleared and switched on."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from entrepot.client.ovbp.records import BaseModel
from entrepot.client.ovbp.tasks import Task
from entrepot.client.ovbp.util import Moment, given, moment_text

if TYPE_CHECKING:
    from entrepot.client.ovbp.endpoints import BaseEndpoint
    from entrepot.client.ovbp.series import Series


class TaskMakerMixin(BaseModel):
    """A record that has tasks of its own."""

    @property
    @abstractmethod
    def _tasks_endpoint(self) -> "BaseEndpoint[Task]": ...

    def _task(self, http_method: str, action_name: str, data: dict[str, Any] | None = None) -> Task:
        return self._tasks_endpoint.data_to_record(self.detail_action(http_method, action_name, data=data))


class ActiveModelMixin(TaskMakerMixin):
    """A record that runs by itself while it is active."""

    def activate(self) -> Task | None:
        """Let it run by itself from now on; return the task that this starts, if the server names one."""
        return self._set_active(True)

    def deactivate(self) -> Task | None:
        """Let it no longer run by itself; what runs already goes on."""
        return self._set_active(False)

    def _set_active(self, active: bool) -> Task | None:
        answer = self.detail_action("patch", "active", data={"value": active})
        self.data["active"] = active
        return self._tasks_endpoint.data_to_record(answer) if answer and "base" in answer else None


class GeneratorModelMixin(TaskMakerMixin):
    """A record that makes series."""

    def list_all_output_series(self) -> "list[Series]":
        """Return the series that it made, newest first."""
        return self.client.series.list_all(filter_by={"generator": self.id})

    def run(self) -> Task:
        """Run it once, active or not."""
        return self._action("run")

    def clear(self, partial_instant: Moment | None = None) -> Task:
        """Delete what it made, and all that was made of that.

        Parameters
        ----------
        partial_instant
            Delete only values from this time on, and keep the series; None: delete everything.
        """
        return self._action("clear", partial_instant)

    def reset(self, partial_instant: Moment | None = None) -> Task:
        """Clear it, from `partial_instant` on if one is given, and run it."""
        return self._action("reset", partial_instant)

    def _action(self, name: str, partial_instant: Moment | None = None) -> Task:
        return self._task("post", "action", given(name=name, partial_instant=moment_text(partial_instant)))
