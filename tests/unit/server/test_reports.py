"""Reports of runs in words and tables: all that is there is told once."""

from entrepot.server.console.reports import Table, of


def test_scalars_are_words_things_are_tables_and_the_rest_is_json() -> None:
    report = of(
        {
            "rows": 12345,
            "zoned": True,
            "missing": ["a", "b"],
            "files": [{"path": "a.csv", "rows": 3}, {"path": "b.csv", "why": "empty"}],
            "series": {"wind": {"added": 2}, "power": {"added": 0}},
            "odd": {"a": 1, "b": [2]},
            "traceback": "elsewhere",
            "empty": [],
        }
    )
    assert report.words == [("rows", "12,345"), ("zoned", "yes"), ("missing", "a, b")]
    assert report.tables == [
        Table("files", ["path", "rows", "why"], [["a.csv", "3", ""], ["b.csv", "", "empty"]]),
        Table("series", ["name", "added"], [["wind", "2"], ["power", "0"]]),
    ]
    assert '"odd"' in report.rest
    assert "elsewhere" not in report.rest


def test_what_is_no_report_is_shown_as_it_is() -> None:
    assert of(None).rest == ""
    assert of([1, 2]).rest == "[\n  1,\n  2\n]"
    assert of({}) == of({"output": "x"})
