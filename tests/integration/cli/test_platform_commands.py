"""Files to a gate, runs and series from the terminal, against a live server."""

import io
from collections.abc import Iterator
from pathlib import Path

import orjson
import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner, Result

from entrepot.cli import app
from entrepot.client.ovbp import Client
from entrepot.client.ovbp.models.oteams import Project
from tests.support.server import ORGANIZATION, ServerProcess

pytestmark = pytest.mark.turns

PARSE = """
import pandas as pd

def parse(content_bytes, rel_path, **tools):
    return pd.read_csv(content_bytes, index_col=0, parse_dates=True)
"""


class Terminal:
    """Types commands on one project of a server."""

    def __init__(self, server: ServerProcess, project: str) -> None:
        self.environment = {"ENTREPOT_URL": server.url, "ENTREPOT_TOKEN": server.token, "ENTREPOT_PROJECT": project}

    def run(self, *arguments: object, code: int = 0) -> Result:
        done = CliRunner().invoke(app, [*map(str, arguments)], env=self.environment)
        assert done.exit_code == code, done.output
        return done


@pytest.fixture(scope="module")
def project(shared_server: ServerProcess) -> Iterator[Project]:
    with Client(token=shared_server.token, url=f"{shared_server.url}/ovbp/api/v2") as client:
        yield client.get_organization(ORGANIZATION).create_project("Farm")


