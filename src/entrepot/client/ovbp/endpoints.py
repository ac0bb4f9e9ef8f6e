"""Collections of records."""

import logging
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar

from entrepot.client.ovbp import exports
from entrepot.client.ovbp.records import BaseModel
from entrepot.client.ovbp.series import Series, to_frame, warn_if_cut
from entrepot.client.ovbp.tasks import Task
from entrepot.client.ovbp.util import Moment, given, moment_text

if TYPE_CHECKING:
    from entrepot.client.ovbp.client import Client

logger = logging.getLogger(__name__)

RecordT = TypeVar("RecordT", bound=BaseModel)
# Inside the class below, `list` is a method.
Records: TypeAlias = list[RecordT]

_PAGE: Final = 200


class BaseEndpoint(Generic[RecordT]):
    """A collection of records.

    Parameters
    ----------
    client
        Where it is.
    path
        Which one, such as ``odata/gates``.
    model_cls
        What its records are; None: plain ones.
    """

    def __init__(self, client: "Client", path: str, model_cls: type[RecordT] | None = None) -> None:
        self.client = client
        self.path = path
        self.model_cls: Any = model_cls or BaseModel

    def __repr__(self) -> str:
        return f"<{self.path}>"

    def data_to_record(self, data: dict[str, Any]) -> RecordT:
        """Return a record of this collection with these values, without asking the server."""
        record: RecordT = self.model_cls(self, data)
        return record

    def list(self, start: int = 0, limit: int = 200, filter_by: dict[str, Any] | None = None) -> Records[RecordT]:
        """Return a page of the records.

        Parameters
        ----------
        start
            How many to pass over.
        limit
            The most to return; servers do not return more than 200.
        filter_by
            Values that records must have, by parameter.
        """
        params = {"start": start, "length": limit, **(filter_by or {})}
        page = self.client.rest_client.list(self.path, params=params)["data"]
        return [self.data_to_record(data) for data in page]

    def iter(self, filter_by: dict[str, Any] | None = None) -> Iterator[RecordT]:
        """Yield all records, page by page; `filter_by` as in :meth:`list`."""
        start = 0
        while page := self.list(start=start, limit=_PAGE, filter_by=filter_by):
            yield from page
            start += _PAGE

    def list_all(self, filter_by: dict[str, Any] | None = None) -> Records[RecordT]:
        """Return all records; `filter_by` as in :meth:`list`."""
        return [*self.iter(filter_by=filter_by)]

    def create(self, **data: Any) -> RecordT:
        """Create a record of these values and return it."""
        return self.data_to_record(self.client.rest_client.create(self.path, data))

    def retrieve(self, record_id: str) -> RecordT:
        """Return the record of this id."""
        return self.data_to_record(self.client.rest_client.retrieve(self.path, record_id))

    def list_action(
        self,
        http_method: str,
        action_name: str,
        params: dict[str, Any] | None = None,
        data: Any = None,
        return_json: bool = True,
        send_json: bool = True,
    ) -> Any:
        """Do something with the collection; see :meth:`RestClient.list_action`."""
        return self.client.rest_client.list_action(
            self.path,
            http_method,
            action_name,
            params=params,
            data=data,
            return_json=return_json,
            send_json=send_json,
        )


