"""Plots of rows: what they show, in which units, and that they need no network."""

import struct
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from entrepot.client.owi import InvalidParameterError, plot_rows
from entrepot.plots.figures import Plot, Trace


def row(short: str, **fields: Any) -> dict[str, Any]:
    return {
        "location": 435, "name_col1": "reference_index", "name_col2": "FA1", "units_col1": "index", "units_col2": "Hz",
        "units_col3": None, "value_col1": [0.0, 1.0], "value_col2": [0.34, 0.35], "value_col3": None,
        "short_description": short, "additional_data": {"reference_labels": ["INFL", "ACTU"]},
    } | fields  # fmt: skip


LOCATIONS = pd.DataFrame(
    {"id": [435, 436], "title": ["BBA01", "BBA02"], "northing": [51.67, 51.68], "easting": [2.8, 2.81]}
)
HISTOGRAM = row(
    "WTG1", name_col1="bin_left", name_col2="value", units_col1="m/s", units_col2="count", units_col3="m/s",
    value_col3=[1.0, 3.0], additional_data={"analysis_kind": "histogram"},
)  # fmt: skip
SERIES = row(
    "S1", name_col1="timestamp", units_col1="s", value_col1=[0, 3600], additional_data={"analysis_kind": "time_series"}
)


def test_a_comparison_shows_labels_and_a_line_a_row() -> None:
    plot = plot_rows(pd.DataFrame([row("BBA01"), row("BBA02", units_col2="mHz", value_col2=[340.0, 350.0])]))
    assert plot.kind == "comparison"
    assert [trace.name for trace in plot.traces] == ["BBA01", "BBA02"]
    assert plot.traces[0].x == ["INFL", "ACTU"]
    assert plot.traces[1].y == pytest.approx([0.34, 0.35])
    assert plot.y_title == "FA1 (Hz)"


def test_rows_of_several_analyses_are_told_apart() -> None:
    rows = [row("BBA01", analysis=46), row("BBA01", analysis=47)]
    assert [trace.name for trace in plot_rows(pd.DataFrame(rows)).traces] == ["BBA01 · 46", "BBA01 · 47"]
    assert plot_rows(pd.DataFrame(rows[:1])).traces[0].name == "BBA01"


def test_bars_of_several_histograms_stand_side_by_side() -> None:
    plot = plot_rows(pd.DataFrame([HISTOGRAM, HISTOGRAM | {"short_description": "WTG2"}]))
    assert [plot._bars(trace) for trace in plot.traces] == [
        ([0.25, 1.5], [0.5, 1.0]),
        ([0.75, 2.5], [0.5, 1.0]),
    ]
    assert plot.png().startswith(b"\x89PNG")


def test_units_convert_on_request_or_are_refused() -> None:
    plot = plot_rows(pd.DataFrame([row("a")]), unit="mHz")
    assert plot.traces[0].y == pytest.approx([340.0, 350.0])
    assert plot.y_title == "FA1 (mHz)"
    for unit in ("m/s", "nonsense", "Hz +"):
        with pytest.raises(InvalidParameterError, match="does not convert"):
            plot_rows(pd.DataFrame([row("a")]), unit=unit)
    with pytest.raises(InvalidParameterError, match="does not convert"):
        plot_rows(pd.DataFrame([row("a"), row("b", units_col2="m")]))


def test_a_histogram_has_bars_from_edge_to_edge() -> None:
    (trace,) = plot_rows(pd.DataFrame([HISTOGRAM])).traces
    assert (trace.x, trace.width) == ([0.5, 2.0], [1.0, 2.0])
    (trace,) = plot_rows(pd.DataFrame([HISTOGRAM]), x_unit="cm/s").traces
    assert trace.width == pytest.approx([100.0, 200.0])
    (trace,) = plot_rows(pd.DataFrame([HISTOGRAM | {"value_col3": None}])).traces
    assert trace.width == [1.0, 1.0]


def test_a_time_series_shows_instants() -> None:
    plot = plot_rows(pd.DataFrame([SERIES]))
    assert plot.traces[0].x == [datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1, 1, tzinfo=UTC)]
    assert plot.x_title == "time (UTC)"
    with pytest.raises(InvalidParameterError):
        plot_rows(pd.DataFrame([row("a")]), "time_series")


