"""Downloads that nginx sends, set up as docs/files.md says: as a user of its own, where the tests are root."""

import os
import random
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from entrepot.client._http import Connection
from entrepot.client.files import Files
from tests.support import nginx as nginx_before
from tests.support.server import ServerProcess

PAGE = Path(__file__).parents[3] / "docs" / "files.md"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that all users may pass, unlike those of pytest."""
    with tempfile.TemporaryDirectory(prefix="entrepot-nginx-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    data = folder / "data"
    server = ServerProcess(data, environment={"ENTREPOT_FILE_ACCELERATED": "true"}, options=("--no-ftp",))
    if os.getuid() == 0:
        (documented,) = re.findall(r"```text\n(setfacl.*?)```", PAGE.read_text(), re.DOTALL)
        for command in documented.replace("/srv/entrepot", str(data)).splitlines():
            subprocess.run(command.split(), check=True)
    with server:
        yield server


@pytest.fixture(scope="module")
def nginx(server: ServerProcess, folder: Path) -> Iterator[httpx.HTTPTransport]:
    """What leads through nginx to the server."""
    upstream, documented = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(), re.DOTALL)
    upstream = upstream.replace("127.0.0.1:8000", f"{server.host}:{server.http_port}")
    documented = documented.replace("/srv/entrepot/files", str(server.data_dir / "files"))
    with nginx_before.running(folder, upstream, documented) as socket:
        yield httpx.HTTPTransport(uds=str(socket))


def test_nginx_sends_what_the_server_allows(server: ServerProcess, nginx: httpx.HTTPTransport, tmp_path: Path) -> None:
    content = random.Random(9).randbytes(3_000_000)
    headers = {"authorization": f"Token {server.token}"}
    with httpx.Client(base_url="http://front.example", headers=headers, transport=nginx) as client:
        record = client.post("/api/v1/files", files={"file": ("a.html", content)}).raise_for_status().json()
        path = f"/api/v1/files/{record['id']}/download"
        whole = client.get(path)
        assert whole.content == content
        assert whole.headers["server"].startswith("nginx")
        assert whole.headers["etag"] == f'"{record["sha256"]}"'
        assert whole.headers["content-disposition"].startswith("attachment")
        assert whole.headers["x-content-type-options"] == "nosniff"
        assert whole.headers["content-security-policy"].startswith("sandbox")
        assert "repr-digest" in whole.headers
        assert int(client.head(path).headers["content-length"]) == len(content)
        part = client.get(path, headers={"range": "bytes=1000000-", "if-range": whole.headers["etag"]})
        assert (part.status_code, part.content) == (206, content[1_000_000:])
        stale = client.get(path, headers={"range": "bytes=1000000-", "if-range": '"other"'})
        assert (stale.status_code, stale.content) == (200, content)
        signed = record["signed_url"]["url"]
        assert signed.startswith("http://front.example/")
        (stored,) = (server.data_dir / "files").rglob(record["id"])
        inside = f"/entrepot-files/{stored.relative_to(server.data_dir / 'files')}"
        assert client.get(inside).status_code == 404, "only by the server's leave"
    with httpx.Client(transport=nginx) as stranger:
        assert stranger.get(signed).content == content
        assert stranger.get(signed[:-1] + ("0" if signed[-1] != "0" else "1")).status_code == 403
        assert stranger.get(f"http://front.example{path}").status_code == 401
    with server.http(auth=None, headers=headers) as bare:
        assert bare.get(path).content == b"", "the server itself sends nothing"
    files = Files(Connection("http://front.example", headers=headers, transport=nginx))
    assert files.download(record["id"], tmp_path / "a").read_bytes() == content
    files.connection.close()


@pytest.mark.skipif("os.getuid() != 0", reason="only root acts as another user")
def test_nginx_reads_files_and_nothing_else(server: ServerProcess, nginx: httpx.HTTPTransport) -> None:
    def can(user: str, *command: str) -> bool:
        become = ["setpriv", f"--reuid={user}", "--regid=nogroup", "--clear-groups"]
        return subprocess.run([*become, *command], capture_output=True, check=False).returncode == 0

    with httpx.Client(base_url="http://front.example", transport=nginx) as client:
        headers = {"authorization": f"Token {server.token}"}
        record = client.post("/api/v1/files", files={"file": ("a.csv", b"1")}, headers=headers).json()
    (path,) = (server.data_dir / "files").rglob(record["id"])
    assert can("www-data", "cat", str(path))
    for name in ("entrepot.db", "secret.key", "run/serve.json"):
        assert (server.data_dir / name).is_file()
        assert not can("www-data", "cat", str(server.data_dir / name))
    for name in ("", "gates", "users", "run"):
        assert not can("www-data", "ls", str(server.data_dir / name))
    assert not can("www-data", "touch", str(server.data_dir / "files" / "x"))
    assert not can("nobody", "ls", str(server.data_dir / "files"))
