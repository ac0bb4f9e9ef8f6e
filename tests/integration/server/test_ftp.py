"""The FTP server as its clients see it; commands as the published clients send them."""

import contextlib
import ftplib
import io
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from entrepot.db import Database
from entrepot.errors import InvalidInput
from entrepot.identity import Project, bans, ftp
from entrepot.objects import standstill
from entrepot.pipeline.gates import folders
from entrepot.pipeline.gates.folder_home import FolderHome
from entrepot.pipeline.models import Gate
from entrepot.server.ftp.bans import Bans
from entrepot.server.ftp.server import Server
from entrepot.server.ftp.uploads import Upload
from entrepot.server.services import Services
from tests.support.certificates import self_signed
from tests.support.deadline import eventually
from tests.support.ftp import Site, get, listing, put, reset, start_upload
from tests.support.ports import free_port


@pytest.fixture
def site(tmp_path: Path, sqlite_template: Path) -> Iterator[Site]:
    site = Site(tmp_path / "data", sqlite_template)
    yield site
    site.close()


# What the published clients do


def test_ftputil_writes_over_a_second_session(site: Site) -> None:
    with site.session() as idle, contextlib.closing(site.connect()) as writer:
        assert idle.sendcmd("PWD").startswith('257 "/"')
        writer.login(*site.accounts["gates"])
        assert writer.sendcmd("PWD").startswith('257 "/"')
        writer.cwd("/")
        writer.voidcmd("TYPE I")
        data = writer.transfercmd("STOR first.json")
        data.sendall(b'{"a": 1}')
        data.close()
        assert writer.voidresp().startswith("226")
        writer.sock.close()  # no QUIT
        assert (site.gate / "first.json").read_bytes() == b'{"a": 1}'
        assert [line.split()[-1] for line in listing(idle)] == ["first.json"]


@pytest.mark.parametrize("command", ["LIST", "LIST -a", "LIST -la", "LIST -a -L", "LIST -a /", "LIST -laR /"])
def test_listings_take_options_for_what_they_are(site: Site, command: str) -> None:
    with site.session() as client:
        client.mkd("day one")
        put(client, "a.csv", b"12345")
        lines = listing(client, command)
    assert [line[0] for line in lines] == ["-", "d"]
    assert lines[0].split()[:5] == ["-rw-r--r--", "1", "entrepot", "entrepot", "5"]
    assert lines[1].endswith(" day one")


def test_folders_and_names(site: Site) -> None:
    with site.session() as client:
        client.mkd("2014 année")
        client.cwd("2014 année")
        assert client.pwd() == "/2014 année"
        put(client, "a b é.csv", b"1")
        client.rename("a b é.csv", "/c.csv")
        assert (site.gate / "c.csv").read_bytes() == b"1"
        client.cwd("/")
        client.rmd("2014 année")
        assert get(client, "c.csv") == b"1"
        client.delete("c.csv")
    assert list(site.gate.iterdir()) == []


def test_extended_passive_mode(site: Site) -> None:
    with site.session() as client:
        reply = client.sendcmd("EPSV")
        assert reply.startswith("229")
        _, port = ftplib.parse229(reply, ("127.0.0.1", site.port))
        with socket.create_connection(("127.0.0.1", port)) as data:
            client.putcmd("STOR x")
            assert client.getresp()[0] == "1"
            data.sendall(b"x")
        client.voidresp()
    assert (site.gate / "x").read_bytes() == b"x"


def test_names_in_latin_1_of_older_clients(site: Site) -> None:
    with site.session() as client:
        client.encoding = "latin-1"
        client.mkd("été")
        assert (site.gate / "été").is_dir()


# Accounts


