"""The commands as an operator types them."""

import os
import stat
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner, Result

from entrepot.cli import app, common
from entrepot.db import Database, migrate
from entrepot.identity import Vault, ftp, keys, projects
from entrepot.server.private import keep_private
from entrepot.server.services import Services
from entrepot.server.setup import initialise
from entrepot.settings import Settings
from tests.support.server import ENTREPOT

pytestmark = pytest.mark.turns


class Operator:
    """Types commands on one data folder."""

    def __init__(self, data_dir: Path, database_url: str | None) -> None:
        self.data_dir = data_dir
        self.environment: dict[str, str | None] = {"ENTREPOT_DATABASE_URL": database_url}
        self.database_url = database_url

    def run(self, *arguments: object, stdin: str = "") -> Result:
        """Run a command; ``--data-dir`` is added at the end."""
        command = [*map(str, arguments), "--data-dir", str(self.data_dir)]
        done = CliRunner().invoke(app, command, input=stdin, env=self.environment)
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done

    def ask(self, *arguments: object, stdin: str = "") -> Any:
        """Run a command that prints JSON and return it."""
        done = self.run(*arguments, "--json", stdin=stdin)
        assert done.exit_code == 0, done.stderr
        return orjson.loads(done.stdout)

    def refused(self, *arguments: object) -> str:
        """Run a command that must fail with one clear line, and return that."""
        done = self.run(*arguments)
        assert (done.exit_code, done.stdout) == (1, ""), done.stderr
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1, done.stderr
        return done.stderr

    def services(self) -> Services:
        return Services.open(Settings(data_dir=self.data_dir, database_url=self.database_url))


@pytest.fixture
def operator(database_kind: str, database_url: str, tmp_path: Path) -> Operator:
    """An operator in front of an empty machine."""
    return Operator(tmp_path / "data", None if database_kind == "sqlite" else database_url)


@pytest.fixture
def settled(operator: Operator) -> Operator:
    """An operator whose server is initialised: organization O, administrator ada."""
    keep_private()  # as each command does
    initialise(operator.services().settings, "O", "ada", "password 1")
    return operator