class SeriesEndpoint(BaseEndpoint[Series]):
    """The series, whose values can be read together."""

    def select_data(
        self,
        series: Iterable[Series],
        start: Moment | None = None,
        end: Moment | None = None,
        resample: str | None = None,
        dropna: bool | None = None,
        closed: str | None = None,
        resample_rule: str | None = None,
        convention: str | None = None,
        start_mode: str | None = None,
        utc_now: Moment | None = None,
        max_acceptable_delay: str | None = None,
        max_rows_nb: int | None = None,
        clock: str | None = None,
        with_tags: bool | None = None,
        unfilter: bool | None = None,
        return_df: bool = True,
    ) -> Any:
        """Return the values of several series.

        Parameters
        ----------
        series
            Which; at least one.
        start, end, resample, dropna, closed, resample_rule, convention, start_mode, utc_now, max_acceptable_delay
            As in :meth:`Series.select_data`.
        max_rows_nb, clock, with_tags, unfilter
            As there.
        return_df
            Whether to return a frame; otherwise what the server answered is returned as it is.

        Returns
        -------
        pandas.DataFrame or dict
            A column of floats for each series, in the order in which they were created, by naive stamps in nanoseconds,
            ascending.

        Warns
        -----
        UserWarning
            There is more than the server answers at once.
        """
        keys = [one.otsdb_pk for one in series]
        if not keys:
            raise ValueError("series is empty: give at least one")
        params = given(
            start=moment_text(start),
            end=moment_text(end),
            resample=resample,
            dropna=dropna,
            closed=closed,
            resample_rule=resample_rule,
            convention=convention,
            start_mode=start_mode,
            utc_now=moment_text(utc_now),
            max_acceptable_delay=max_acceptable_delay,
            max_rows_nb=max_rows_nb,
            clock=clock,
            with_tags=with_tags,
            unfilter=unfilter,
        )
        answers = self.list_action("post", "multi_select", params=params, data={"otsdb_pk": keys})
        warn_if_cut(list(answers.values()))
        return to_frame(answers) if return_df else answers

    def export_data(
        self,
        series: Iterable[Series],
        start: Moment | None = None,
        end: Moment | None = None,
        out_freq: str | None = None,
        clock: str | None = None,
        out_mode: str = "series",
        sep: str = ",",
        decimal: str = ".",
        time_grouper: str | None = None,
        with_tags: bool = False,
        in_start_mode: str = "right",
        in_end_mode: str = "left",
    ) -> Task:
        """Have the server write an archive of CSV files into your FTP folder ``series_exports``.

        Parameters
        ----------
        series
            Which.
        start, end
            The first and the last time, on the clock of the export; None: all.
        out_freq
            Step to bring the values to, such as ``1H``; None: as they are.
        clock
            Clock of the stamps: ``gmt``, ``tzt`` or ``dst``; None: each series' own.
        out_mode
            ``series``: a file for each; ``dataframe``: one file, a column for each.
        sep, decimal
            What stands between the columns, and before decimals.
        time_grouper
            Length of time of each file, such as ``MS``; None: all in one.
        with_tags
            Whether tags are exported too.
        in_start_mode
            Where a frame begins: ``right``, at the latest of the series' beginnings; ``left``, at the earliest.
        in_end_mode
            Where it ends: ``left``, at the earliest of their ends; ``right``, at the latest.

        Returns
        -------
        Task
            Finished once the archive is there.
        """
        answer = self.list_action(
            "post",
            "export",
            data={
                "series": [one.id for one in series],
                "start": moment_text(start),
                "end": moment_text(end),
                "out_freq": out_freq,
                "clock": clock,
                "out_mode": out_mode,
                "sep": sep,
                "decimal": decimal,
                "time_grouper": time_grouper,
                "with_tags": with_tags,
                "in_start_mode": in_start_mode,
                "in_end_mode": in_end_mode,
            },
        )
        return self.client.series_export_tasks.data_to_record(answer)

    def export_download_and_parse_data(
        self,
        series: Iterable[Series],
        download_dir_path: str | Path | None = None,
        return_frame: bool = True,
        start: Moment | None = None,
        end: Moment | None = None,
        out_freq: str | None = None,
        clock: str | None = None,
        out_mode: str = "series",
        sep: str = ",",
        decimal: str = ".",
        time_grouper: str | None = None,
        with_tags: bool = False,
        in_start_mode: str = "right",
        in_end_mode: str = "left",
    ) -> Any:
        """Export, wait, fetch the archive and read it.

        Do not export twice at the same time as the same user: each call takes the latest archive for its own.

        Parameters
        ----------
        series
            Which.
        download_dir_path
            An existing folder in which the files stay, in a folder named after the archive; None: they do not.
        return_frame
            Whether to read the files.
        start, end, out_freq, clock, out_mode, sep, decimal, time_grouper, with_tags, in_start_mode, in_end_mode
            As in :meth:`export_data`.

        Returns
        -------
        list of pandas.Series or pandas.DataFrame or None
            A series for each in mode ``series``, the frame in mode ``dataframe``; named after the series and its
            generator. None without `return_frame`.

        Raises
        ------
        ValueError
            Nothing would be left: neither files nor frames; or the files would be of a kind that is not read.
        NotADirectoryError
            There is no folder `download_dir_path`.
        TaskDidNotFinishSuccessfully
            The export failed.
        """
        if not return_frame and download_dir_path is None:
            raise ValueError("Without return_frame, download_dir_path must say where the files shall stay.")
        for name, value in (("time_grouper", time_grouper is not None), ("with_tags", with_tags)):
            if value and return_frame:
                raise ValueError(f"Files made with {name} are not read: give return_frame=False.")
        if download_dir_path is not None and not Path(download_dir_path).is_dir():
            raise NotADirectoryError(f"There is no folder {str(download_dir_path)!r}.")
        logger.info("Exporting.")
        self.export_data(
            series,
            start=start,
            end=end,
            out_freq=out_freq,
            clock=clock,
            out_mode=out_mode,
            sep=sep,
            decimal=decimal,
            time_grouper=time_grouper,
            with_tags=with_tags,
            in_start_mode=in_start_mode,
            in_end_mode=in_end_mode,
        ).wait_for_completion()
        account = self.client.users.retrieve("me").get_odata_ftp_account()
        with exports.folder_for(download_dir_path) as folder:
            unpacked = exports.download_latest(account, folder)
            return exports.read(unpacked, out_mode, sep, decimal) if return_frame else None