def test_a_user_downloads_and_deletes_exports_but_writes_nothing(site: Site) -> None:
    with site.session("users") as client:
        (site.exports / "2014-01-01-00-00-00-000000.zip").write_bytes(b"zip")
        assert [line.split()[-1] for line in listing(client, "LIST -a")] == ["series_exports"]
        client.cwd("/series_exports")
        assert get(client, "2014-01-01-00-00-00-000000.zip") == b"zip"
        for refused in ("STOR x", "APPE x", "MKD x", "RNFR 2014-01-01-00-00-00-000000.zip"):
            with pytest.raises(ftplib.error_perm, match="550"):
                client.voidcmd(refused)
        client.delete("2014-01-01-00-00-00-000000.zip")
        with pytest.raises(ftplib.error_perm, match="550"):
            client.rmd("/series_exports")
    assert site.exports.is_dir()


def test_logins_are_checked_against_the_database_each_time(site: Site) -> None:
    login, password = site.accounts["users"]
    with site.session("users"):
        pass
    with site.services.database.write() as session:
        session.merge(site.user).disabled = True
    with site.connect() as client, pytest.raises(ftplib.error_perm, match="530"):
        client.login(login, password)
    with site.services.database.write() as session:
        ftp.remove_account(session, "gates/one")
    with site.connect() as client, pytest.raises(ftplib.error_perm, match="530"):
        client.login(*site.accounts["gates"])


@pytest.mark.parametrize("login", ["", "anonymous", "nobody", "' OR 1=1 --", "é\u202e", "x" * 1000])
def test_strangers_are_refused(site: Site, login: str) -> None:
    with site.connect() as client, pytest.raises(ftplib.error_perm, match=r"530|501|503"):
        client.voidcmd(f"USER {login}") if not login else client.login(login, "x")


def test_nothing_without_a_login(site: Site) -> None:
    with site.connect() as client:
        for command in ("PWD", "LIST", "PASV", "STOR x", "RETR x", "CWD /", "STAT /"):
            with pytest.raises(ftplib.error_perm, match="530"):
                client.voidcmd(command)


def test_an_address_that_fails_too_often_is_banned(tmp_path: Path, sqlite_template: Path) -> None:
    site = Site(tmp_path / "data", sqlite_template, ftp_max_failed_logins=2, ftp_ban_seconds=2.0)
    login, password = site.accounts["gates"]
    try:
        _fail(site, 2)
        with pytest.raises(ftplib.error_temp, match="421"):
            site.connect()

        def admitted() -> bool:
            with contextlib.suppress(ftplib.error_temp), site.connect() as client:
                return client.login(login, password).startswith("230")
            return False

        assert eventually(admitted, 20)
    finally:
        site.close()


def test_a_ban_outlives_the_server_and_is_lifted_by_the_operator(tmp_path: Path, sqlite_template: Path) -> None:
    site = Site(tmp_path / "data", sqlite_template, ftp_max_failed_logins=2, ftp_ban_seconds=3600.0)
    try:
        _fail(site, 2)
        again = Bans(site.services.database, 2, 3600.0)
        assert again.banned("127.0.0.1")
        assert again.banned("::ffff:127.0.0.1")
        assert not again.banned("127.0.0.2")
        with site.services.database.read() as session:
            assert [(ban.address, ban.login) for ban in bans.list_bans(session)] == [
                ("127.0.0.1", site.accounts["gates"][0])
            ]
        with site.services.database.write() as session:
            assert bans.lift(session, "127.0.0.1") == 1

        def admitted() -> bool:
            with contextlib.suppress(ftplib.error_temp), site.connect():
                return True
            return False

        assert eventually(admitted, 20)
        # Of IPv6, whoever has one address has all of its network.
        for last in ("1", "2"):
            again.add(f"2001:db8::{last}", "x")
        assert again.banned("2001:db8::ffff")
        assert not again.banned("2001:db8:0:1::1")
    finally:
        site.close()


def _fail(site: Site, times: int) -> None:
    for _ in range(times):
        with site.connect() as client, pytest.raises(ftplib.error_perm, match="530"):
            client.login(site.accounts["gates"][0], "wrong")


# Complete or not there


def test_an_upload_is_out_of_sight_until_complete(site: Site) -> None:
    with site.session() as client, site.session() as other:
        put(client, "a.csv", b"old")
        data = start_upload(client, "STOR a.csv", b"new")
        eventually(lambda: any(site.staging.iterdir()))
        assert (site.gate / "a.csv").read_bytes() == get(other, "a.csv") == b"old"
        assert len(listing(other)) == 1
        data.close()
        client.voidresp()
    assert (site.gate / "a.csv").read_bytes() == b"new"
    assert not any(site.staging.iterdir())


