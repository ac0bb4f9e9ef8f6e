"""Gates and notices as users have them: by HTTP, from the terminal, and in the mailbox, against a live server."""

from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest
from typer.testing import CliRunner, Result

from entrepot.cli import app
from entrepot.client.ovbp import Client
from entrepot.client.ovbp.models.oteams import Project
from tests.support.certificates import self_signed
from tests.support.deadline import eventually
from tests.support.server import ORGANIZATION, ServerProcess
from tests.support.smtp import LOGIN, PASSWORD, Post

PARSE = """
import pandas as pd

def parse(content_bytes, rel_path, **tools):
    return pd.read_csv(content_bytes, index_col=0, parse_dates=True)
"""
GOOD = "time,power\n2024-01-01 00:00,1\n2024-01-01 01:00,2\n"


@pytest.fixture(scope="module")
def post(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Post, Path]]:
    certificate = self_signed(tmp_path_factory.mktemp("smtp") / "smtp.pem")
    made = Post(certificate, "starttls", login=True)
    yield made, certificate
    made.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, post: tuple[Post, Path]) -> Iterator[ServerProcess]:
    """A server with FTPS alone, and mails at once."""
    folder = tmp_path_factory.mktemp("gates")
    certificate = self_signed(folder / "ftp.pem")
    smtp, authority = post
    environment = {
        "FTP_CERTIFICATE": str(certificate), "FTP_REQUIRE_TLS": "true", "FTP_MAX_FAILED_LOGINS": "2",
        "SMTP_HOST": "localhost", "SMTP_PORT": str(smtp.port), "SMTP_CA": str(authority), "SMTP_USER": LOGIN,
        "SMTP_PASSWORD": PASSWORD, "MAIL_DELAY_SECONDS": "0", "PUBLIC_URL": "https://data.example.org",
    }  # fmt: skip
    settings = {f"ENTREPOT_{name}": value for name, value in environment.items()}
    with ServerProcess(folder / "data", environment=settings) as server:
        yield server


class Terminal:
    def __init__(self, server: ServerProcess, project: str) -> None:
        self.environment = {
            "ENTREPOT_URL": server.url, "ENTREPOT_TOKEN": server.token, "ENTREPOT_PROJECT": project,
            "ENTREPOT_DATA_DIR": str(server.data_dir),
        }  # fmt: skip

    def run(self, *arguments: object, code: int = 0) -> Result:
        done = CliRunner().invoke(app, [*map(str, arguments)], env=self.environment)
        assert done.exit_code == code, done.output
        return done


@pytest.fixture(scope="module")
def project(server: ServerProcess) -> Iterator[Project]:
    with Client(token=server.token, url=f"{server.url}/ovbp/api/v2") as client:
        project = client.get_organization(ORGANIZATION).create_project("Farm")
        gate = project.create_gate("scada")
        project.create_importer("scada").configure(gate, parse_script=PARSE)
        yield project


@pytest.fixture(scope="module")
def terminal(server: ServerProcess, project: Project) -> Terminal:
    return Terminal(server, "Farm")


def test_a_refused_file_from_the_terminal_to_the_mailbox_and_back(
    terminal: Terminal, project: Project, post: tuple[Post, Path], tmp_path: Path
) -> None:
    terminal.run("user", "mail", "admin@example.org", "--address", "ada@example.org", "--on")
    terminal.run("notices", "mails", "on")
    terminal.run("gate", "set", "--gate", "scada", "--quarantine", "--after-import", "move")
    for name, content in (("a.csv", GOOD), ("b.csv", "no,frame\nat,all\n")):
        (tmp_path / name).write_text(content)
    assert terminal.run("gate", "put", *tmp_path.glob("*.csv"), "-g", "scada", "--to", "2024").stdout == "2 sent\n"
    assert terminal.run("run", "importer", "scada", "--follow").stdout == "finished\n"
    (gate,) = orjson.loads(terminal.run("gate", "ls", "--json").stdout)
    assert (gate["use"]["files"], gate["use"]["in_quarantine"], gate["after_import"]) == (3, 1, "move")
    (refused,) = orjson.loads(terminal.run("gate", "quarantine", "ls", "-g", "scada", "--json").stdout)
    assert (refused["path"], refused["stored"]) == ("2024/b.csv", "quarantine/2024/b.csv")
    assert "2024/b.csv" in terminal.run("gate", "quarantine", "ls", "-g", "scada").stdout
    smtp = post[0]
    eventually(lambda: smtp.got)
    assert smtp.subjects() == ["[Entrepot] Farm: gate scada: Files in quarantine"]
    (notice,) = orjson.loads(terminal.run("notices", "ls", "--json").stdout)
    text = smtp.got[0].get_content()
    assert "refused 2024/b.csv" in text
    assert f"https://data.example.org/api/v1/notifications/{notice['id']}" in text
    terminal.run("notices", "read", notice["id"][:8])
    assert "read" in terminal.run("notices", "ls").stdout

    project.get_importer("scada").update(
        parse_script=f"{PARSE}\nstrict = parse\ndef parse(content_bytes, rel_path, **tools):\n"
        "    if b'frame' in bytes(content_bytes):\n        return None\n    return strict(content_bytes, rel_path)\n"
    )
    assert terminal.run("gate", "quarantine", "retry", "2024/b.csv", "-g", "scada").stdout == "1 to be read again\n"
    eventually(lambda: orjson.loads(terminal.run("gate", "quarantine", "ls", "-g", "scada", "--json").stdout) == [])
    eventually(lambda: orjson.loads(terminal.run("notices", "ls", "--json").stdout) == [])
    (notice,) = orjson.loads(terminal.run("notices", "ls", "--all", "--json").stdout)
    assert notice["resolved_at"] is not None
    # The published clients' door says the same.
    assert [one.resolved for one in project.list_all_notifications()] == [True]


