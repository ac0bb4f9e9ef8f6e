"""Cleaners: they bring raw series to regular steps, and mend and filter them."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from entrepot.client.ovbp import excel
from entrepot.client.ovbp.generators import GeneratorModelMixin
from entrepot.client.ovbp.projects import OdataProject
from entrepot.client.ovbp.records import BaseModel
from entrepot.client.ovbp.tasks import Task
from entrepot.client.ovbp.util import get_one_and_only_one

if TYPE_CHECKING:
    from entrepot.client.ovbp.endpoints import BaseEndpoint

logger = logging.getLogger(__name__)


class Cleaner(GeneratorModelMixin):
    """What makes clean series of an importer's raw ones: a unit cleaner for each."""

    @property
    def _tasks_endpoint(self) -> "BaseEndpoint[Task]":
        return self.client.cleaner_tasks

    def get_odata_project(self) -> OdataProject:
        """Return its project."""
        return self.client.odata_projects.retrieve(self.project)

    def get_unitcleaner(self, external_name: str) -> BaseModel:
        """Return the unit cleaner of this raw series; raise RecordDoesNotExistError where there is none."""
        filters = {"cleaner": self.id, "external_name": external_name}
        return get_one_and_only_one(self.client.unitcleaners.list(limit=2, filter_by=filters))

    def create_unitcleaner(
        self,
        external_name: str,
        name: str,
        freq: str = "1H",
        input_unit_type: str = "instantaneous",
        unit_type: str = "instantaneous",
        input_convention: str = "left",
        clock: str = "tzt",
        timezone: str = "Europe/Paris",
        unit: str = "",
        resample_rule: str = "mean",
        interpolate_limit: int = 0,
        wait_offset: str = "6H",
        label: str = "",
        input_expected_regular: bool = False,
        operation_fct: str | None = None,
        filter_fct: str | None = None,
        derivative_filter_fct: str | None = None,
        custom_delay: str | None = None,
        custom_fct: str | None = None,
        custom_before_offset: str | int | None = None,
        custom_after_offset: str | int | None = None,
    ) -> BaseModel:
        """Have a raw series cleaned from now on.

        Parameters
        ----------
        external_name
            Name of the raw series.
        name
            Name of the clean one.
        freq
            Its step: a count and an alias, such as ``1H``, ``30T``, ``10min`` or ``1D``.
        input_unit_type
            What a raw value says: ``instantaneous``, the state at its stamp; ``delta``, an amount over an interval;
            ``mean``, a mean over an interval.
        unit_type
            What a clean value says: one of these, or ``mean_derivate``, an amount per second.
        input_convention
            Whether raw stamps are the starts (``left``) or the ends (``right``) of their intervals.
        clock
            The clock of the raw stamps: ``gmt``; ``tzt``, standard time all year; ``dst``, the time of the clocks on
            the wall.
        timezone
            IANA name of its time zone.
        unit, label
            What people are told of the clean series.
        resample_rule
            How instantaneous values become one: ``mean``, ``first`` or ``sum``.
        interpolate_limit
            The longest gap, in steps, that is filled in a straight line; 0: none is.
        wait_offset
            How late the series may be before analyses no longer wait for it.
        input_expected_regular
            Whether raw values between the steps are dropped.
        operation_fct
            Python text that defines ``fct(value)``, which returns the new value.
        filter_fct
            The same; values for which it is false are left out.
        derivative_filter_fct
            The same, given the change per second.
        custom_delay
            How long to wait after the end of a step before it is computed.
        custom_fct
            Python text of what is done with the raw series before everything else.
        custom_before_offset, custom_after_offset
            What `custom_fct` needs to see before and after: a number of steps, or a length such as ``1D``.
        """
        return self.client.unitcleaners.create(
            cleaner=self.id,
            external_name=external_name,
            name=name,
            freq=freq,
            input_unit_type=input_unit_type,
            unit_type=unit_type,
            input_convention=input_convention,
            clock=clock,
            timezone=timezone,
            unit=unit,
            resample_rule=resample_rule,
            interpolate_limit=interpolate_limit,
            wait_offset=wait_offset,
            label=label,
            input_expected_regular=input_expected_regular,
            operation_fct=operation_fct,
            filter_fct=filter_fct,
            derivative_filter_fct=derivative_filter_fct,
            custom_delay=custom_delay,
            custom_fct=custom_fct,
            custom_before_offset=custom_before_offset,
            custom_after_offset=custom_after_offset,
        )

    def list_all_importer_series(self) -> list[BaseModel]:
        """Return the raw series, newest first; those that are not cleaned have no ``unitcleaner``."""
        return self.client.importer_series.list_all(filter_by={"generator": self.related_importer})

    def list_all_unitcleaners(self) -> list[BaseModel]:
        """Return the unit cleaners, newest first."""
        return self.client.unitcleaners.list_all(filter_by={"cleaner": self.id})

    def export_configuration_to_excel(self, path: str | Path) -> None:
        """Write a workbook with a row for each unit cleaner, and for each raw series that has none yet.

        Mark the rows that you change, or fill in, with an ``x`` in column C, and read the workbook with
        :meth:`configure_from_excel`. Its sheet ``Help`` explains the columns.

        Parameters
        ----------
        path
            The ``.xlsx`` file; one that exists is replaced.
        """
        missing = [series.external_name for series in self.list_all_importer_series() if series.unitcleaner is None]
        excel.write(path, self.get_odata_project().name, self.name, self.list_all_unitcleaners(), missing)

    def configure_from_excel(self, path: str | Path) -> None:
        """Do what the marked rows of a workbook say: all of it, or nothing.

        A row whose raw series has a unit cleaner changes what differs; another creates one.

        Parameters
        ----------
        path
            A workbook that :meth:`export_configuration_to_excel` wrote, edited.

        Raises
        ------
        ExcelConfigurationError
            Cells that cannot be read, or that the server refuses: which, and why. Nothing is changed.
        HttpError
            The server refused for a reason that lies in no cell. What was changed before is changed back.
        """
        existing = {one.external_name: one for one in self.list_all_unitcleaners()}
        names = {external_name: one.name for external_name, one in existing.items()}
        excel.apply(excel.read(path, names), existing, self.create_unitcleaner)
