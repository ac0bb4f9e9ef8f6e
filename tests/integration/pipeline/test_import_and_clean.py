"""Importers and cleaners: what comes in, what is kept, and what late or rewritten data change."""

import json

import pandas as pd

from .conftest import World, hours


def test_the_guides_day_gives_24_raw_and_22_cleaned_points(world: World) -> None:
    stamps = range(1325376000000, 1325376000000 + 24 * 3600_000, 3600_000)
    world.put(
        "first.json", json.dumps({name: dict.fromkeys(stamps, value) for name, value in (("a", 1), ("b", 2), ("c", 3))})
    )
    world.configure(
        parse="import pandas as pd\ndef parse(content_bytes, rel_path, **tools):\n"
        "    return pd.read_json(content_bytes)\n"
    )
    job = world.act(world.importer)
    assert (job.status, job.result["added"]) == ("finished", 72)
    assert {name: (len(se), se.iloc[0]) for name, se in world.series(world.importer).items()} == {
        "a": (24, 1.0),
        "b": (24, 2.0),
        "c": (24, 3.0),
    }
    world.channel("a", step="1H")
    world.work()
    cleaned = world.series(world.cleaner)["a-cleaned"].tz_localize("UTC").tz_convert("Etc/GMT-1").tz_localize(None)
    assert list(cleaned.index) == list(pd.date_range("2012-01-01 01:00", "2012-01-01 22:00", freq="h"))


def test_only_new_files_are_read_and_the_cleaner_follows(world: World) -> None:
    world.channel("p", step="1H")
    world.put("2024-01.csv", hours("2024-01-01", 48, p=5))
    world.act(world.importer)
    before = world.series(world.cleaner)["p-cleaned"]
    world.put("2024-02.csv", hours("2024-01-03", 24, p=7))
    job = world.act(world.importer)
    assert [file["path"] for file in job.result["files"]] == ["2024-02.csv"]
    after = world.series(world.cleaner)["p-cleaned"]
    assert len(before) == 46
    assert len(after) == 70
    assert after[before.index].equals(before)
    assert world.report(world.cleaner)["added"] == 24


def test_a_corrected_file_changes_exactly_its_own_hours(world: World) -> None:
    world.configure(rereads=10)
    world.channel("p", step="1H")
    for day in (1, 2, 3):
        world.put(f"2024-01-0{day}.csv", hours(f"2024-01-0{day}", 24, p=day))
    world.act(world.importer)
    before = world.series(world.cleaner)["p-cleaned"]
    corrected = hours("2024-01-02", 24, p=2.0)
    corrected.loc["2024-01-02 05:00":"2024-01-02 07:00", "p"] = 20.0
    world.put("2024-01-02.csv", corrected)
    job = world.act(world.importer)
    assert (job.result["read"], job.result["replaced"], job.result["unchanged"]) == (1, 3, 21)
    after = world.series(world.cleaner)["p-cleaned"]
    changed = after.index[after != before]
    assert [stamp.hour for stamp in changed] == [4, 5, 6]  # Paris' standard time is an hour ahead of UTC
    assert world.report(world.cleaner)["series"]["p-cleaned"]["replaced"] == 3
    assert world.report(world.cleaner)["series"]["p-cleaned"]["intervals_changed"] == [
        ["2024-01-02T04:00:00", "2024-01-02T06:00:00"]
    ]


def test_a_file_that_the_script_refuses_stops_the_run_before_it(world: World) -> None:
    world.put("a.csv", hours("2024-01-01", 3, p=1))
    world.put("b.csv", "this,is\nno,frame\n")
    world.put("c.csv", hours("2024-01-02", 3, p=1))
    job = world.act(world.importer)
    assert job.status == "failed"
    assert job.error.startswith("b.csv: ")
    assert len(world.series(world.importer)["p"]) == 3
    world.put("b.csv", hours("2024-01-01 12:00", 3, p=2))
    job = world.act(world.importer)
    assert [file["path"] for file in job.result["files"]] == ["b.csv", "c.csv"]
    assert len(world.series(world.importer)["p"]) == 9


def test_clearing_an_importer_empties_the_cleaner_and_reset_brings_all_back(world: World) -> None:
    world.channel("p", step="1H")
    world.put("a.csv", hours("2024-01-01", 24, p=1))
    world.act(world.importer)
    before = world.series(world.cleaner)["p-cleaned"]
    world.act(world.importer, "clear")
    assert world.series(world.importer) == {}
    assert world.series(world.cleaner) == {}
    world.act(world.importer, "reset")
    assert world.series(world.cleaner)["p-cleaned"].equals(before)


def test_clearing_from_an_instant_cuts_raw_and_cleaned(world: World) -> None:
    world.channel("p", step="1H", clock="utc", timezone="UTC")
    world.put("a.csv", hours("2024-01-01", 24, p=1))
    world.act(world.importer)
    noon = pd.Timestamp("2024-01-01 12:00").value // 1000
    world.act(world.importer, "clear", noon)
    assert world.series(world.importer)["p"].index[-1] == pd.Timestamp("2024-01-01 11:00")
    assert world.series(world.cleaner)["p-cleaned"].index[-1] == pd.Timestamp("2024-01-01 10:00")


def test_functions_of_users_change_and_drop_values(world: World) -> None:
    frame = hours("2024-01-01", 10, p=1.0)
    frame["p"] = range(10)
    world.put("a.csv", frame)
    world.act(world.importer)
    world.channel(
        "p",
        step="1H",
        clock="utc",
        timezone="UTC",
        convert="def fct(value):\n    return value * 2\n",
        keep="def fct(value):\n    return value != 8\n",
    )
    world.work()
    assert list(world.series(world.cleaner)["p-cleaned"]) == [2, 4, 6, 10, 12, 14, 16]
    assert world.report(world.cleaner)["series"]["p-cleaned"]["filtered"] == 1


def test_a_broken_function_fails_its_own_series_alone(world: World) -> None:
    world.put("a.csv", hours("2024-01-01", 10, p=1, q=2))
    world.act(world.importer)
    broken = world.channel("p", step="1H", convert="def fct(value):\n    return value / 0\n")
    world.channel("q", step="1H")
    done = world.work()
    assert {job.status for job in done if job.kind == "cleaner.run"} == {"failed"}
    assert list(world.series(world.cleaner)) == ["q-cleaned"]
    with world.database.write() as session:
        from entrepot.pipeline.cleaning import configuration as cleaners

        cleaners.update_channel(session, world.principal, broken, {"convert": None})
    world.work()
    assert set(world.series(world.cleaner)) == {"p-cleaned", "q-cleaned"}
