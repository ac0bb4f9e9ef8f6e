"""Scripts for pandas below 2, in each place that has one: their results, and what the reports note."""

import pandas as pd

from tests.support.cases import Case

from .conftest import World, hours


def play(world: World, name: str) -> Case:
    """Import the files of a case and make its channels, whose first run follows."""
    case = Case(name)
    world.configure(parse=case.text("parse.py"))
    for files in case.rounds():
        for path, content in files.items():
            world.put(path, content)
    world.act(world.importer)
    for fields in case.channels():
        if "custom" in fields:
            fields = {**fields, "custom": case.text(fields["custom"])}
        world.channel(**fields)
    return case


def points(world: World, generator: str, form: str) -> dict[str, dict[str, float]]:
    """Return series as the cases write them."""
    return {
        name: dict(zip(pd.DatetimeIndex(series.index).strftime(form), series.tolist(), strict=True))
        for name, series in world.series(generator).items()
    }


def test_an_old_parse_script_runs_and_its_spellings_are_noted(world: World) -> None:
    case = play(world, "old-parse-script")
    assert points(world, world.importer, "%Y-%m-%d %H:%M") == case.points("raw")
    notes = world.report(world.importer)["old_pandas"]
    assert [(note["line"], note["old"]) for note in notes] == [
        (7, "date_parser"),
        (11, "15T"),
        (12, "fillna(method=)"),
        (14, "infer_datetime_format"),
        (15, "append"),
    ]
    assert all(note["now"] for note in notes)


def test_an_old_cleaning_function_runs_and_its_spellings_are_noted(world: World) -> None:
    case = play(world, "old-cleaning-function")
    world.work()
    assert points(world, world.cleaner, "%Y-%m-%dT%H:%M:%SZ") == case.points("cleaned")
    assert world.report(world.cleaner)["series"]["flow"]["old_pandas"] == [
        {"line": 2, "old": "60T", "now": "60min", "script": "custom"},
        {"line": 2, "old": "fillna(method=)", "now": "bfill()", "script": "custom"},
    ]


def test_an_old_analysis_script_runs_and_its_spellings_are_noted(world: World) -> None:
    case = play(world, "old-analysis-script")
    world.work()
    inputs, outputs, settings = case.analysis()
    analysis = world.analysis(
        "old",
        {column: (world.cleaner, series) for column, series in inputs.items()},
        outputs,
        script=case.text("analyze.py"),
        **settings,
    )
    assert world.act(analysis).status == "finished"
    assert points(world, analysis, "%Y-%m-%dT%H:%M:%SZ") == case.points("analysed")
    noted = [note["old"] for note in world.report(analysis)["old_pandas"]]
    assert noted == ["2H", "4H", "fillna(method=)", "append"]


def test_a_script_of_today_leaves_nothing_to_note(world: World) -> None:
    world.put("a.csv", hours("2024-01-01", 3, x=1.0))
    world.act(world.importer)
    assert "old_pandas" not in world.report(world.importer)


def test_a_run_that_fails_notes_what_was_old_and_names_what_cannot_be_served(world: World) -> None:
    world.configure(
        parse="import pandas as pd\n"
        "def parse(content, path, **tools):\n"
        "    df = pd.read_csv(content, index_col=0, parse_dates=True).fillna(method='pad')\n"
        "    return df.ix[:2]\n"
    )
    world.put("a.csv", hours("2024-01-01", 3, x=1.0))
    job = world.act(world.importer)
    assert (job.status, "take .loc[labels] or .iloc[positions]" in str(job.error)) == ("failed", True)
    assert world.report(world.importer)["old_pandas"] == [{"line": 3, "old": "fillna(method=)", "now": "ffill()"}]
