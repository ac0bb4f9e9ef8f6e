"""Other users of the machine, who look into the data folder."""

import io
import os
import stat
import struct
import subprocess
from collections.abc import Iterator
from ftplib import FTP
from pathlib import Path

import pytest

from entrepot.server import private
from tests.conftest import MakeServer
from tests.support.server import ENTREPOT, ServerProcess

ACCESS, DEFAULT = "system.posix_acl_access", "system.posix_acl_default"
NGINX = 33


def acl(right: int) -> bytes:
    """Return what ``setfacl -m u:33:...,g::-,o::-`` writes."""
    nobody = 2**32 - 1
    entries = ((1, 7, nobody), (2, right, NGINX), (4, 0, nobody), (0x10, right, nobody), (0x20, 0, nobody))
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def right_of_nginx(path: Path) -> int:
    """Return what an access control list leaves to user 33: its own entry, within the mask."""
    entries = {tag: right for tag, right, _ in struct.iter_unpack("<HHI", os.getxattr(path, ACCESS)[4:])}
    return entries[2] & entries[0x10]


@pytest.fixture(scope="module")
def server(make_server: MakeServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server whose files were left to a generous umask once, and that is started with one again."""
    data = tmp_path_factory.mktemp("private") / "data"
    server = make_server("sqlite", data, options=("--no-scheduler", "--workers", "0"))
    for folder, folders, files in os.walk(data):
        for name in (*folders, *files):
            Path(folder, name).chmod(0o777)
    # As docs/files.md gives them to nginx.
    (data / "files").mkdir(exist_ok=True)
    os.setxattr(data, ACCESS, acl(1))
    for name in (ACCESS, DEFAULT):
        os.setxattr(data / "files", name, acl(5))
    before = os.umask(0)
    try:
        with server:
            yield server
    finally:
        os.umask(before)


def readable(folder: Path) -> list[str]:
    """Return what others than the server and nginx can read."""
    paths = [path for path in (folder, *folder.rglob("*")) if ACCESS not in os.listxattr(path)]
    modes = {path: path.lstat().st_mode for path in paths}
    return [f"{path} {mode:o}" for path, mode in modes.items() if mode & 0o077 and not stat.S_ISLNK(mode)]


def test_what_is_in_the_data_folder_is_the_servers_alone(server: ServerProcess) -> None:
    """What was there, and what comes by HTTP, FTP and command line, with a umask of 000."""
    with server.http() as http:
        project = http.post("/api/v1/projects", json={"name": "p"}).raise_for_status().json()
        gate = (
            http.post("/ovbp/api/v2/odata/gates/", json={"project": project["id"], "name": "g"})
            .raise_for_status()
            .json()
        )
        http.put(f"/api/v1/gates/{gate['id']}/files/a/b.csv", content=b"1").raise_for_status()
        http.post("/api/v1/files", files={"file": ("a.txt", b"content")}).raise_for_status()
        account = http.get("/ovbp/api/v2/odata/gate_ftp_accounts/", params={"gate": gate["id"]}).json()["data"][0]
        password = http.get(f"/ovbp/api/v2/odata/gate_ftp_accounts/{account['id']}/password/").json()["password"]
    with FTP() as ftp:
        ftp.connect(server.host, server.ftp_port, timeout=20)
        ftp.login(account["login"], password)
        ftp.mkd("c")
        ftp.storbinary("STOR c/d.csv", io.BytesIO(b"2"))
    server.command("token", "create", server.login, "--json")
    files = [path for path in server.data_dir.rglob("*") if path.is_file()]
    assert {"b.csv", "d.csv", "secret.key", "entrepot.db"} <= {path.name for path in files}
    assert readable(server.data_dir) == []


def test_nginx_reads_the_published_files_and_nothing_else(server: ServerProcess) -> None:
    with server.http() as http:
        file = http.post("/api/v1/files", files={"file": ("b.txt", b"content")}).raise_for_status().json()
    given = [path for path in server.data_dir.rglob("*") if ACCESS in os.listxattr(path)]
    (published,) = (path for path in given if path.name == file["id"])
    assert right_of_nginx(published) & 4
    assert all(right_of_nginx(folder) & 1 for folder in published.parents if folder in given)
    assert all(path.is_relative_to(server.data_dir / "files") for path in given)
    assert right_of_nginx(server.data_dir) == 1, "to pass through, not to list"


def test_a_backup_and_what_it_becomes_are_their_owners_alone(server: ServerProcess, tmp_path: Path) -> None:
    backup, copy = tmp_path / "backup.tar", tmp_path / "copy"
    server.command("backup", str(backup))
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    program: list[str | Path] = [ENTREPOT, "restore", backup, "--data-dir", copy]
    subprocess.run(program, check=True, capture_output=True, umask=0)
    assert readable(copy) == []


def test_what_an_operator_gives_to_somebody_stays_given(tmp_path: Path) -> None:
    """An access control list, as docs/files.md has it for nginx, opens the files and nothing else."""
    data = tmp_path / "data"
    for folder in ("files/o", "gates", "run"):
        (data / folder).mkdir(parents=True, mode=0o755)
    (data / "secret.key").write_text("")
    (data / "secret.key").chmod(0o644)
    for path in (data, data / "files", data / "files" / "o"):
        os.setxattr(path, ACCESS, acl(5))
    assert set(private.open_to_others(data)) == {data / "gates", data / "run", data / "secret.key"}
    assert private.tighten(data) == 3
    assert os.getxattr(data / "files", ACCESS) == acl(5)
    assert stat.S_IMODE((data / "secret.key").stat().st_mode) == 0o600
    assert private.open_to_others(data) == []
