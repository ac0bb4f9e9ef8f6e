"""What loggers send that never saw a specification, and uploads that break off and go on."""

import contextlib
import ftplib
import hashlib
import io
import os
import shutil
import socket
import ssl
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from entrepot.db import Database
from entrepot.errors import OutOfSpace
from entrepot.pipeline.gates import files as gate_files
from entrepot.pipeline.gates import folders, parts
from entrepot.pipeline.gates.folder_home import FolderHome, sweep_parts
from entrepot.pipeline.gates.home import Usage
from entrepot.server.ftp.folder import Folder
from entrepot.server.ftp.sessions import Sessions
from entrepot.server.ftp.uploads import Upload, clean
from tests.support.cases import Case
from tests.support.certificates import self_signed
from tests.support.deadline import eventually
from tests.support.ftp import Site, get, listing, put, reset, start_upload


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("loggers")
    site = Site(folder / "data", sqlite_template, ftp_certificate=self_signed(folder / "ftp.pem"))
    yield site
    site.close()


@pytest.fixture
def site(shared_site: Site) -> Site:
    """The one server, its gate empty."""
    shutil.rmtree(shared_site.gate, ignore_errors=True)
    shared_site.gate.mkdir(parents=True)
    shutil.rmtree(FolderHome(shared_site.gate).parts, ignore_errors=True)
    return shared_site


@contextlib.contextmanager
def secure(site: Site) -> Iterator[ftplib.FTP]:
    with ftplib.FTP_TLS(timeout=20, context=ssl._create_unverified_context()) as client:
        client.connect("127.0.0.1", site.port)
        client.login(*site.accounts["gates"])
        client.prot_p()
        yield client


def break_off(site: Site, command: str, content: bytes) -> None:
    """Send the beginning of a file and go away as a device does that loses its power."""
    client = site.connect()
    client.login(*site.accounts["gates"])
    data = start_upload(client, command, content)
    eventually(lambda: any(path.stat().st_size >= len(content) for path in site.staging.iterdir()))
    reset(data)
    assert client.sock is not None
    reset(client.sock)
    client.close()
    eventually(lambda: not any(site.staging.iterdir()))


# Bytes and commands


@pytest.mark.parametrize("kind", ["A", "A N", "a n", "I", "L 8"])
def test_bytes_are_kept_whatever_type_was_said(site: Site, kind: str) -> None:
    content = b"a\r\nb\nc\r\r\n\0\xff\r"
    with site.session() as client:
        for name in ("stored", "appended"):
            assert client.voidcmd(f"TYPE {kind}").startswith("200")
            with contextlib.closing(client.transfercmd(f"{'STOR' if name == 'stored' else 'APPE'} {name}")) as data:
                data.sendall(content)
            client.voidresp()
            assert (site.gate / name).read_bytes() == content
        assert client.sendcmd("SIZE stored") == f"213 {len(content)}"
        client.voidcmd(f"TYPE {kind}")
        with contextlib.closing(client.transfercmd("RETR stored", rest=3)) as data, data.makefile("rb") as file:
            assert file.read() == content[3:]
        client.voidresp()


def test_an_archive_sent_without_a_type_is_kept_to_the_byte(site: Site) -> None:
    case = Case("archive-sent-without-a-type")
    content, right = (case.path / "readings.zip").read_bytes(), case.json("expected.json")
    for dialogue in case.json("case.json")["dialogues"]:
        # ftplib's storbinary would say TYPE I.
        with site.session() as client:
            for command in dialogue:
                if command.startswith("TYPE"):
                    assert client.sendcmd(command).startswith(right["answer_to"].get(command, "200"))
            with contextlib.closing(client.transfercmd(dialogue[-1])) as data:
                data.sendall(content)
            client.voidresp()
        stored = (site.gate / "readings.zip").read_bytes()
        assert (len(stored), hashlib.sha256(stored).hexdigest()) == (right["size"], right["sha256"]), dialogue
        with zipfile.ZipFile(io.BytesIO(stored)) as archive:
            assert archive.testzip() is None
            (name,) = archive.namelist()
            assert archive.read(name).count(b"\n") == right["lines_in_the_archive"]
        (site.gate / "readings.zip").unlink()


