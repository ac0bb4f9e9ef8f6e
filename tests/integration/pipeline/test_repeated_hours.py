"""Loggers that send a file every few minutes: the files of an hour that their clock showed twice."""

import os
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from entrepot import jobs
from entrepot.events import notifications
from entrepot.pipeline.generators import actions
from entrepot.pipeline.generators.finding import find_generator

from .conftest import World

ZONE = "Europe/Berlin"
NIGHT = pd.date_range("2024-10-26 22:00", "2024-10-27 03:00", freq="min", tz="UTC", inclusive="left")


def night(step: int, values: str = "rising") -> pd.Series:
    """Return points on instants, over the change of time of Berlin at 01:00 UTC."""
    at = NIGHT[::step]
    return pd.Series(np.arange(len(at)) if values == "rising" else 0.0, at, dtype=float)


def files(points: pd.Series, cut: int) -> list[tuple[str, str, datetime]]:
    """Return files of `cut` minutes of points on the wall clock, with their contents and when they were written."""
    found = []
    for number, (end, part) in enumerate(points.groupby(pd.DatetimeIndex(points.index).floor(f"{cut}min"))):
        local = pd.DatetimeIndex(part.index).tz_convert(ZONE).strftime("%Y-%m-%d %H:%M")
        rows = "".join(f"{at},{value}\n" for at, value in zip(local, part, strict=True))
        written = (pd.Timestamp(end) + pd.Timedelta(minutes=cut + 1)).to_pydatetime()
        found.append((f"log_{number}.csv", f"time,kW\n{rows}", written))
    return found


def put(world: World, name: str, content: str, written: datetime | None = None) -> None:
    world.put(name, content)
    if written is not None:
        os.utime(world.gate_dir / name, (written.timestamp(), written.timestamp()))


def send(world: World, name: str, content: str, written: datetime | None = None) -> jobs.Job:
    put(world, name, content, written)
    job = world.act(world.importer)
    assert job.status == "finished", job.error
    return job


def hourly(points: pd.Series) -> dict[str, float]:
    """Return the right hourly means."""
    means = points.resample("1h").mean()
    return {f"{at:%m-%d %H:%M}": value for at, value in means.items()}


def assert_right(world: World, points: pd.Series) -> None:
    made = {f"{at:%m-%d %H:%M}": value for at, value in world.series(world.cleaner)["kW by hour"].items()}
    right = hourly(points)
    inner = list(right)[1:-1]
    assert {at: made.get(at) for at in inner} == pytest.approx({at: right[at] for at in inner}, abs=1e-9)


def told(world: World) -> list[str]:
    with world.database.read() as session:
        found = notifications.list_notifications(session, world.principal, project_id=world.project)
        return [one.message for one in found if one.name == "Hours shown twice" and not one.resolved]


def cleaner(world: World) -> None:
    world.channel("kW", name="kW by hour", step="1H", clock="local", timezone=ZONE)


@pytest.mark.pairs
@pytest.mark.parametrize(
    ("clock", "step", "cut"), [("local", 10, 60), ("local", 11, 20), (None, 11, 60), (None, 5, 15)]
)
def test_a_file_of_the_second_time_around_is_told_by_those_before_it(
    world: World, clock: str | None, step: int, cut: int
) -> None:
    if clock:
        world.configure(clock=clock, timezone=ZONE)
    cleaner(world)
    points = night(step)
    for name, content, written in files(points, cut):
        put(world, name, content, written)
        if name in ("log_3.csv", "log_5.csv"):  # some come one by one, some together
            world.act(world.importer)
    world.act(world.importer)
    assert len(world.series(world.importer)["kW"]) == len(points)
    assert_right(world, points)
    assert told(world) == []


def test_files_sent_again_or_corrected_stay_where_they_were(world: World) -> None:
    world.configure(clock="local", timezone=ZONE)
    cleaner(world)
    points = night(10)
    sent = files(points, 60)
    for file in sent:
        send(world, *file)
    first, second = sent[2], sent[3]
    assert [one[1].splitlines()[1][:16] for one in (first, second)] == ["2024-10-27 02:00"] * 2
    assert send(world, "sent again.csv", first[1]).result["unchanged"] == 6
    assert send(world, "twice.csv", second[1]).result["unchanged"] == 6
    # A correction under its name corrects its own hour.
    points.iloc[6 * 3] = 1000
    corrected = files(points, 60)[3]
    assert send(world, *corrected[:2]).result["files"][0]["open_hours"][0]["pass"] == 2
    assert_right(world, points)
    assert told(world) == []


@pytest.mark.pairs
@pytest.mark.parametrize("clock", ["local", None])
def test_what_nothing_tells_is_told_and_can_be_chosen(world: World, clock: str | None) -> None:
    """Nothing but zeros, so that the second hour looks like the first one sent again."""
    if clock:
        world.configure(clock=clock, timezone=ZONE)
    cleaner(world)
    points = night(10, "flat")
    sent = files(points, 60)
    for file in sent:
        send(world, *file)
    (message,) = told(world)
    assert all(word in message for word in ("log_3.csv", "2024-10-27 02:00", "repeated_hour"))
    # Taken so that nothing is overwritten; which here is right.
    assert len(world.series(world.importer)["kW"]) == len(points)
    world.configure(repeated_hour="first")
    assert told(world) == []
    job = world.act(world.importer)
    assert [file["path"] for file in job.result["files"]] == ["log_3.csv"]
    assert len(world.series(world.importer)["kW"]) == len(points) - 6
    world.configure(repeated_hour="modified")
    (file,) = world.act(world.importer).result["files"]
    assert file["open_hours"] == [{"stamp": "2024-10-27 02:00:00", "pass": 2, "why": "by the times of files"}]
    assert_right(world, points)
    assert len(world.series(world.importer)["kW"]) == len(points)
    # What the times of files tell is no guess: it stays.
    world.configure(repeated_hour="first")
    assert world.act(world.importer).result["files"] == []


