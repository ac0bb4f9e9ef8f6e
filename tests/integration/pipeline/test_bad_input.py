"""Scripts and files that go wrong: the run says what was wrong, and leaves no half behind."""

import numpy as np
import pandas as pd
import pytest

from entrepot.events import Notification

from .conftest import World, hours

GOOD = hours("2024-01-01", 3, p=1)


def parse(body: str) -> str:
    """Return a script whose parse function has this body."""
    head = "import os\nimport pandas as pd\nDAY = pd.DatetimeIndex(['2024-01-01'])\n"
    return f"{head}def parse(content_bytes, rel_path, **tools):\n    {body}\n"


#: Scripts, and a word of what is said of them.
NONSENSE = {
    "no index": (parse("return pd.DataFrame({'p': [1.0]})"), "DatetimeIndex"),
    "strings": (parse("return pd.DataFrame({'p': ['x']}, DAY)"), "p"),
    "duplicate columns": (parse("return pd.DataFrame([[1.0, 2.0]], DAY, ['p', 'p'])"), "p"),
    "infinite values": (parse("return pd.DataFrame({'p': [float('inf')]}, DAY)"), "p"),
    "not a frame": (parse("return 7"), "int"),
    "no function": ("x = 1\n", "parse"),
    "no Python": ("def parse(:\n", "line 1"),
    "an exception": (parse("raise ValueError('what a file')"), "what a file"),
    "an exit": (parse("os._exit(3)"), "exit"),
    "a name too long": (parse("return pd.DataFrame({'p' * 300: [1.0]}, DAY)"), "255"),
    "a loop": (parse("while True: pass"), "longer than"),
    "memory": (parse("return bytearray(8 << 30)"), "memory"),
    "a huge file": (parse("open('x', 'wb').write(bytes(300 << 20))"), ""),
    "forks": (parse("while True: os.fork()"), ""),
}


@pytest.fixture
def database_kind() -> str:
    """What a script does wrong has nothing to do with the database; the rest of the pipeline's tests run on both."""
    return "sqlite"


@pytest.fixture
def strict(world: World) -> World:
    """A world whose scripts may take little."""
    world.settings = world.settings.model_copy(update={"script_seconds": 3.0, "script_memory_bytes": 1 << 30})
    return world


@pytest.mark.parametrize("wrong", NONSENSE)
def test_a_script_that_goes_wrong_fails_the_run_and_says_why(strict: World, wrong: str) -> None:
    script, said = NONSENSE[wrong]
    strict.put("a.csv", GOOD)
    strict.act(strict.importer)
    strict.configure(parse=script)
    strict.work()
    strict.put("b.csv", GOOD)
    job = strict.act(strict.importer)
    assert job.status == "failed"
    assert said in job.error
    assert strict.series(strict.importer) == {}  # a new script resets what the old one made
    with strict.database.read() as session:
        assert [found.name for found in session.query(Notification)] == ["Run failed"]
    assert strict.report(strict.importer)["error"] == job.error


@pytest.mark.parametrize(
    "content", [b"", b"time,p\n", b"time,p\n2024-01-01", b"\x00\xff\xfe" * 1000, b"[1, 2", "time;p\n".encode("utf-16")]
)
def test_files_that_are_not_what_the_script_expects_end_in_words(world: World, content: bytes) -> None:
    world.put("2024.csv", content)
    job = world.act(world.importer)
    assert job.status in ("finished", "failed")
    assert job.status == "finished" or job.error.startswith("2024.csv: ")
    assert all(series.empty for series in world.series(world.importer).values())


def test_a_huge_file_passes(world: World) -> None:
    index = pd.date_range("2020-01-01", periods=300_000, freq="min")
    world.put("huge.csv", pd.DataFrame({"p": np.arange(300_000.0)}, index))
    assert world.act(world.importer).result["added"] == 300_000


@pytest.mark.parametrize(
    "name", ["a b.csv", "dir/…/ü.csv", "x" * 250 + ".csv", "'; drop table series;--.csv", "%2e%2e.csv"]
)
def test_file_names_of_any_kind(world: World, name: str) -> None:
    world.put(name, GOOD)
    job = world.act(world.importer)
    assert [file["path"] for file in job.result["files"]] == [name]


def test_a_label_with_slashes_dots_and_unicode_is_a_series_like_others(world: World) -> None:
    label = "../Wind/ø.°C [x]"
    world.put("a.csv", GOOD.rename(columns={"p": label}))
    world.act(world.importer)
    world.channel(label, step="1H")
    world.work()
    assert list(world.series(world.cleaner)) == [f"{label}-cleaned"]