def test_names_by_pattern(site: Site) -> None:
    case = Case("names-by-pattern")
    right = case.json("expected.json")
    with site.session() as client:
        for name in case.json("case.json")["files"]:
            if "/" in name:
                client.mkd(name.partition("/")[0])
            put(client, name, b"1")
        for command in (command for command in right if command.startswith("NLST")):
            assert listing(client, command) == right[command], command
        assert [line.split()[-1] for line in listing(client, "LIST *.txt")] == right["names in LIST *.txt"]
        assert listing(client, "NLST plant/*.csv") == ["plant/day_3.csv"]
        assert [line.split()[-1] for line in listing(client, "LIST -la plant/d*")] == ["day_3.csv"]
        assert listing(client, "NLST *.nothing") == []
        put(client, "[x].csv", b"1")
        assert listing(client, "NLST [x].csv") == ["[x].csv"], "a name is a name"
        assert {name[3:] for name in listing(client, "NLST ../*")} == set(client.nlst()), "above / there is nothing"
        with pytest.raises(ftplib.error_perm, match="550"):
            listing(client, "NLST nowhere/*")


def test_each_stou_has_a_name_of_its_own(site: Site) -> None:
    with site.session() as client:
        put(client, "log.csv", b"old")
        said = [client.storbinary("STOU log.csv", io.BytesIO(b"%d" % n)) for n in range(3)]
        assert all(text.startswith("226") for text in said)
        client.mkd("d")
        for command in ("STOU", "STOU d/log.csv"):
            client.voidcmd("TYPE I")
            port = client.makepasv()[1]
            with socket.create_connection(("127.0.0.1", port)) as data:
                told = client.sendcmd(command)
                data.sendall(b"x")
            client.voidresp()
            assert told.startswith(("125 FILE: ", "150 FILE: "))
            assert (site.gate / told[10:]).read_bytes() == b"x"
        names = client.nlst()
        assert sorted(get(client, name) for name in names if name.startswith("log-")) == [b"0", b"1", b"2"]
        assert get(client, "log.csv") == b"old"
        for refused in ("STOU quarantine/x", "STOU nowhere/x", "STOU .entrepot-x"):
            with pytest.raises(ftplib.error_perm, match="550"):
                client.voidcmd(refused)
    with site.session("users") as client, pytest.raises(ftplib.error_perm, match="550"):
        client.voidcmd("STOU x")


def test_what_loggers_send_is_accepted(site: Site) -> None:
    with site.connect() as client:
        for command in ("OPTS UTF8 ON", "CLNT logger 1.0", "FEAT", "SYST", "NOOP"):
            assert client.sendcmd(command)[0] == "2", command
        client.login(*site.accounts["gates"])
        for command in (
            "ALLO 1000", "MODE S", "STRU F", "OPTS UTF8 ON", "ACCT x", "XPWD", "XMKD d", "XCWD d", "XCUP", "XRMD d",
            "TYPE A N", "TYPE I", "SITE CHMOD 640 .", "STAT", "HELP", "MLST",
        ):  # fmt: skip
            assert client.sendcmd(command)[0] in "23", command
        put(client, "a.csv", b"12")
        assert [(name, facts["size"]) for name, facts in client.mlsd()] == [("a.csv", "2")]
        for command in ("TYPE E", "TYPE X", "MODE B"):
            with pytest.raises(ftplib.error_perm, match="504"):
                client.sendcmd(command)


# Uploads that go on