def test_a_first_file_that_begins_inside_is_told_and_its_time_tells(world: World) -> None:
    world.configure(clock="local", timezone=ZONE)
    points = night(10)
    sent = files(points, 60)
    job = send(world, *sent[3])
    assert job.result["files"][0]["open_hours"] == [{"stamp": "2024-10-27 02:00:00", "pass": 1, "why": "nothing tells"}]
    (message,) = told(world)
    assert "taken for the first" in message
    world.configure(repeated_hour="second")
    world.act(world.importer)
    assert world.series(world.importer)["kW"].index[0] == pd.Timestamp("2024-10-27 01:00")
    assert (len(world.series(world.importer)["kW"]), told(world)) == (6, [])


def test_an_hour_of_which_a_file_is_missing_is_told(world: World) -> None:
    world.configure(clock="local", timezone=ZONE)
    points = night(10)
    sent = files(points, 60)
    for file in (*sent[:2], *sent[3:]):
        job = send(world, *file)
        if file[0] == "log_4.csv":
            assert job.result["files"][0]["hours_seen_once"] == [{"stamp": "2024-10-27 02:00:00", "pass": 1}]
    (message,) = told(world)
    assert "one time only" in message
    # The times of files tell where it belongs.
    world.configure(repeated_hour="modified")
    world.act(world.importer, "reset")
    found = world.series(world.importer)["kW"]
    right = pd.concat([points[: 2 * 6], points[3 * 6 :]])
    assert found.index.equals(right.index.tz_localize(None).as_unit("us"))
    assert (found.to_numpy() == right.to_numpy()).all()


@pytest.mark.pairs
@pytest.mark.parametrize("missing", [2, 3])
def test_an_hour_of_which_a_file_is_missing_is_told_by_the_channel_that_knows_the_clock(
    world: World, missing: int
) -> None:
    """The importer does not know it: nothing can be told of its files."""
    cleaner(world)
    sent = files(night(10), 60)
    for number, file in enumerate(sent):
        if number != missing:
            job = send(world, *file)
            assert "hours_seen_once" not in job.result["files"][0]
            assert told(world) == [] or number >= 4
    (message,) = told(world)
    assert all(word in message for word in ("kW by hour", "2024-10-27 02:00", "one time only", "taken for the first"))
    once = [{"stamp": "2024-10-27 02:00:00", "pass": 1}]
    with world.database.write() as session:
        generator = find_generator(session, world.cleaner)
        assert generator is not None
        actions.start(session, generator, "reset")
    job = next(job for job in world.work() if job.kind == "cleaner.run")
    assert job.result["series"]["kW by hour"]["hours_seen_once"] == once
    assert len(told(world)) == 1
    world.configure(repeated_hour="second")
    send(world, *sent[missing])
    assert told(world) == []


def test_a_file_with_one_time_only_is_told_by_the_channel(world: World) -> None:
    cleaner(world)
    local = night(10).tz_convert(ZONE).tz_localize(None)
    once = local[~local.index.duplicated(keep="first")]
    rows = "".join(f"{at:%Y-%m-%d %H:%M},{value}\n" for at, value in once.items())
    send(world, "all.csv", f"time,kW\n{rows}")
    assert len(told(world)) == 1
    both = "".join(f"{at:%Y-%m-%d %H:%M},{value}\n" for at, value in local.items())
    send(world, "both.csv", f"time,kW\n{both}")
    assert told(world) == []
    assert_right(world, night(10))


def test_a_file_that_comes_late_is_not_guessed_silently(world: World) -> None:
    """The file of the first hour arrives after that of the second: by their names, either may be either."""
    world.configure(clock="local", timezone=ZONE)
    sent = files(night(10), 60)
    for number in (0, 1, 3, 2):
        job = send(world, *sent[number])
    assert job.result["files"][0]["open_hours"][0]["why"] == "nothing tells"
    assert len(told(world)) == 1
    assert len(world.series(world.importer)["kW"]) == 4 * 6
    # Read from the beginning, in their order, they tell.
    world.act(world.importer, "reset")
    assert told(world) == []
    right = night(10)[: 4 * 6]
    assert (world.series(world.importer)["kW"].to_numpy() == right.to_numpy()).all()


def test_a_clock_that_is_not_put_back_asks_nothing(world: World) -> None:
    """Instants, standard time, and other nights are what they were."""
    points = night(10)
    for clock in ("utc", "standard"):
        world.configure(clock=clock, timezone=ZONE)
        for name, content, _ in files(points[:13], 60):
            job = send(world, f"{clock} {name}", content)
            assert "open_hours" not in job.result["files"][0]
    assert told(world) == []
