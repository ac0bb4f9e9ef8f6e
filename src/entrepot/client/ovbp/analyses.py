"""Analyses: they compute series of series, with a script of yours."""

from typing import TYPE_CHECKING, Any

from entrepot.client.ovbp.generators import ActiveModelMixin, GeneratorModelMixin
from entrepot.client.ovbp.records import BaseModel
from entrepot.client.ovbp.tasks import Task

if TYPE_CHECKING:
    from entrepot.client.ovbp.endpoints import BaseEndpoint


class Analysis(ActiveModelMixin, GeneratorModelMixin):
    """What computes output series of input series."""

    @property
    def _tasks_endpoint(self) -> "BaseEndpoint[Task]":
        return self.client.analysis_tasks

    def get_analysis_config(self) -> BaseModel | None:
        """Return how it computes; None where that was not said yet."""
        if self.analysisconfig is None:
            return None
        if not isinstance(self.analysisconfig, dict):
            self.reload()
        return self.client.analysis_configs.data_to_record(self.analysisconfig)

    def create_analysis_config(
        self,
        input_freq: str,
        output_freq: str,
        script: str,
        clock: str = "tzt",
        output_timezone: str = "Europe/Paris",
        start_with_first: bool = False,
        wait_for_last: bool = False,
        custom_before_offset: str | int | None = None,
        custom_after_offset: str | int | None = None,
        before_offset_strict_mode: bool = False,
        with_tags: bool = False,
        wait_offset: str = "6H",
        custom_delay: str | None = None,
    ) -> BaseModel:
        """Say how it computes.

        Parameters
        ----------
        input_freq, output_freq
            The steps of what the script is given and of what it returns: a count and an alias, such as ``3H``,
            ``30T``, ``1h``, ``30min`` or ``MS``.
        script
            Python text that defines ``analyze(df, **tools)``: a column of `df` for each input, stamps at the starts
            of steps; it returns a frame with a column for each output.
        clock
            The clock of both: ``gmt``; ``tzt``, standard time all year; ``dst``, the time of the clocks on the wall.
        output_timezone
            IANA name of the time zone of that clock.
        start_with_first
            Whether to begin where the first input begins; otherwise where the last does.
        wait_for_last
            Whether to compute only where all inputs have data, however late they are.
        custom_before_offset, custom_after_offset
            What the script needs to see before and after each step: a length such as ``1D``, or a number of steps.
        before_offset_strict_mode
            Whether nothing is computed until all of `custom_before_offset` is there.
        with_tags
            Kept; without effect.
        wait_offset
            How late an input may be before it is no longer waited for.
        custom_delay
            How long to wait after the end of a step before it is computed.
        """
        return self.client.analysis_configs.create(
            analysis=self.id,
            input_freq=input_freq,
            output_freq=output_freq,
            script=script,
            clock=clock,
            output_timezone=output_timezone,
            start_with_first=start_with_first,
            wait_for_last=wait_for_last,
            custom_before_offset=custom_before_offset,
            custom_after_offset=custom_after_offset,
            before_offset_strict_mode=before_offset_strict_mode,
            with_tags=with_tags,
            wait_offset=wait_offset,
            custom_delay=custom_delay,
            script_method="array",
        )

    def list_all_analysis_inputs(self) -> list[BaseModel]:
        """Return its inputs, newest first."""
        return self.client.analysis_inputs.list_all(filter_by={"analysis": self.id})

    def create_analysis_input(self, generator: BaseModel, series_name: str, column_name: str) -> BaseModel:
        """Add an input.

        Parameters
        ----------
        generator
            The importer, cleaner or analysis that makes the series.
        series_name
            The series' name there; it may come later.
        column_name
            What the script calls it.
        """
        return self.client.analysis_inputs.create(
            analysis=self.id,
            input_series_generator=generator.id,
            input_series_name=series_name,
            column_name=column_name,
        )

    def list_all_analysis_outputs(self) -> list[BaseModel]:
        """Return its outputs, newest first."""
        return self.client.analysis_outputs.list_all(filter_by={"analysis": self.id})

    def create_analysis_output(
        self, name: str, resample_rule: str, label: str = "", unit: str = "", numerical_filter: Any = None
    ) -> BaseModel:
        """Add an output.

        Parameters
        ----------
        name
            The series' name, and the column's in what the script returns.
        resample_rule
            How its values become one over longer steps: ``mean``, ``sum``, ``first``, ``min``, ``max`` or ``last``.
        label, unit
            What people are told of it.
        numerical_filter
            Kept; without effect.
        """
        return self.client.analysis_outputs.create(
            analysis=self.id,
            name=name,
            resample_rule=resample_rule,
            label=label,
            unit=unit,
            numerical_filter=numerical_filter,
        )