def test_the_gates_account_sees_the_quarantine_over_tls_alone(
    terminal: Terminal, project: Project, server: ServerProcess
) -> None:
    account = project.get_gate("scada").get_ftp_account()
    assert account.protocol == "ftps"
    with account.get_ftputil_client() as ftp:
        with ftp.open("2025.csv", "w") as file:
            file.write("not,\nmine,\nat,all")
        terminal.run("run", "importer", "scada", "--follow")
        assert ftp.listdir("quarantine") == ["2025.csv", "2025.csv.reason.txt"]
        with ftp.open("quarantine/2025.csv.reason.txt") as file:
            assert file.read().startswith("2025.csv\n")
    assert terminal.run("gate", "quarantine", "rm", "--all", "-g", "scada").stdout == "1 removed\n"


def test_what_is_beyond_the_quota_is_refused_with_413(
    terminal: Terminal, project: Project, server: ServerProcess, tmp_path: Path
) -> None:
    project.create_gate("small")
    terminal.run("gate", "set", "-g", "small", "--quota-bytes", "1K", "--quota-files", "1")
    large, small = tmp_path / "large", tmp_path / "small"
    large.write_bytes(b"1" * 5_000_000)
    small.write_bytes(b"1" * 1024)
    assert "413: " in terminal.run("gate", "put", large, "-g", "small", code=1).output
    terminal.run("gate", "put", small, "-g", "small")
    assert "quota of 1 files" in terminal.run("gate", "put", small, "-g", "small", "--to", "other", code=1).output
    (gate,) = [one for one in orjson.loads(terminal.run("gate", "ls", "--json").stdout) if one["name"] == "small"]
    assert (gate["use"]["bytes"], gate["use"]["files"]) == (1024, 1)
    with server.http() as http:
        url = f"/api/v1/gates/{gate['id']}/files"

        def slowly() -> Iterator[bytes]:  # no length is said beforehand
            for _ in range(20):
                yield b"1" * 100

        assert http.put(f"{url}/small", content=slowly()).status_code == 413
        for path, status in (
            ("quarantine/x", 422), ("../x", 404), (".entrepot-x", 422), ("a" * 300, 422),
        ):  # fmt: skip
            assert http.put(f"{url}/{path}", content=b"").status_code == status, path
        http.patch(f"/api/v1/gates/{gate['id']}", json={"quota_files": None}).raise_for_status()
        assert http.put(f"{url}/small/below", content=b"").status_code == 422
        assert http.put("/api/v1/gates/nowhere/files/a", content=b"").status_code == 404
        assert http.patch(f"/api/v1/gates/{gate['id']}", json={"quota_bytes": -1}).status_code == 422
        assert http.patch(f"/api/v1/gates/{gate['id']}", json={"after_import": "burn"}).status_code == 422
    assert (server.data_dir / "gates" / gate["id"] / "small").stat().st_size == 1024
    assert sorted(path.name for path in (server.data_dir / "gates" / gate["id"]).iterdir()) == ["small"]
    assert list((server.data_dir / "uploads" / "http").iterdir()) == []


def test_bans_are_shown_and_lifted(terminal: Terminal, server: ServerProcess) -> None:
    import ftplib
    import ssl

    for _ in range(2):
        with ftplib.FTP_TLS(timeout=20, context=ssl._create_unverified_context()) as client:
            client.connect("127.0.0.1", server.ftp_port)
            with pytest.raises(ftplib.error_perm, match="530"):
                client.login("gate-x", "guess")
    (ban,) = orjson.loads(terminal.run("gate", "bans", "--json").stdout)
    assert (ban["address"], ban["login"]) == ("127.0.0.1", "gate-x")

    def answer() -> str:
        """Return what is said of another guess: logins that are known at an address do not suffer for it."""
        try:
            with ftplib.FTP_TLS(timeout=20, context=ssl._create_unverified_context()) as client:
                client.connect("127.0.0.1", server.ftp_port)
                client.login("gate-x", "guess")
        except ftplib.Error as error:
            return str(error)
        raise AssertionError("the guess was right")

    assert "Too many failed logins" in answer()
    assert terminal.run("gate", "unban", "127.0.0.1").stdout == "1 lifted\n"
    assert "Authentication failed" in answer()
    assert terminal.run("gate", "bans").stdout == "none\n"


def test_series_are_watched_from_the_terminal(terminal: Terminal) -> None:
    terminal.run("notices", "watch", "importer", "scada", "--grace", "1D")
    terminal.run("notices", "watch", "cleaner", "scada", "--series", "x", "--grace", "none")
    rows = orjson.loads(terminal.run("notices", "watches", "--json").stdout)
    assert [(row["series"], row["silent_for"]) for row in rows] == [("", "1D"), ("x", None)]
    found = eventually(lambda: orjson.loads(terminal.run("notices", "ls", "--json").stdout), 90)
    assert [(one["name"], one["subject"]) for one in found] == [("Series silent", "power")]
    terminal.run("notices", "resolve", found[0]["id"])
    terminal.run("notices", "unwatch", *[row["id"] for row in rows])
    assert terminal.run("notices", "watches").stdout == "none\n"
    assert "silent_for" in terminal.run("notices", "watch", "importer", "scada", "--grace", "soon", code=1).output
