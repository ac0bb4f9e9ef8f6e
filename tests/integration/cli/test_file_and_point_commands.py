"""Published files, points of series and kept logins, from the terminal."""

from pathlib import Path

import numpy as np
import orjson
import pandas as pd
import pytest
from typer.testing import CliRunner, Result

import entrepot
from entrepot.cli import app
from entrepot.client.connecting import keep_login, logins
from tests.support.server import ServerProcess


def run(server: ServerProcess, *arguments: object, code: int = 0) -> Result:
    environment = {"ENTREPOT_URL": server.url, "ENTREPOT_TOKEN": server.token}
    done = CliRunner().invoke(app, [*map(str, arguments)], env=environment)
    assert done.exit_code == code, done.output
    return done


def test_a_file_is_listed_shown_and_fetched(shared_server: ServerProcess, tmp_path: Path) -> None:
    (tmp_path / "week.csv").write_text("time,wind\n")
    with entrepot.connect(shared_server.url, shared_server.token) as client:
        made = client.files.publish(tmp_path / "week.csv", identifier="by terminal")
    (listed,) = orjson.loads(run(shared_server, "files", "list", "--identifier", "by terminal", "--json").stdout)
    assert listed["id"] == made["id"]
    assert run(shared_server, "files", "list", "--identifier", "nothing").stdout == "none\n"
    assert orjson.loads(run(shared_server, "files", "show", made["id"], "--json").stdout)["sha256"] == made["sha256"]
    target = tmp_path / "fetched.csv"
    assert run(shared_server, "files", "download", made["id"], "-o", target).stdout == f"{target}\n"
    assert target.read_text() == "time,wind\n"
    assert "404" in run(shared_server, "files", "show", "0" * 36, code=1).stderr
    assert run(shared_server, "files", "withdraw", made["id"]).stdout == "week.csv: expired\n"
    assert "expired" in run(shared_server, "files", "download", made["id"], "-o", target, code=1).stderr


def test_points_are_deleted_once_somebody_says_yes(shared_server: ServerProcess) -> None:
    index = pd.date_range("2024-03-01", periods=24, freq="h", tz="UTC")
    with entrepot.connect(shared_server.url, shared_server.token) as client:
        series = client.projects.ensure("by terminal").series.ensure("stray")
        series.write(pd.Series(np.arange(24.0), index))
        asked = ("series", "delete-points", "by terminal/stray", "--to", "2024-03-01T06:00Z")
        run(shared_server, *asked, code=1)  # nobody answers
        assert len(series.read()) == 24
        (told,) = orjson.loads(run(shared_server, *asked, "--yes", "--json").stdout)
        assert (told["series"], told["deleted"]) == ("stray", 6)
        assert series.read().index[0] == index[6]


def test_a_login_is_kept_until_logout(
    shared_server: ServerProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    run(shared_server, "login", shared_server.url)
    assert logins() == {shared_server.url: shared_server.token}
    assert run(shared_server, "logout", shared_server.url).stdout == f"{shared_server.url}: forgotten\n"
    assert logins() == {}
    keep_login("https://results.example", "t")
    assert run(shared_server, "logout", "results.example").stdout == "https://results.example: forgotten\n"
    assert logins() == {}
    assert "Nothing is kept for" in run(shared_server, "logout", "results.example", code=1).output