def test_a_map_shows_the_mean_of_each_location() -> None:
    rows = pd.DataFrame([row("a"), row("b", value_col2=[0.36, 0.37]), row("c", location=436), row("d", location=None)])
    plot = plot_rows(rows, "map", locations=LOCATIONS)
    (trace,) = plot.traces
    assert (trace.labels, trace.x, trace.y) == (["BBA01", "BBA02"], [2.8, 2.81], [51.67, 51.68])
    assert trace.color == pytest.approx([0.355, 0.345])
    with pytest.raises(InvalidParameterError, match="locations"):
        plot_rows(rows, "map")
    with pytest.raises(InvalidParameterError, match="No row"):
        plot_rows(pd.DataFrame([row("a", location=7)]), "map", locations=LOCATIONS)


def addresses(page: str) -> list[str]:
    """Return what the elements of a page would load."""
    found: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend(value or "" for name, value in attrs if name in ("src", "href"))

    Reader().feed(page)
    return found


@pytest.mark.parametrize(
    ("rows", "kind"), [([row("a")], "comparison"), ([HISTOGRAM], None), ([SERIES], None), ([row("a")], "map")]
)
def test_pages_need_no_network_and_images_are_of_the_size_asked(
    rows: list[dict[str, Any]], kind: Any, tmp_path: Path
) -> None:
    plot = plot_rows(pd.DataFrame(rows), kind, locations=LOCATIONS, title="The title")
    page = plot.save(tmp_path / "plot.html").read_text()
    assert "The title" in page
    assert addresses(page) == []
    png = plot.save(tmp_path / "plot.png").read_bytes()
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", png[16:24]) == (1200, 700)
    with pytest.raises(InvalidParameterError):
        plot.save(tmp_path / "plot.pdf")


def test_nothing_to_plot_and_unknown_kinds_are_refused() -> None:
    with pytest.raises(InvalidParameterError, match="no rows"):
        plot_rows(pd.DataFrame())
    with pytest.raises(InvalidParameterError, match="no kind of plot"):
        plot_rows(pd.DataFrame([row("a")]), "pie")  # type: ignore[arg-type]


def test_gaps_are_left_out_or_left_open() -> None:
    gap = row("BBA02", value_col2=[None, 0.36], additional_data={}, value_col1=[None, 1.0])
    plot = plot_rows(pd.DataFrame([row("BBA01", additional_data={}, value_col2=[None, 0.35]), gap]))
    assert plot.traces[0].x == pytest.approx([0.0, 1.0])
    assert plot.traces[0].y == pytest.approx([float("nan"), 0.35], nan_ok=True)
    assert (list(plot.traces[1].x), list(plot.traces[1].y)) == ([1.0], [0.36])
    assert plot.png()[:4] == b"\x89PNG"
    assert "NaN" not in plot.html().rsplit("Plotly.newPlot", 1)[1]
    series = plot_rows(pd.DataFrame([SERIES | {"value_col1": [None, 3600]}]))
    assert series.traces[0].x == [datetime(1970, 1, 1, 1, tzinfo=UTC)]
    bars = plot_rows(pd.DataFrame([HISTOGRAM | {"value_col3": [None, 3.0], "value_col2": [None, 2.0]}]))
    assert list(bars.traces[0].width or []) == pytest.approx([1.0, 2.0])


def test_a_map_shows_the_mean_of_what_is_there() -> None:
    rows = [row("a", value_col2=[None, 0.4]), row("b", value_col2=[None, None], location=436)]
    plot = plot_rows(pd.DataFrame(rows), "map", locations=LOCATIONS)
    assert (plot.traces[0].labels, plot.traces[0].color) == (["BBA01"], [0.4])
    with pytest.raises(InvalidParameterError, match="No row has values"):
        plot_rows(pd.DataFrame(rows[1:]), "map", locations=LOCATIONS)


@pytest.mark.parametrize("title", ["$\\frac{$", "a\x17", "\U0010cd28", "$x_1$"])
def test_titles_are_texts_whatever_is_in_them(title: str) -> None:
    assert Plot("comparison", title, title, title, [Trace(title, [1, 2], [1, 2])] * 2).png().startswith(b"\x89PNG")