@pytest.mark.parametrize("how", ["REST", "APPE"])
@pytest.mark.parametrize("encrypted", [False, True])
def test_an_upload_that_broke_off_goes_on(site: Site, how: str, encrypted: bool) -> None:
    case = Case("upload-that-goes-on")
    content, right = (case.path / "frequency.csv").read_bytes(), case.json("expected.json")
    cut = case.json("case.json")["cut_after_bytes"]
    break_off(site, "STOR frequency.csv", content[:cut])
    assert gate_files.importable(FolderHome(site.gate), "/") == []
    with secure(site) if encrypted else site.session() as client:
        client.voidcmd("TYPE I")
        assert client.size("frequency.csv") == cut
        assert client.nlst() == []
        assert len(gate_files.importable(FolderHome(site.gate), "/")) == right["seen_by_importers_before_it_is_whole"]
        if how == "REST":
            client.storbinary("STOR frequency.csv", io.BytesIO(content[cut:]), rest=cut)
        else:
            client.storbinary("APPE frequency.csv", io.BytesIO(content[cut:]))
        assert client.size("frequency.csv") == right["size"]
    (entry,) = gate_files.importable(FolderHome(site.gate), "/")
    stored = (site.gate / entry.path).read_bytes()
    assert (entry.size, hashlib.sha256(stored).hexdigest()) == (right["size"], right["sha256"])
    assert FolderHome(site.gate).part_usage() == Usage(0, 0)


def test_an_encrypted_upload_goes_on_many_times(site: Site) -> None:
    content = os.urandom(300_000)
    with secure(site) as client:
        put(client, "a.bin", b"old")
    for start in (0, 100_000, 200_000):
        client = ftplib.FTP_TLS(timeout=20, context=ssl._create_unverified_context())
        client.connect("127.0.0.1", site.port)
        client.login(*site.accounts["gates"])
        client.prot_p()
        client.voidcmd("TYPE I")
        data = client.transfercmd("STOR a.bin", rest=start or None)
        data.sendall(content[start : start + 100_000])
        eventually(lambda end=start + 100_000: any(p.stat().st_size >= end for p in site.staging.iterdir()))  # type: ignore[misc]
        reset(data)
        client.sock.close()
        client.close()
        eventually(lambda: not any(site.staging.iterdir()))
        assert (site.gate / "a.bin").read_bytes() == b"old"
    with secure(site) as client:
        client.voidcmd("TYPE I")
        assert client.size("a.bin") == 300_000
        client.storbinary("STOR a.bin", io.BytesIO(b""), rest=300_000)
    assert (site.gate / "a.bin").read_bytes() == content


def test_what_is_empty_is_sent_over_tls(site: Site) -> None:
    with secure(site) as client:
        put(client, "empty", b"")
        for _ in range(5):
            assert listing(client, "NLST *.none") == []
            assert get(client, "empty") == b""


def test_from_an_earlier_place_the_rest_is_what_comes(site: Site) -> None:
    break_off(site, "STOR a", b"1234567890")
    with site.session() as client:
        with pytest.raises(ftplib.error_perm, match=r"554 .*beyond the 10 bytes"):
            client.storbinary("STOR a", io.BytesIO(b"x"), rest=11)
        client.storbinary("STOR a", io.BytesIO(b"xy"), rest=4)
        assert get(client, "a") == b"1234xy"
        with pytest.raises(ftplib.error_perm, match="554"):
            client.storbinary("STOR new", io.BytesIO(b"x"), rest=1)


def test_what_ends_a_part(site: Site) -> None:
    """A whole upload, one that begins anew, a deletion, a file that takes its name."""
    with site.session() as client:
        client.voidcmd("TYPE I")
        for name, end in {
            "stored": lambda: put(client, "stored", b"whole"),
            "deleted": lambda: client.delete("deleted"),
            "renamed": lambda: (put(client, "other", b"whole"), client.rename("other", "renamed")),
            "anew": lambda: break_off(site, "STOR anew", b"12"),
        }.items():
            break_off(site, f"STOR {name}", b"12345")
            assert client.size(name) == 5
            end()
        assert client.size("stored") == client.size("renamed") == 5
        assert (get(client, "stored"), get(client, "renamed")) == (b"whole", b"whole")
        assert client.size("anew") == 2
        with pytest.raises(ftplib.error_perm, match="550"):
            client.size("deleted")
        assert FolderHome(site.gate).part_usage() == Usage(2, 1)


