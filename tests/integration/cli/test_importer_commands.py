"""How importers read their files, and scripts that are tried, from terminal and SDK against a live server."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

import entrepot
from entrepot.cli import app
from entrepot.client.errors import Failed
from entrepot.client.ovbp import Client
from entrepot.client.ovbp.models.oteams import Project
from tests.support.cases import Case
from tests.support.server import ORGANIZATION, ServerProcess

pytestmark = pytest.mark.turns

PARSE = """
import pandas as pd

def parse(content_bytes, rel_path, **tools):
    return pd.read_csv(content_bytes, index_col=0, parse_dates=True)
"""
FIRST = "time,wind\n2024-01-01 00:00,1\n2024-01-01 01:00,2\n"
SECOND = "time,wind,Note\n2024-01-02 00:00,1,ok\n2024-01-02 01:00,2,ok\n"


class Terminal:
    """Types commands on one project of a server."""

    def __init__(self, server: ServerProcess, folder: Path) -> None:
        self.environment = {"ENTREPOT_URL": server.url, "ENTREPOT_TOKEN": server.token, "ENTREPOT_PROJECT": "Files in"}
        self.folder = folder

    def run(self, *arguments: object, code: int = 0) -> Result:
        done = CliRunner().invoke(app, [*map(str, arguments)], env=self.environment)
        assert done.exit_code == code, done.output
        return done

    def put(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content)
        self.run("gate", "put", self.folder / name, "--gate", "scada")


@pytest.fixture(scope="module")
def project(shared_server: ServerProcess) -> Iterator[Project]:
    with Client(token=shared_server.token, url=f"{shared_server.url}/ovbp/api/v2") as client:
        yield client.get_organization(ORGANIZATION).create_project("Files in")


@pytest.fixture(scope="module")
def terminal(shared_server: ServerProcess, project: Project, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """A terminal in front of an importer that has read one of two files."""
    terminal = Terminal(shared_server, tmp_path_factory.mktemp("files"))
    project.create_importer("scada").configure(project.create_gate("scada"), parse_script=PARSE)
    terminal.put("1.csv", FIRST)
    terminal.run("run", "importer", "scada", "--follow")
    (terminal.folder / "parse.py").write_text(PARSE)
    (terminal.folder / "2.csv").write_text(SECOND)
    return terminal


def test_a_script_is_tried_on_a_file_of_the_gate_and_on_one_that_is_sent(terminal: Terminal) -> None:
    script = terminal.folder / "parse.py"
    told = terminal.run("importers", "try", "Files in/scada", script, "1.csv").stdout
    assert told.startswith("2 rows, 1 columns, 2024-01-01 00:00 to 2024-01-01 01:00 (every hour)\n")
    assert "wind  integer  2 values   1 to 2\n" in told
    told = terminal.run("importer", "try", script, terminal.folder / "2.csv", "--importer", "scada", code=1).stdout
    assert "Note  text     refused: column 'Note': 'ok' at 2024-01-02 00:00 (line 2) and 1 more are not numbers" in told
    assert "wind  integer  2 values   1 to 2\n" in told
    (found,) = orjson.loads(terminal.run("importer", "try", script, terminal.folder / "1.csv", "--json").stdout)
    assert found["columns"][0]["new_series"]
    assert "no importer" in terminal.run("importers", "try", "scda", script, "1.csv", code=1).stderr


def test_the_sdk_tries_scripts(shared_server: ServerProcess, terminal: Terminal, project: Project) -> None:
    client = entrepot.connect(shared_server.url, shared_server.token)
    files_in = client.projects["Files in"]
    importer = files_in.importers["scada"]
    (told,) = client.importers.try_script(importer=importer.id, files={"x.csv": SECOND.encode()})
    assert [column["refused"] is None for column in told["columns"]] == [True, False]
    (told,) = importer.try_script(files=[terminal.folder / "2.csv"])
    assert told["rows"] == 2
    analysis = project.create_analysis("mean")
    analysis.create_analysis_input(project.get_importer("scada"), "wind", "wind")
    analysis.create_analysis_output("mean", "mean")
    analysis.create_analysis_config(
        "1H", "1H", "def analyze(df, **tools):\n    return df.rename(columns={'wind': 'mean'})\n", "gmt", "UTC"
    )
    mean = files_in.analyses["mean"]
    said = mean.try_script()
    assert said["columns"][0]["name"] == "mean"
    assert terminal.run("analysis", "try", "mean").stdout.splitlines()[0].endswith("T01:00:00Z")
    with pytest.raises(Failed, match="holds no step"):
        mean.try_script(from_="2030-01-01T00:00:00Z")
    cleaned = importer.channels.try_settings("wind", step="1h", clock="UTC", kind="mean", maximum=1.5)
    assert (cleaned["raw"]["count"], cleaned["error"]) == (2, None)
    versions = list(importer.versions())
    assert [one["version"] for one in versions] == list(range(len(versions), 0, -1))
    assert versions[0]["script"] == importer.parse
    client.close()


def test_changed_files_are_told_of_until_they_are_read(terminal: Terminal) -> None:
    terminal.put("1.csv", FIRST.replace(",2\n", ",3\n"))
    terminal.run("run", "importer", "scada", "--follow")
    assert orjson.loads(terminal.run("gate", "ls", "--json").stdout)[0]["use"]["changed_unread"] == 1
    assert "1.csv" in terminal.run("importer", "files", "scada", "--changed").stdout
    set_ = terminal.run("importer", "set", "scada", "--read-changed", "--order", "arrival", "--replaces", "--json")
    changed = orjson.loads(set_.stdout)
    assert (changed["reads_changed"], changed["order"], changed["replaces"]) == (True, "arrival", True)
    terminal.run("run", "importer", "scada", "--follow")
    assert terminal.run("importer", "files", "scada", "--changed").stdout == "none\n"
    (known,) = orjson.loads(terminal.run("importer", "files", "scada", "--json").stdout)
    assert (known["path"], known["rows"], known["last"]) == ("1.csv", 2, "2024-01-01T01:00")
    assert "arrival" in terminal.run("importer", "ls").stdout


def test_a_refused_run_fails_the_command_and_says_why(terminal: Terminal, project: Project) -> None:
    project.create_importer("lost").configure(project.get_gate("scada"), parse_script=PARSE, root_dir_path="/no/such")
    failed = terminal.run("run", "importer", "lost", "--follow", code=1)
    assert "refused" in failed.stderr
    assert "no folder 'no/such/'" in failed.stderr


def test_rows_without_a_column_fail_the_command(terminal: Terminal, project: Project) -> None:
    case = Case("wrong-separator")
    importer = project.create_importer("tabs")
    importer.configure(project.create_gate("tabs"), parse_script=case.text("parse.py"))
    for path, content in next(case.rounds()).items():
        (terminal.folder / path).write_bytes(content)
        terminal.run("gate", "put", terminal.folder / path, "--gate", "tabs")
    failed = terminal.run("run", "importer", "tabs", "--follow", code=1)
    assert all(word in failed.stderr for word in ("2024-03-01.csv", "column"))