@pytest.fixture(scope="module")
def terminal(shared_server: ServerProcess, project: Project, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A terminal in front of a project with an importer that has imported two files, sent and run from there."""
    terminal = Terminal(shared_server, "Farm")
    gate = project.create_gate("scada")
    importer = project.create_importer("scada")
    importer.configure(gate, parse_script=PARSE, crontab="0 0 0 1 1 *")
    folder = tmp_path_factory.mktemp("files")
    stamps = pd.date_range("2014-03-01", periods=48, freq="h")
    frame = pd.DataFrame({"wind": range(48), "power": 2.0}, index=stamps)
    frame[:24].to_csv(folder / "1.csv")
    frame[24:].to_csv(folder / "2.csv")
    sent = terminal.run("gate", "put", folder / "1.csv", folder / "2.csv", "--gate", "scada", "--to", "/2014/march")
    assert sent.stdout == "2 sent\n"
    assert terminal.run("run", "importer", "scada", "--follow").stdout == "finished\n"
    cleaner = project.get_cleaner("scada")
    cleaner.create_unitcleaner("wind", name="wind")
    terminal.run("run", "cleaner", "scada", "--follow")
    return terminal


def test_series_are_listed_with_what_they_are_of(terminal: Terminal) -> None:
    rows = orjson.loads(terminal.run("series", "ls", "--json").stdout)
    assert [(row["name"], row["of"]["kind"], row["of"]["name"]) for row in rows] == [
        ("power", "importer", "scada"),
        ("wind", "importer", "scada"),
        ("wind", "cleaner", "scada"),
    ]
    one = terminal.run("series", "ls", "w*", "--of", "cleaner=scada", "--json").stdout
    assert [row["id"] for row in orjson.loads(one)] == [rows[2]["id"]]


def test_values_are_written_as_csv_parquet_and_arrow(terminal: Terminal, tmp_path: Path) -> None:
    read = ("series", "read", "wind", "power", "--of", "importer=scada", "--resample", "1D")
    expected = pd.DataFrame(
        {
            "time": pd.DatetimeIndex(["2014-03-01", "2014-03-02"]).as_unit("ns"),
            "wind": [11.5, 35.5],
            "power": [2.0, 2.0],
        }
    )
    assert terminal.run(*read).stdout == "time,wind,power\n2014-03-01,11.5,2.0\n2014-03-02,35.5,2.0\n"
    parquet = terminal.run(*read, "-f", "parquet").stdout_bytes
    pd.testing.assert_frame_equal(pd.read_parquet(io.BytesIO(parquet)), expected)
    terminal.run(*read, "-f", "arrow", "-o", tmp_path / "values.arrow")
    with pa.ipc.open_stream((tmp_path / "values.arrow").read_bytes()) as stream:
        pd.testing.assert_frame_equal(stream.read_all().to_pandas(), expected)


def test_series_of_the_same_name_are_told_apart(terminal: Terminal) -> None:
    head = terminal.run("series", "read", "wind", "--end", "2014-03-01").stdout.splitlines()[0]
    assert head == "time,wind [importer=scada],wind [cleaner=scada]"


def test_values_are_plotted(terminal: Terminal) -> None:
    drawn = terminal.run("series", "plot", "wind", "--of", "importer=scada").stdout
    assert "2014-03-01 00:00 – 2014-03-02 23:00" in drawn
    assert "wind" in drawn
    assert "no value" in terminal.run("series", "plot", "wind", "--start", "2030-01-01", code=1).stderr


def test_series_say_what_they_were_made_of(terminal: Terminal) -> None:
    cleaned = orjson.loads(terminal.run("series", "list", "--of", "cleaner=scada", "--json").stdout)[0]["id"]
    told = terminal.run("series", "explain", cleaned).stdout.splitlines()
    assert [line.strip().partition(" ")[0] for line in told] == ["cleaner", "importer", "file", "file"]
    assert told[2].strip().startswith("file 2014/march/1.csv, SHA-256 ")


def test_series_are_exported(terminal: Terminal, tmp_path: Path) -> None:
    (line,) = terminal.run("series", "export", "power", "--frame", "-o", tmp_path).stdout.split("\n")[:-1]
    frame = pd.read_csv(line)
    assert len(frame) == 48
    assert list(frame.columns)[1:] == ["power [importer=scada]"]


def test_a_task_that_is_not_followed_is_named(terminal: Terminal, project: Project) -> None:
    id_ = terminal.run("run", "importer", "scada").stdout.strip()
    assert project.client.importer_tasks.retrieve(id_).wait_for_completion() == "finished"


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("series list --project nothing", "no project 'nothing'"),
        ("series read none", "no series 'none'"),
        ("series read wind --of cleaner=x", "no series 'wind' of cleaner=x"),
        ("series read wind --resample 1X", "1X"),
        ("analyses run none", "There is no analysis 'none'"),
        ("gates upload none {file}", "There is no gate"),
        ("series list --token wrong", "401"),
        ("series list --url http://127.0.0.1:1", "http://127.0.0.1:1"),
    ],
)
def test_what_cannot_be_done_is_one_line(command: str, reason: str, terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "file.csv"
    file.touch()
    done = terminal.run(*command.format(file=file).split(), code=1)
    assert done.stderr.startswith("error: ")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_failed_run_fails_the_command_and_says_why(terminal: Terminal, project: Project) -> None:
    analysis = project.create_analysis("broken")
    cleaner = project.get_cleaner("scada")
    analysis.create_analysis_input(cleaner, "wind", "wind")
    analysis.create_analysis_output("out", "mean")
    analysis.create_analysis_config("1h", "1h", "def analyze(df, **tools):\n    raise ValueError('no wind')\n")
    assert "failed" in terminal.run("run", "analysis", "broken", "-f", code=1).stderr


@pytest.mark.parametrize(
    "command", ["series list", "series read", "series plot", "series export", "runs show", "gates upload", "plan"]
)
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = CliRunner().invoke(app, [*command.split(), "--help"])
    assert done.exit_code == 0
    assert "Example: " in done.output


def test_what_a_project_has_waiting_is_cancelled(terminal: Terminal, project: Project) -> None:
    """The server's own worker may take one of them first: all end, and one way or the other none is left waiting."""
    for _ in range(3):
        project.get_importer("scada").clear()
    done = orjson.loads(terminal.run("run", "cancel", "--kind", "importer", "--json").stdout)
    assert set(done) == {"waiting", "running"}
    said = terminal.run("run", "cancel", "--kind", "importer", "--all-waiting").stdout
    assert said == "0 cancelled that waited, 0 told to stop that run\n"
