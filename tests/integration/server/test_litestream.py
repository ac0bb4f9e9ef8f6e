"""What docs/litestream.md says: a database that is followed, lost with all of its machine, and had again."""

import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from entrepot.cli import app
from entrepot.db import Database
from entrepot.errors import Conflict
from entrepot.server.run import upgrade
from tests.conftest import MakeServer
from tests.support import s3
from tests.support.deadline import eventually
from tests.support.server import ServerProcess

PAGE = (Path(__file__).parents[3] / "docs" / "litestream.md").read_text()
LITESTREAM = Path(sys.executable).parent / "litestream"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="its program is installed on Linux alone")


class Follower:
    """Litestream as the page has it, on a store of this machine, with a folder in place of ``/srv``."""

    def __init__(self, srv: Path, store: s3.S3) -> None:
        self._srv, self._log = srv, srv / "litestream.log"
        (settings,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
        self._commands = [self._placed(code) for code in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)]
        (url,) = re.findall(r"      url: s3://(\S+?)/\S+\n", settings)
        store.bucket(url)
        here = f"      endpoint: {store.url}\n      force-path-style: true\n"
        (srv / "litestream.yml").write_text(self._placed(settings).replace("snapshot:", f"{here}snapshot:"))
        programs = f"{LITESTREAM.parent}:/usr/bin:/bin"
        self._environment = {"PATH": programs, "HOME": str(srv), **store.environment}

    def _placed(self, text: str) -> str:
        return text.replace("/srv", str(self._srv))

    @contextmanager
    def follows(self) -> Iterator[None]:
        """Have the database followed; killed at the end."""
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                self._commands[0].split(), cwd=self._srv, env=self._environment, stdout=log, stderr=log
            )
        try:
            yield
        finally:
            process.kill()
            process.wait()

    def brings_back(self) -> Path:
        """Restore the database as it was copied last."""
        code, _, _ = self._commands[1].partition("entrepot check")
        (made,) = map(Path, re.findall(r"-o (\S+)", code))
        for suffix in ("", "-wal", "-shm"):
            made.with_name(made.name + suffix).unlink(missing_ok=True)
        subprocess.run(["bash", "-c", code], cwd=self._srv, env=self._environment, capture_output=True, check=False)
        return made

    def has(self, count: int) -> bool:
        """Tell whether so many files are in what would be brought back."""
        if not (made := self.brings_back()).exists():
            return False  # the first copy is still under way
        with closing(sqlite3.connect(made)) as database:
            (found,) = database.execute("SELECT count(*) FROM published_file").fetchone()
            assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return bool(found == count)


def publish(server: ServerProcess, count: int) -> None:
    with server.http() as client:
        for number in range(count):
            client.post("/api/v1/files", files={"file": (f"{number}.txt", b"x" * 3000)}).raise_for_status()


def test_a_database_that_is_followed_is_had_again_with_all_that_was_acknowledged(
    make_server: MakeServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upgrade, "_PATIENCE_SECONDS", 0.3)
    srv = tmp_path / "srv"
    srv.mkdir()
    with s3.running() as store, make_server("sqlite", srv / "entrepot") as server:
        follower = Follower(srv, store)
        (srv / "again").mkdir()
        with follower.follows():
            publish(server, 20)
            server.command("db", "vacuum")
            publish(server, 20)
            eventually(lambda: follower.has(40), 60)
        publish(server, 5)
        server.restart()
        with follower.follows():
            server.command("backup", "--to", str(srv / "backups"))
            publish(server, 5)
            eventually(lambda: follower.has(50), 60)
            server.stop()
            database = Database(f"sqlite:///{server.data_dir / 'entrepot.db'}")
            with pytest.raises(Conflict, match="in use"):
                upgrade.require_unused(database)
            database.close()
        again = srv / "again"
        shutil.rmtree(again)
        run(again, "restore", str(srv / "backups"))
        follower.brings_back()
    run(again, "db", "adopt")
    said = run(again, "check", "--files", code=1)
    assert said.count(" problems") == 1, said
    assert "files      5 problems" in said, said  # those that came after the backup: their rows were followed


def run(data_dir: Path, *arguments: str, code: int = 0) -> str:
    """Run a command on a data folder, and return what it said."""
    done = CliRunner().invoke(app, [*arguments, "--data-dir", str(data_dir)])
    assert done.exit_code == code, done.output
    return done.output