@pytest.mark.parametrize("how", ["reset data", "abort", "reset all"])
def test_an_upload_that_is_broken_off_leaves_what_was(site: Site, how: str) -> None:
    with site.session() as client:
        put(client, "a.csv", b"old")
    client = site.connect()
    client.login(*site.accounts["gates"])
    data = start_upload(client, "STOR a.csv", b"new" * 50_000)
    eventually(lambda: any(path.stat().st_size for path in site.staging.iterdir()))
    match how:
        case "reset data":
            reset(data)
            with pytest.raises(ftplib.error_temp, match="426"):
                client.voidresp()
        case "abort":
            client.putcmd("ABOR")
            assert client.getmultiline().startswith("426")
        case "reset all":
            client.file.close()
            reset(client.sock)
            reset(data)
    eventually(lambda: not any(site.staging.iterdir()))
    assert [(entry.path, entry.size) for entry in folders.list_files(site.gate)] == [("a.csv", 3)]
    data.close()
    client.close()


HALF_AN_UPLOAD = """
import ftplib, os, sys
port, login, password, last = sys.argv[1:]
client = ftplib.FTP()
client.connect("127.0.0.1", int(port))
client.login(login, password)
client.voidcmd("TYPE I")
data = client.transfercmd("STOR a.csv")
if last == "control":  # the kernel closes a killed process's connections by number
    os.dup(client.sock.fileno())
    os.close(client.sock.fileno())
data.sendall(b"new" * 50_000)
print("sent", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("last", ["control", "data"])
def test_a_killed_client_uploads_nothing(site: Site, last: str) -> None:
    with site.session() as client:
        put(client, "a.csv", b"old")
    command = [sys.executable, "-c", HALF_AN_UPLOAD, str(site.port), *site.accounts["gates"], last]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"sent\n"
        eventually(lambda: any(path.stat().st_size for path in site.staging.iterdir()))
        process.kill()
    eventually(lambda: not any(site.staging.iterdir()))
    assert [(entry.path, entry.size) for entry in folders.list_files(site.gate)] == [("a.csv", 3)]


def test_appending_and_resuming_replace_the_whole(site: Site) -> None:
    with site.session() as client:
        put(client, "a.csv", b"12345")
        client.storbinary("APPE a.csv", io.BytesIO(b"678"))
        assert get(client, "a.csv") == b"12345678"
        client.storbinary("STOR a.csv", io.BytesIO(b"X"), rest=2)
        assert get(client, "a.csv") == b"12X45678"
        client.storbinary("APPE new.csv", io.BytesIO(b"1"))
        assert get(client, "new.csv") == b"1"
        received = io.BytesIO()
        client.retrbinary("RETR a.csv", received.write, rest=6)
        assert received.getvalue() == b"78"
    assert not any(site.staging.iterdir())


@pytest.mark.parametrize(("error", "code"), [(28, "452"), (122, "552"), (27, "552"), (5, "451")])
def test_a_full_disk_is_said_and_leaves_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, error: int, code: str
) -> None:
    for method in ("write", "sync"):
        with monkeypatch.context() as patch, site.session() as client:

            def fail(*_: object) -> None:
                raise OSError(error, "no more")

            patch.setattr(Upload, method, fail)
            with pytest.raises(ftplib.Error, match=code):
                put(client, "a.csv", b"1")
    assert folders.list_files(site.gate) == []
    assert not any(site.staging.iterdir())


def test_what_a_killed_server_left_is_removed(tmp_path: Path, sqlite_template: Path) -> None:
    site = Site(tmp_path / "data", sqlite_template)
    site.close()
    (site.staging / "half").write_bytes(b"half")
    Server(site.services, socket.create_server(("127.0.0.1", 0))).close_all()
    assert not any(site.staging.iterdir())


def test_hooks_hear_of_complete_uploads(site: Site) -> None:
    heard: list[tuple[str, str, bytes]] = []

    def hook(services: Services, home: str, path: str) -> None:
        heard.append((home, path, (services.settings.data_dir / home / path).read_bytes()))

    def broken(*_: object) -> None:
        raise RuntimeError

    site.server.on_upload = [broken, hook]
    with site.session() as client, structlog.testing.capture_logs() as logs:
        client.mkd("d")
        put(client, "d/a.csv", b"1")
        assert client.voidcmd("NOOP")
        data = start_upload(client, "STOR b.csv", b"1" * 100_000)
        eventually(lambda: any(path.stat().st_size for path in site.staging.iterdir()))
        reset(data)
        with pytest.raises(ftplib.error_temp):
            client.voidresp()
    assert heard == [("gates/one", "d/a.csv", b"1")]
    assert [line["path"] for line in logs if line["event"] == "upload hook failed"] == ["d/a.csv"]


def test_many_sessions_at_once(site: Site) -> None:
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            with site.session() as client:
                for turn in range(5):
                    put(client, f"{number}-{turn}.bin", bytes([number]) * 100_000)
                    assert get(client, f"{number}-{turn}.bin") == bytes([number]) * 100_000
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert len(folders.list_files(site.gate)) == 40


# No way out

OUT = ["..", "../secret", "/../secret", "../../secret.key", "/a/../../secret", "./..//../secret", "....//secret",
       "..\\secret", "%2e%2e/secret", "%2e%2e%2fsecret", "\uff0e\uff0e/secret", "..\u2215secret", "~", "~root",
       "//etc/passwd", "/etc/passwd", "link", "link/secret", "file", "/proc/self/environ"]  # fmt: skip


@pytest.fixture
def prison(site: Site) -> Site:
    site.gate.mkdir(parents=True, exist_ok=True)
    outside = site.gate.parent
    (outside / "secret").write_bytes(b"secret")
    (site.gate / "link").symlink_to(outside)
    (site.gate / "file").symlink_to(outside / "secret")
    return site


@pytest.mark.parametrize("path", OUT)
def test_no_path_leads_out(prison: Site, path: str) -> None:
    outside = prison.gate.parent
    locks = (FolderHome(prison.gate).lock, outside / standstill.NAME)
    before = sorted(item for item in outside.rglob("*") if not item.is_relative_to(prison.gate))
    with prison.session() as client:
        for read in (f"RETR {path}", f"SIZE {path}", f"MDTM {path}"):
            client.voidcmd("TYPE I")
            with contextlib.suppress(ftplib.Error):
                reply = client.sendcmd(read)
                assert not reply.startswith(("1", "213")), f"{read}: {reply}"
        for command in (f"LIST {path}", f"NLST {path}", f"MLSD {path}"):
            with contextlib.suppress(ftplib.Error):
                assert "secret" not in "\n".join(listing(client, command))
        for command in (f"CWD {path}", "CDUP"):
            with contextlib.suppress(ftplib.Error):
                client.sendcmd(command)
            assert "one" not in client.pwd()
        client.cwd("/")
        for write in (f"MKD {path}/made", f"DELE {path}", f"RMD {path}"):
            with contextlib.suppress(ftplib.Error):
                client.sendcmd(write)
        with contextlib.suppress(ftplib.Error):
            put(client, path, b"overwritten")
        put(client, "mine", b"mine")
        with contextlib.suppress(ftplib.Error):
            client.rename("mine", path)
        with contextlib.suppress(ftplib.Error):
            client.rename(path, "stolen")
        for item in prison.gate.rglob("*"):
            assert item.is_symlink() or not item.is_file() or item.read_bytes() != b"secret"
    others = [item for item in outside.rglob("*") if not item.is_relative_to(prison.gate)]
    assert sorted(item for item in others if item not in locks) == before
    assert (outside / "secret").read_bytes() == b"secret"


@pytest.mark.parametrize("name", ["a\0b", "a\x07b", "\x1b[2J", ".entrepot-mine", "é" * 300, "a" * 300])
@pytest.mark.parametrize("command", ["STOR", "MKD", "CWD", "RNFR", "DELE", "RETR"])
def test_impossible_names_are_refused_and_the_session_goes_on(site: Site, name: str, command: str) -> None:
    with site.session() as client:
        with pytest.raises(ftplib.error_perm, match=r"550|501"):
            client.voidcmd(f"{command} {name}")
        put(client, "a.csv", b"1")
    assert [entry.path for entry in folders.list_dir(site.gate)] == ["a.csv"]


def test_commands_that_would_change_times_or_modes_are_accepted_and_change_nothing(site: Site) -> None:
    with site.session() as client:
        put(client, "a.csv", b"1")
        before = (site.gate / "a.csv").stat()
        assert client.sendcmd("MFMT 20000101000000 a.csv") == f"213 Modify={client.sendcmd('MDTM a.csv')[4:]}; /a.csv."
        assert client.voidcmd("SITE CHMOD 777 a.csv").startswith("200")
        assert client.voidcmd("SITE UTIME 20000101000000 a.csv").startswith("200")
        after = (site.gate / "a.csv").stat()
        assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
        for command in ("MFMT 20000101000000 b.csv", "SITE CHMOD 777 b.csv"):
            with pytest.raises(ftplib.error_perm, match="550"):
                client.voidcmd(command)


def test_active_mode_serves_its_own_client_alone(site: Site) -> None:
    with site.session() as client:
        client.set_pasv(False)
        put(client, "a.csv", b"1")
        with pytest.raises(ftplib.error_perm, match="501"):
            client.sendport("10.0.0.1", 2000)


def test_ftps(tmp_path: Path, sqlite_template: Path) -> None:
    pytest.importorskip("OpenSSL")
    site = Site(tmp_path / "data", sqlite_template, ftp_certificate=self_signed(tmp_path / "ftp.pem"))
    login, password = site.accounts["gates"]
    content = bytes(range(256)) * 2000
    try:
        with ftplib.FTP_TLS(timeout=20, context=ssl._create_unverified_context()) as client:
            client.connect("127.0.0.1", site.port)
            client.login(login, password)
            client.prot_p()
            put(client, "a.csv", content)
            assert get(client, "a.csv") == content
            assert len(listing(client)) == 1
            data = start_upload(client, "STOR a.csv", content)
            eventually(lambda: any(path.stat().st_size for path in site.staging.iterdir()))
            reset(data)
            with pytest.raises(ftplib.error_temp, match="426"):
                client.voidresp()
        with site.session() as plain:
            assert get(plain, "a.csv") == content
    finally:
        site.close()


def test_ftps_may_be_required(tmp_path: Path, sqlite_template: Path) -> None:
    certificate = self_signed(tmp_path / "ftp.pem")
    site = Site(tmp_path / "data", sqlite_template, ftp_certificate=certificate, ftp_require_tls=True)
    login, password = site.accounts["gates"]
    try:
        with site.connect() as client, pytest.raises(ftplib.error_perm, match="TLS required"):
            client.login(login, password)
        context = ssl.create_default_context(cafile=certificate)
        with ftplib.FTP_TLS(timeout=20, context=context) as client:
            client.connect("127.0.0.1", site.port)
            client.host = "localhost"  # the name in the certificate
            client.login(login, password)
            with pytest.raises(ftplib.error_perm, match="TLS required"):
                put(client, "a.csv", b"in clear")
            client.prot_p()
            put(client, "a.csv", b"encrypted")
            assert get(client, "a.csv") == b"encrypted"
    finally:
        site.close()


def test_a_certificate_that_cannot_be_used_is_said_so(tmp_path: Path) -> None:
    from entrepot.server.ftp import secure

    good, other = (self_signed(tmp_path / name) for name in ("good.pem", "other.pem"))
    key, certificate = good.read_text().split("-----BEGIN CERTIFICATE-----")
    certificate = f"-----BEGIN CERTIFICATE-----{certificate}"
    other_key = other.read_text().split("-----BEGIN CERTIFICATE-----")[0]
    for content, problem in {
        "nonsense": "does not begin with a certificate", key: "does not begin with a certificate",
        certificate: "has no key", other_key + certificate: "has no key that fits",
    }.items():  # fmt: skip
        file = tmp_path / "ftp.pem"
        file.write_text(content)
        with pytest.raises(InvalidInput, match=problem):
            secure.context(file)
    with pytest.raises(InvalidInput, match="cannot be read"):
        secure.context(tmp_path)
    assert secure.context(good)


# Quotas and the server's own folders


@pytest.fixture
def small(site: Site) -> Site:
    """A gate that takes 1000 bytes in two files."""
    with site.services.database.write() as session:
        account = ftp.find_account(session, login=site.accounts["gates"][0])
        assert account is not None
        project = Project(organization_id=account.organization_id, name="P")
        session.add(project)
        session.flush()
        session.add(
            Gate(id="one", name="g", project_id=project.id, organization_id=account.organization_id,
                 quota_bytes=1000, quota_files=2)
        )  # fmt: skip
    return site


def test_what_is_beyond_the_quota_is_refused_and_leaves_nothing(small: Site) -> None:
    with small.session() as client:
        put(client, "a", b"1" * 600)
        with pytest.raises(ftplib.error_perm, match=r"552 .*1000 bytes.*room for 400"):
            put(client, "b", b"1" * 200_000)
        with pytest.raises(ftplib.error_perm, match="552"):
            client.storbinary("APPE a", io.BytesIO(b"1" * 401))
        assert client.nlst() == ["a"]
        client.storbinary("APPE a", io.BytesIO(b"1" * 400))
        put(client, "a", b"1" * 900)  # in place of the old one
        put(client, "b", b"")
        with pytest.raises(ftplib.error_perm, match=r"552 .*2 files"):
            put(client, "c", b"")
        put(client, "b", b"1" * 100)
        client.delete("a")
        put(client, "c", b"1" * 900)
        assert sorted(client.nlst()) == ["b", "c"]
        assert list(small.staging.iterdir()) == []


def test_uploads_at_once_do_not_exceed_the_quota_together(small: Site) -> None:
    with small.session() as first, small.session() as second:
        uploads = [(client, start_upload(client, f"STOR {n}", b"1" * 600)) for n, client in enumerate((first, second))]
        answers = []
        for client, data in uploads:
            data.close()
            with contextlib.suppress(ftplib.error_perm):
                answers.append(client.voidresp()[:3])
        assert answers == ["226"]
        assert len(first.nlst()) == 1


def test_folders_of_the_server_are_read_and_emptied_but_not_filled(site: Site) -> None:
    (site.gate / "quarantine").mkdir(parents=True)
    (site.gate / "quarantine" / "bad.csv").write_bytes(b"bad")
    with site.session() as client:
        put(client, "a", b"1")
        for attempt in (
            lambda: put(client, "quarantine/new", b"1"), lambda: client.mkd("imported"),
            lambda: client.rename("a", "imported"), lambda: client.rename("quarantine/bad.csv", "b"),
        ):  # fmt: skip
            with pytest.raises(ftplib.error_perm, match="server's own"):
                attempt()
        assert get(client, "quarantine/bad.csv") == b"bad"
        client.delete("quarantine/bad.csv")


def test_passive_ports_and_public_host(tmp_path: Path, sqlite_template: Path) -> None:
    port = free_port()
    settings = {"ftp_passive_ports": (port, port), "ftp_public_host": "127.0.0.2"}
    site = Site(tmp_path / "data", sqlite_template, **settings)
    try:
        with site.session() as client:
            assert client.sendcmd("PASV").partition("(")[2] == f"127,0,0,2,{port // 256},{port % 256})."
    finally:
        site.close()


def test_a_login_that_cannot_be_checked_may_be_tried_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError

    def fail(_: Database) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    with monkeypatch.context() as patch, site.connect() as client:
        patch.setattr(Database, "read", fail)
        with pytest.raises(ftplib.error_temp, match=r"421 .*later"):
            client.login(*site.accounts["gates"])
    with site.session():
        pass
