"""Importers: they turn a gate's files into series."""

from typing import TYPE_CHECKING

from entrepot.client.ovbp.generators import ActiveModelMixin, GeneratorModelMixin
from entrepot.client.ovbp.tasks import Task
from entrepot.client.ovbp.util import Moment, given

if TYPE_CHECKING:
    from entrepot.client.ovbp.endpoints import BaseEndpoint
    from entrepot.client.ovbp.gates import Gate


class Importer(ActiveModelMixin, GeneratorModelMixin):
    """What reads the files of a gate with a script of yours."""

    @property
    def _tasks_endpoint(self) -> "BaseEndpoint[Task]":
        return self.client.importer_tasks

    def configure(
        self,
        gate: "Gate | None" = None,
        crontab: str | None = None,
        auto_partial_reset: bool | None = None,
        parse_script: str | None = None,
        root_dir_path: str | None = None,
        re_run_last_file: bool | None = None,
        notify_missing_files_nb: int | None = None,
        max_ante_scanned_files_nb: int | None = None,
    ) -> None:
        """Say where files come from and how they are read; what is None stays as it is.

        Parameters
        ----------
        gate
            Where the files are.
        crontab
            When it runs while active, in UTC: second, minute, hour, day, month, weekday.
        auto_partial_reset
            Whether data that replaces older data has what follows computed anew.
        parse_script
            Python text that defines ``parse(content_bytes, rel_path, **tools)``, which returns a frame with a
            DatetimeIndex and one column for each series; or None, to pass the file over.
        root_dir_path
            The folder of the gate that is looked through, subfolders included.
        re_run_last_file
            Whether the file imported last is read again by each run.
        notify_missing_files_nb
            After how many scheduled runs without a new file there is a notification; 0: never.
        max_ante_scanned_files_nb
            How many files before the one imported last are looked at for changes.
        """
        self.update(
            **given(
                gate=None if gate is None else gate.id,
                crontab=crontab,
                auto_partial_reset=auto_partial_reset,
                parse_script=parse_script,
                root_dir_path=root_dir_path,
                re_run_last_file=re_run_last_file,
                notify_missing_files_nb=notify_missing_files_nb,
                max_ante_scanned_files_nb=max_ante_scanned_files_nb,
            )
        )

    def reset(self, partial_instant: Moment | None = None, last_imported_path: str | None = None) -> Task:
        """Clear it and run it.

        Parameters
        ----------
        partial_instant
            Clear only values from this time on; None: everything.
        last_imported_path
            Go on after this file; None: where the clear leaves it.
        """
        if last_imported_path is not None:
            self.update(last_imported_path=last_imported_path)
        return super().reset(partial_instant)