def test_init(operator: Operator) -> None:
    made = operator.ask("init", "--organization", "Wind & Söhne", "--admin", "ada@example.org")
    assert set(made) == {"login", "password", "token", "organization", "data_dir"}
    assert made["organization"] == "Wind & Söhne"
    assert made["data_dir"] == str(operator.data_dir)
    assert len(made["password"]) >= 16
    assert stat.S_IMODE(operator.data_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE((operator.data_dir / "secret.key").stat().st_mode) == 0o600
    services = operator.services()
    migrate.require_current(services.database)
    with services.database.read() as session:
        assert [
            account.home.partition("/")[0] for account in ftp.accounts_by_home(session, _homes(session)).values()
        ] == ["users"]
    services.close()
    key = (operator.data_dir / "secret.key").read_bytes()
    assert "initialised already" in operator.refused("init", "--organization", "X", "--admin", "x")
    assert (operator.data_dir / "secret.key").read_bytes() == key


def _homes(session: Any) -> list[str]:
    from sqlalchemy import select

    from entrepot.identity import User

    return [f"users/{user_id}" for user_id in session.scalars(select(User.id))]


def test_init_takes_up_what_was_cut_short(operator: Operator) -> None:
    operator.data_dir.mkdir()
    Vault.create(operator.data_dir / "secret.key")
    key = (operator.data_dir / "secret.key").read_bytes()
    operator.ask("init", "--organization", "O", "--admin", "ada")
    assert (operator.data_dir / "secret.key").read_bytes() == key


def test_init_with_a_password_shows_none(operator: Operator) -> None:
    (file := operator.data_dir.with_name("password")).write_text("correct horse\n")
    made = operator.ask("init", "--organization", "O", "--admin", "ada", "--password-file", file)
    assert "password" not in made
    too_short = Operator(operator.data_dir.with_name("other"), None)
    file.write_text("short\n")
    assert "password" in too_short.refused("init", "--organization", "O", "--admin", "ada", "--password-file", file)


def test_users(settled: Operator) -> None:
    made = settled.ask("users", "create", "grace", "--role", "writer", "--email", "grace@example.org")
    assert made["role"] == "writer"
    assert made["password"]
    assert "exists" in settled.refused("users", "create", "grace")
    assert settled.ask("users", "password", "grace", "--password-file", "-", stdin="new password\n") == {
        "login": "grace"
    }
    assert settled.ask("users", "set", "grace", "role=admin")["role"] == "admin"
    old = settled.run("users", "role", "grace", "admin")
    assert (old.exit_code, old.stderr) == (0, "`entrepot users role` is `entrepot users set LOGIN role=ROLE` now\n")
    assert settled.ask("users", "set", "grace", "email=g@example.org", "mail_notices=true")["mail_notices"] is True
    assert settled.ask("users", "show", "grace")["email"] == "g@example.org"
    assert "none of reader" in settled.refused("users", "set", "grace", "role=emperor")
    assert settled.run("users", "delete", "ada").exit_code == 0
    assert "at least one administrator" in settled.refused("users", "delete", "grace")
    assert "no user named" in settled.refused("users", "set", "nobody", "role=reader")
    assert [(row["login"], row["role"]) for row in settled.ask("users", "list")] == [("grace", "admin")]
    assert "grace" in settled.run("users", "list").stdout


def test_organizations(settled: Operator) -> None:
    assert settled.ask("organizations", "create", "P", "--admin", "ada")["name"] == "P"
    assert [row["name"] for row in settled.ask("organizations", "list")] == ["O", "P"]
    assert settled.ask("organizations", "set", "P", "name=Q", "description=north")["name"] == "Q"
    assert "exists" in settled.refused("organizations", "set", "Q", "name=O")
    assert settled.ask("organizations", "set", "Q", "name=P")["description"] == "north"
    assert settled.ask("organizations", "show", "P")["name"] == "P"
    assert "say which" in settled.refused("users", "create", "grace")
    settled.ask("users", "create", "grace", "--organization", "P")
    assert [row["organization"] for row in settled.ask("users", "list")] == ["O", "P", "P"]


def test_tokens(settled: Operator) -> None:
    made = settled.ask("keys", "create", "ada", "--name", "loader", "--scope", "series:read", "--expires-days", "1")
    assert made["token"].startswith("ent_")
    rows = {row["name"]: row for row in settled.ask("keys", "list")}
    assert set(rows) == {"first key", "loader"}
    assert rows["loader"]["scopes"] == "series:read"
    assert rows["loader"]["expires_at"]
    assert settled.ask("keys", "set", made["id"], "name=loader 2")["name"] == "loader 2"
    assert settled.ask("keys", "set", made["id"], "name=loader")["scopes"] == "series:read"
    assert settled.ask("keys", "rotate", made["id"])["token"] != made["token"]
    assert settled.run("keys", "delete", made["id"]).exit_code == 0
    assert {row["name"]: bool(row["revoked_at"]) for row in settled.ask("keys", "list")} == {
        "first key": False,
        "loader": True,
    }
    assert "scopes" in settled.refused("keys", "create", "ada", "--scope", "everything")
    assert "not found" in settled.refused("keys", "rotate", "0b9f3c4e").lower()


def test_tokens_are_bound(settled: Operator) -> None:
    with closing(settled.services()) as services, services.database.write() as session:
        who = common.operator(session)
        project_id = projects.create_project(session, who, who.organization_id, "Farm").id
    bounds = ("--project", "Farm", "--network", "192.0.2.7/24", "--scope", "points:write")
    settled.ask("keys", "create", "ada", "--name", "mast", *bounds)
    row = next(row for row in settled.ask("keys", "list") if row["name"] == "mast")
    assert (row["projects"], row["networks"], row["scopes"]) == (project_id, "192.0.2.0/24", "points:write")
    assert "projects" in settled.refused("keys", "create", "ada", "--project", "Nowhere")
    assert "networks" in settled.refused("keys", "create", "ada", "--network", "home")
    assert "not found" in settled.refused("keys", "create", "ada", "--series", "none").lower()


def test_users_are_disabled(settled: Operator) -> None:
    token = settled.ask("keys", "create", "ada")["token"]

    def principal() -> object:
        with closing(settled.services()) as services, services.database.read() as session:
            return keys.find_principal(session, token)

    assert principal() is not None
    assert settled.run("users", "disable", "ada").exit_code == 0
    assert principal() is None
    assert [row["disabled"] for row in settled.ask("users", "list")] == [True]
    assert settled.run("users", "enable", "ada").exit_code == 0
    assert [row["disabled"] for row in settled.ask("users", "list")] == [False]
    assert principal() is None


def test_organizations_are_limited(settled: Operator) -> None:
    rows = {
        row["limit"]: (row["used"], row["most"])
        for row in settled.ask("organizations", "limit", "O", "--points", "100")
    }
    assert rows["points"] == (0, 100)
    assert set(rows) == {"points", "files", "file_bytes", "storage", "attachments", "works", "jobs"}
    most = {
        row["limit"]: row["most"]
        for row in settled.ask("organizations", "limit", "O", "--works", "5", "--points", "none")
    }
    assert (most["points"], most["works"]) == (None, 5)
    for wrong in ("-1", "many", "9" * 20):
        assert "points" in settled.refused("organizations", "limit", "O", f"--points={wrong}")


def test_check_finds_damage(settled: Operator) -> None:
    assert all(row["ok"] for row in settled.ask("check"))
    (settled.data_dir / "secret.key").unlink()
    Vault.create(settled.data_dir / "secret.key")
    assert "is not the key of this database" in settled.refused("check")


def test_a_backup_brings_everything_back(
    settled: Operator, database_kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    gate = settled.data_dir / "gates" / "one" / "dée p"
    gate.mkdir(parents=True)
    (gate / "a b.csv").write_bytes(b"1" * 100_000)
    (gate / "link").symlink_to("/etc/passwd")
    os.utime(gate / "a b.csv", (1e9, 1e9))
    file = tmp_path / "backup.tar.gz"
    assert settled.ask("backup", file)["bytes"] == file.stat().st_size
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    url = None
    if database_kind == "postgresql":
        cluster = request.getfixturevalue("postgres")
        url = cluster.url(cluster.create())
    other = Operator(tmp_path / "new" / "data", url)
    assert other.ask("restore", file)["data_dir"] == str(other.data_dir)
    assert other.ask("users", "list") == settled.ask("users", "list")
    assert all(row["ok"] for row in other.ask("check"))
    restored = other.data_dir / "gates" / "one" / "dée p" / "a b.csv"
    assert restored.read_bytes() == b"1" * 100_000
    assert restored.stat().st_mtime == 1e9
    assert not restored.with_name("link").exists()
    assert (other.data_dir / "secret.key").read_bytes() == (settled.data_dir / "secret.key").read_bytes()
    assert sorted(path.name for path in other.data_dir.iterdir()) == sorted(
        ["feeds", "files", "gates", "run", "secret.key", "users"] + (["entrepot.db"] if url is None else [])
    )
    other.ask("users", "create", "grace")  # numbers go on
    assert "not empty" in other.refused("restore", file)


@pytest.mark.parametrize("content", [b"", b"nothing of a backup", None])
def test_what_is_no_backup_is_refused(settled: Operator, tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "backup.tar.gz"
    if content is None:  # one that was cut
        settled.ask("backup", file)
        content = file.read_bytes()[:-100]
    file.write_bytes(content)
    new = Operator(tmp_path / "new", None)
    assert "backup" in new.refused("restore", file)
    assert not new.data_dir.exists()
    assert not list(tmp_path.glob(".entrepot-*"))


def test_backups_at_a_place_are_made_listed_checked_and_restored(
    settled: Operator, database_kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    place = tmp_path / "place"
    first = settled.ask("backup", "--to", place)
    assert set(first) == {"backup", "bytes", "new_bytes", "reused_bytes"}
    second = settled.ask("backup", "--to", place, "--keep", 1)
    assert second["reused_bytes"] > 0.5 * second["bytes"]
    assert second["new_bytes"] + second["reused_bytes"] == second["bytes"]
    assert second["removed_backups"] == 1
    elsewhere = CliRunner()
    (listed,) = orjson.loads(elsewhere.invoke(app, ["backups", "list", str(place), "--json"]).stdout)
    assert second["backup"] == f"{place}/manifests/{listed['backup']}"
    assert elsewhere.invoke(app, ["backups", "check", str(place)]).stdout == "ok\n"

    url = None
    if database_kind == "postgresql":
        cluster = request.getfixturevalue("postgres")
        url = cluster.url(cluster.create())
    other = Operator(tmp_path / "new", url)
    assert "There is no backup" in other.refused("restore", first["backup"])
    assert not other.data_dir.exists()
    other.ask("restore", second["backup"])
    assert other.ask("users", "list") == settled.ask("users", "list")
    assert "not empty" in other.refused("restore", place)

    for block in place.rglob("*.gz"):
        block.write_bytes(b"x")
    checked = elsewhere.invoke(app, ["backups", "check", str(place)])
    assert checked.exit_code == 1
    assert "is damaged" in checked.stdout


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--keep", "3"], "give --to"),
        (["file", "--to", "place"], "not both"),
        (["--to", "s3://a b"], "s3://bucket/prefix"),
    ],
)
def test_a_backup_that_makes_no_sense_is_refused(settled: Operator, given: list[str], said: str) -> None:
    assert said in settled.refused("backup", *given)


def test_a_place_without_backups_is_told(tmp_path: Path) -> None:
    for verb in ("list", "check"):
        done = CliRunner().invoke(app, ["backups", verb, str(tmp_path / "nowhere")])
        assert done.exit_code == 1
        assert "There is no backup" in done.stderr


def test_a_stale_database_is_refused_with_the_command_that_helps(settled: Operator) -> None:
    database = Database(settled.services().settings.url)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE alembic_version")
    database.close()
    for command in ("serve", "worker", "users list", "check"):
        assert f"entrepot db upgrade --data-dir {settled.data_dir}" in settled.refused(*command.split())


def test_db_upgrade_makes_the_tables(operator: Operator) -> None:
    operator.data_dir.mkdir()
    assert operator.run("db", "upgrade").exit_code == 0
    assert f"is at {migrate.head()}" in operator.run("db", "upgrade").stdout


# No database needed


@pytest.fixture
def nobody(tmp_path: Path) -> Operator:
    return Operator(tmp_path / "nothing", None)


def test_a_folder_that_is_none_of_ours(nobody: Operator) -> None:
    for command in ("serve", "worker", "check", "users list"):
        assert "entrepot init" in nobody.refused(*command.split())
    assert not nobody.data_dir.exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_an_address_that_others_reach_needs_tls(nobody: Operator, host: str) -> None:
    assert "--insecure" in nobody.refused("serve", "--host", host)


def test_usage_errors_exit_with_2(nobody: Operator) -> None:
    for command in ("nothing", "init", "serve --port x", "users role ada emperor"):
        assert nobody.run(*command.split()).exit_code == 2


def test_bad_settings_are_named(nobody: Operator) -> None:
    nobody.environment["ENTREPOT_LOG_LEVEL"] = "loud"
    assert "log_level" in nobody.refused("serve")


def test_the_data_folder_may_come_first(nobody: Operator) -> None:
    command: list[str | Path] = [ENTREPOT, "users", "--data-dir", nobody.data_dir, "list"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"error: {nobody.data_dir} is no data folder")


@pytest.mark.parametrize("command", ["", "init", "serve", "worker", "db upgrade", "check", "backup", "restore",
                                     "users create", "users list", "users password", "users role", "users delete",
                                     "users disable", "users enable", "organizations limit",
                                     "token create", "token list", "token rotate", "token revoke",
                                     "org create", "org list"])  # fmt: skip
def test_every_command_has_help_with_an_example(command: str) -> None:
    done = CliRunner().invoke(app, [*command.split(), "--help"])
    assert done.exit_code == 0
    assert not command or "Example: " in done.output


def test_help_is_light() -> None:
    script = (
        "import sys, entrepot.cli; print(*(set(sys.modules) & {'sqlalchemy', 'pandas', 'numpy', 'fastapi', 'polars'}))"
    )
    done = subprocess.run([ENTREPOT.with_name("python"), "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