def test_a_line_that_broke_off_is_sent_again_whole(site: Site) -> None:
    """Of loggers that append line by line, no half line stays: in a file that is there, and in a new one."""
    for name in ("there", "new"):
        with site.session() as client:
            if name == "there":
                put(client, name, b"first\n")
        break_off(site, f"APPE {name}", b"sec")
        with site.session() as client:
            client.storbinary(f"APPE {name}", io.BytesIO(b"second\n"))
            assert get(client, name) == (b"first\n" if name == "there" else b"") + b"second\n"


def test_lines_appended_at_once_are_all_kept(site: Site) -> None:
    with site.session() as client, contextlib.ExitStack() as stack:
        put(client, "log", b"0\n")
        clients = [stack.enter_context(site.session()) for _ in range(4)]
        sending = [start_upload(one, "APPE log", b"%d\n" % n) for n, one in enumerate(clients, 1)]
        for data, one in zip(sending, clients, strict=True):
            data.close()
            one.voidresp()
        assert sorted(get(client, "log").split()) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_device_whose_dead_connection_nobody_noticed_goes_on(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("entrepot.server.ftp.sessions._STALLED_SECONDS", 0.0)
    with site.session() as dead, site.session() as again:
        data = start_upload(dead, "STOR a", b"12345")
        eventually(lambda: any(path.stat().st_size for path in site.staging.iterdir()) or time.sleep(0.01))
        again.storbinary("STOR a", io.BytesIO(b"678"), rest=5)
        assert get(again, "a") == b"12345678"
        with pytest.raises((ftplib.Error, EOFError, OSError)):
            dead.voidresp()
        data.close()
        dead.close()


def test_parts_that_nobody_continues_are_removed(site: Site) -> None:
    break_off(site, "STOR old", b"1")
    break_off(site, "STOR young", b"12")
    folder = FolderHome(site.gate).parts
    for part in folder.iterdir():
        hours = 25 if part.stat().st_size == 1 else 1
        os.utime(part, (time.time() - hours * 3600,) * 2)
    site.server.sweep()
    assert FolderHome(site.gate).part_usage() == Usage(2, 1)
    assert sweep_parts(site.gate.parent, -1) == 1
    assert not folder.exists()


def test_what_a_killed_server_received_goes_on(tmp_path: Path) -> None:
    home, staging = FolderHome(tmp_path / "gates" / "one"), tmp_path / "uploads"
    home.make()
    staging.mkdir()
    upload = Upload(home, "a.csv", staging, keeps_parts=True)
    upload.write(b"12345")
    other = Upload(home, "b.csv", staging)
    other.write(b"by HTTP")
    for killed in (upload, other):
        killed._file.close()
    clean(staging, {"one": home}.get)
    assert home.part_size(parts.name_of("a.csv")) == 5
    assert list(staging.iterdir()) == []
    assert home.part_usage() == Usage(5, 1)


def test_no_part_is_kept_where_the_operator_wants_none(tmp_path: Path, sqlite_template: Path) -> None:
    site = Site(tmp_path / "data", sqlite_template, ftp_part_hours=0)
    try:
        break_off(site, "STOR a", b"12345")
        assert FolderHome(site.gate).part_usage() == Usage(0, 0)
    finally:
        site.close()


# Who does not leave


class Guest:
    """A session of no server."""

    def __init__(self, address: str, idle: float, home: str = "gates/one") -> None:
        self.remote_ip, self.home, self.retiring, self.under_way = address, home, False, None
        self._idle = idle

    def idle_seconds(self) -> float:
        return self._idle


def test_the_session_that_is_silent_for_longest_gives_its_place() -> None:
    sessions = Sessions(4, 3, 2)
    guests = [Guest("192.0.2.1", 20), Guest("192.0.2.1", 30), Guest("192.0.2.1", 0)]
    for guest in guests:
        assert sessions.has_room(guest.remote_ip)
        sessions.add(guest)
    assert sessions.has_room("192.0.2.1")
    assert [guest.retiring for guest in guests] == [False, True, False]
    sessions.add(Guest("192.0.2.2", 0))
    stranger = Guest("192.0.2.3", 15, home="")
    sessions.add(stranger)
    assert sessions.has_room("192.0.2.4")
    assert stranger.retiring, "before those who signed in"
    new = Guest("192.0.2.5", 0, home="")
    sessions.remove(guests[1])
    sessions.remove(stranger)
    sessions.add(new)
    assert sessions.sign_in(new, "gates/one")
    assert guests[0].retiring
    assert not sessions.sign_in(Guest("192.0.2.6", 0, home=""), "gates/one"), "of those who speak, none is ended"
    assert sessions.sign_in(Guest("192.0.2.6", 0, home=""), "gates/two")


def test_sessions_end_that_say_nothing_and_those_that_are_too_many_wait(
    tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(
        tmp_path / "data", sqlite_template, ftp_max_sessions=8, ftp_max_sessions_per_address=4,
        ftp_max_sessions_per_account=2, ftp_idle_seconds=3600.0, ftp_login_seconds=0.5,
    )  # fmt: skip
    login, password = site.accounts["gates"]
    try:
        with contextlib.ExitStack() as stack:
            silent = [stack.enter_context(contextlib.closing(site.connect())) for _ in range(2)]
            for client in silent:
                client.login(login, password)
            with site.connect() as third, pytest.raises(ftplib.error_temp, match=r"421 .*account"):
                third.login(login, password)
            eventually(lambda: len(site.server.sessions._all) == 2)
            unknown = [stack.enter_context(contextlib.closing(site.connect())) for _ in range(2)]
            with pytest.raises(ftplib.error_temp, match="421"):
                site.connect()
            for client in unknown:
                with pytest.raises(ftplib.error_temp, match="421"):
                    client.getresp()
            monkeypatch.setattr("entrepot.server.ftp.sessions._SPARED_SECONDS", 0.0)
            # Loggers that never say QUIT: the next one still gets in, again and again.
            for _ in range(6):
                client = stack.enter_context(contextlib.closing(site.connect()))
                assert client.login(login, password).startswith("230")
                eventually(lambda: sum(not one.retiring for one in site.server.sessions._all) <= 2)
            with pytest.raises((ftplib.error_temp, EOFError, OSError), match=r"421|$"):
                silent[0].getresp()
            object.__setattr__(site.services.settings, "ftp_idle_seconds", 0.2)
            eventually(lambda: not site.server.sessions._all)
    finally:
        site.close()


# What passes, and what does not


def test_failures_that_pass_are_4xx(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, code in {28: "452", 5: "451", 24: "451", 30: "451", 122: "552", 13: "550", 40: "550"}.items():

        def fail(*_: object, number: int = number) -> None:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patch, site.session() as client:
            for method in ("mkdir", "rename", "listdir", "remove"):
                patch.setattr(Folder, method, fail)
            patch.setattr("entrepot.server.ftp.uploads.room", fail)
            for command in ("MKD x", "LIST", "NLST *", "STOR x", "STOU", "DELE x"):
                with pytest.raises(ftplib.Error, match=f"^{code}"):
                    client.sendcmd(command)
            assert client.voidcmd("NOOP")


def test_a_full_disk_under_the_database_is_452(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OutOfSpace

    with monkeypatch.context() as patch, site.session() as client:
        patch.setattr(Folder, "mkdir", fail)
        with pytest.raises(ftplib.error_temp, match=r"^452 No space left"):
            client.sendcmd("MKD x")
        assert client.voidcmd("NOOP")


def test_a_first_login_without_inodes_is_answered(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(28, os.strerror(28))

    with monkeypatch.context() as patch, site.connect() as client:
        patch.setattr("entrepot.pipeline.gates.folder_home.Path.mkdir", fail)
        with pytest.raises(ftplib.error_temp, match=r"^421 No space left"):
            client.login(*site.accounts["users"])
    with site.session("users"):
        pass


def test_a_database_that_goes_away_is_421_at_every_command(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Database) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    with monkeypatch.context() as patch, site.session() as client:
        patch.setattr(Database, "read", fail)
        with pytest.raises(ftplib.error_temp, match=r"^421 .*database"):
            put(client, "a.csv", b"1")
        with pytest.raises((EOFError, OSError)):
            client.sendcmd("NOOP")
    assert folders.list_files(site.gate) == []
