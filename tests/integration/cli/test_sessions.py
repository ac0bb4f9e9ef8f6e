"""Sessions of the command line as people have them: paths, verbs, a project as a file, one's own login."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from entrepot.cli import app
from tests.support.server import ServerProcess

PARSE = """
import pandas as pd

def parse(content, path, **tools):
    return pd.read_csv(content, index_col="t", parse_dates=True).add_prefix(path.split("/")[0] + " ")
"""
FARM = """
project: farm
time_zone: UTC
gates:
  scada: {quarantine: true}
importers:
  scada:
    gate: scada
    parse: scripts/parse.py
    channels:
      T1 Ws_avg: {name: T1 wind, unit: m/s, kind: mean, maximum: 60}
"""


class Terminal:
    """A shell of somebody who has signed in to a server."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.environment = {
            "XDG_CONFIG_HOME": str(home),
            "ENTREPOT_URL": None,
            "ENTREPOT_TOKEN": None,
            "COLUMNS": "160",
        }
        self.folder = folder

    def run(self, *words: object, code: int = 0, typed: str | None = None) -> Result:
        done = CliRunner().invoke(app, [*map(str, words)], env=self.environment, input=typed)
        assert done.exit_code == code, done.output
        return done


@pytest.fixture(scope="module")
def server(
    make_server: Callable[..., ServerProcess], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerProcess]:
    with make_server("sqlite", tmp_path_factory.mktemp("sessions") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def terminal(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> Terminal:
    """Somebody who has logged in, and applied a farm that then imported a month."""
    folder = tmp_path_factory.mktemp("farm")
    terminal = Terminal(tmp_path_factory.mktemp("home"), folder)
    assert "say who asks" in terminal.run("projects", "list", code=2).stderr
    assert "401" in terminal.run("login", server.url, typed="wrong\n", code=1).stderr
    terminal.run("login", server.url, typed=f"{server.token}\n")
    (folder / "scripts").mkdir()
    (folder / "scripts" / "parse.py").write_text(PARSE)
    (folder / "farm.yaml").write_text(FARM)
    index = pd.date_range("2014-03-01", periods=2 * 144, freq="10min", name="t")
    (folder / "wind_farm" / "T1").mkdir(parents=True)
    pd.DataFrame({"Ws_avg": np.arange(288) % 50}, index).to_csv(folder / "wind_farm" / "T1" / "2014-03.csv")
    planned = terminal.run("plan", folder / "farm.yaml").stdout.splitlines()
    assert planned[0] == 'farm.yaml beside "farm"'
    assert "  + importer scada" in planned
    assert planned[-1].startswith("Nothing was changed. `entrepot apply ")
    assert terminal.run("projects", "list").stdout == "none\n"
    terminal.run("apply", folder / "farm.yaml")
    assert terminal.run("gates", "upload", "farm/scada", folder / "wind_farm", "--no-progress").stdout == "1 sent\n"
    assert terminal.run("importers", "run", "farm/scada", "--follow").stdout == "finished\n"
    assert terminal.run("cleaners", "run", "farm/scada", "--follow").stdout == "finished\n"
    return terminal


def test_a_plan_says_what_is_cleaned_again_and_an_apply_that_nothing_differs(terminal: Terminal) -> None:
    file = terminal.folder / "farm.yaml"
    assert terminal.run("apply", file).stdout.splitlines()[1] == "  nothing differs"
    file.write_text(FARM.replace("maximum: 60", "maximum: 40"))
    told = terminal.run("plan", file).stdout
    assert "~ channel scada/T1 Ws_avg  maximum: 60.0 becomes 40.0  1 series is cleaned again: " in told
    assert " intervals from 2014-03-01 on" in told
    file.write_text(FARM)


def test_what_is_exported_is_planned_as_no_change(terminal: Terminal, tmp_path: Path) -> None:
    written = terminal.run("export", "project", "farm", "--output", tmp_path).stdout.split("\n")[:-1]
    assert [Path(one).relative_to(tmp_path).as_posix() for one in written] == ["scripts/importer_scada.py", "farm.yaml"]
    assert "nothing differs" in terminal.run("plan", tmp_path / "farm.yaml").stdout
    (tmp_path / "whole.yaml").write_text(terminal.run("export", "project", "farm").stdout)
    assert "nothing differs" in terminal.run("plan", tmp_path / "whole.yaml").stdout
    assert "gates" in orjson.loads(terminal.run("export", "schema").stdout)["properties"]


def test_every_noun_is_made_shown_changed_and_deleted_by_its_path(terminal: Terminal) -> None:
    for noun, path, setting in (
        ("projects", "other", "description"),
        ("gates", "farm/second", "description"),
        ("importers", "farm/second", "description"),
        ("channels", "farm/second/raw", "title"),
        ("analyses", "farm/second", "description"),
        ("sites", "Hill", "description"),
        ("locations", "Hill/T1", "description"),
        ("model-definitions", "Hill/as-built", "description"),
    ):
        more = ["name=made"] if noun == "channels" else []
        made = orjson.loads(terminal.run(noun, "create", path, f"{setting}=one", *more, "--json").stdout)
        assert made[setting] == "one"
        terminal.run(noun, "set", path, f"{setting}=two")
        assert orjson.loads(terminal.run(noun, "show", path, "--json").stdout)[setting] == "two"
        assert orjson.loads(terminal.run(noun, "show", made["id"], "--json").stdout)["id"] == made["id"]
        listed = orjson.loads(terminal.run(noun, "list", "--json").stdout)
        assert made["id"] in [one["id"] for one in listed]
    terminal.run("result-sets", "create", "curves", "site=Hill", "model=as-built")
    for noun, path in (
        ("result-sets", "curves"), ("analyses", "farm/second"), ("channels", "farm/second/raw"),
        ("importers", "farm/second"), ("gates", "farm/second"), ("locations", "Hill/T1"),
        ("model-definitions", "Hill/as-built"), ("sites", "Hill"), ("projects", "other"),
    ):  # fmt: skip
        terminal.run(noun, "delete", path, typed="n\n", code=1)
        terminal.run(noun, "delete", path, "--yes")
        assert "There is no" in terminal.run(noun, "show", path, code=1).stderr


def test_what_is_not_clear_is_answered_with_the_candidates(terminal: Terminal) -> None:
    terminal.run("projects", "create", "farther")
    terminal.run("gates", "create", "farther/scada")
    said = terminal.run("gates", "show", "scada", code=1).stderr
    assert said.count("(in far") == 2
    assert "there is scada" in terminal.run("gates", "show", "farm/scda", code=1).stderr
    assert "NAME=VALUE" in terminal.run("gates", "set", "farm/scada", "quarantine", code=1).stderr
    terminal.run("gates", "set", code=2)
    terminal.run("projects", "delete", "farther", "--yes")


def test_runs_are_listed_and_shown_with_what_they_printed(terminal: Terminal) -> None:
    listed = terminal.run("runs", "list", "--since", "1d").stdout.splitlines()
    (line, *_) = [line for line in listed if "cleaner scada: finished" in line]
    shown = orjson.loads(terminal.run("runs", "show", line[:8], "--log", "--json").stdout)
    assert (shown["of"]["name"], shown["log"]) == ("scada", "")
    assert terminal.run("runs", "list", "--status", "failed", "--since", "1d").stdout == ""


def test_series_are_read_in_any_unit_of_time_into_any_file(terminal: Terminal, tmp_path: Path) -> None:
    file = tmp_path / "wind.parquet"
    terminal.run("series", "read", "farm/T1 wind", "--from", "2014-03", "--step", "1d", "--output", file)
    frame = pd.read_parquet(file)
    assert list(frame.columns) == ["time", "T1 wind"]
    assert frame["time"].dt.date.astype(str).tolist() == ["2014-03-01", "2014-03-02"]
    terminal.run("series", "create", "farm/pushed", "unit=kW")
    (tmp_path / "points.csv").write_text("time,value\n2024-03-01T00:00Z,1.5\n2024-03-01T01:00Z,2.5\n")
    assert '"added": 2' in terminal.run("series", "write", "farm/pushed", tmp_path / "points.csv", "--json").stdout
    (tmp_path / "wrong.csv").write_text("t,v\n1,2\n")
    assert "time and value" in terminal.run("series", "write", "farm/pushed", tmp_path / "wrong.csv", code=1).stderr
    terminal.run("series", "delete", "farm/pushed", "--yes")


def test_a_script_is_tried_as_the_importer_would_call_it(terminal: Terminal) -> None:
    script, file = terminal.folder / "scripts" / "parse.py", terminal.folder / "wind_farm" / "T1" / "2014-03.csv"
    told = terminal.run("importers", "try", "farm/scada", script, file).stdout
    assert told.startswith("288 rows, 1 columns, 2014-03-01 00:00 to 2014-03-02 23:50")
