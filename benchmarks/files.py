"""Files through HTTP: one large, many small, lists and acknowledgements; nginx beside it, and in front of it.

A second server of ours is set up as docs/files.md says: nginx asks it who may fetch what, and sends the bytes.
"""

import argparse
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import common
import orjson
from common import HOST, Http, Line
from sqlalchemy import insert, select

from entrepot.db import Database, new_id
from entrepot.files.models import PublishedFile

OURS, FRONT, NGINX = "Entrepot", "Entrepot behind nginx", "nginx"
ENTREPOT = Path(sys.executable).parent / "entrepot"
ROUNDS, CONNECTIONS = 3, 8
SMALL_BYTES = 16 * 1024

_PAGE = Path(__file__).parents[1] / "docs" / "files.md"
_NGINX = """
{user} worker_processes 2; daemon off; error_log {folder}/error.log; pid {folder}/pid;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  {upstream}
  server {{ listen {host}:{port}; {served} }}
}}
"""
_ALONE = "client_max_body_size 0; root {www}; location / {{ dav_methods PUT; create_full_put_path on; }}"


class Entrepot:
    """A server in a folder of its own."""

    def __init__(self, port: int, token: str, folder: Path) -> None:
        self.http = Http(port, {"authorization": f"Token {token}"})
        self.base = f"http://{HOST}:{port}"
        self.token = token
        self.folder = folder

    def put(self, path: Path) -> str:
        """Upload a file by curl and return from where it is fetched."""
        sent = _curl("-H", f"authorization: Token {self.token}", "-F", f"file=@{path}", f"{self.base}/api/v1/files")
        return str(orjson.loads(sent)["signed_url"]["url"])

    def put_small(self, http: Http, content: bytes) -> str:
        """Upload a small file and return the path from where it is fetched."""
        body = b'--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n' + content + b"\r\n--b--\r\n"
        answer = http.send("POST", "/api/v1/files", body, content_type="multipart/form-data; boundary=b")
        return str(orjson.loads(answer)["signed_url"]["url"]).removeprefix(self.base)


class Nginx:
    """nginx, serving and receiving the same."""

    def __init__(self, port: int) -> None:
        self.http = Http(port)
        self.base = f"http://{HOST}:{port}"

    def put(self, path: Path) -> str:
        """Upload a file by curl and return from where it is fetched."""
        address = f"{self.base}/{new_id()}"
        _curl("-T", str(path), address)
        return address

    def put_small(self, http: Http, content: bytes) -> str:
        """Upload a small file and return the path from where it is fetched."""
        path = f"/{new_id()}"
        http.send("PUT", path, content)
        return path


def _curl(*arguments: str) -> bytes:
    command = ["curl", "-sS", "--fail-with-body", "--noproxy", "*", "-H", "Expect:", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


@contextmanager
def entrepot(folder: Path, *, accelerated: bool = False) -> Iterator[Entrepot]:
    """Start Entrepot, as an operator would."""
    port, data = common.free_port(), folder / "data"
    environment = {"ENTREPOT_FILE_ACCELERATED": str(accelerated).lower()}
    command: list[str | Path] = [
        ENTREPOT,
        "init",
        "--data-dir",
        data,
        "--organization",
        "Lab",
        "--admin",
        "admin",
        "--json",
    ]
    made = orjson.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    serve: list[str | Path] = [ENTREPOT, "serve", "--data-dir", str(data), "--port", str(port), "--no-ftp"]
    log = folder / "entrepot.log"
    with common.daemon(serve, log, lambda: common.answers(port, "/health"), environment=environment):
        yield Entrepot(port, made["token"], data)


def program() -> str | None:
    """Return nginx, where it is installed."""
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


@contextmanager
def nginx(folder: Path, served: str, probe: str, upstream: str = "") -> Iterator[int]:
    """Start nginx on a port of its own, and give that once a path is answered."""
    port = common.free_port()
    config = folder / "nginx.conf"
    user = "user root;" if os.getuid() == 0 else ""
    config.write_text(_NGINX.format(folder=folder, host=HOST, port=port, user=user, served=served, upstream=upstream))
    command = [str(program()), "-c", str(config), "-e", str(folder / "early.log")]
    with common.daemon(command, folder / "nginx.log", lambda: common.answers(port, probe)):
        yield port


@contextmanager
def alone(folder: Path) -> Iterator[Nginx]:
    """Start nginx that serves and receives files."""
    (folder / "www").mkdir(parents=True)
    (folder / "www" / "up").write_text("up")
    with nginx(folder, _ALONE.format(www=folder / "www"), "/up") as port:
        yield Nginx(port)


@contextmanager
def in_front(folder: Path) -> Iterator[Entrepot]:
    """Start Entrepot behind nginx, as its documentation says."""
    folder.mkdir(parents=True)
    with entrepot(folder, accelerated=True) as inner:
        upstream, documented = re.findall(r"```nginx\n(.*?)```", _PAGE.read_text(), re.DOTALL)
        upstream = upstream.replace("127.0.0.1:8000", inner.base.removeprefix("http://"))
        documented = documented.replace("/srv/entrepot/files", str(inner.folder / "files"))
        with nginx(folder, documented, "/health", upstream) as port:
            yield Entrepot(port, inner.token, inner.folder)


def large(systems: dict[str, Entrepot | Nginx], folder: Path, size: int) -> list[Line]:
    """One large file, up and down, in MiB/s."""
    source = folder / "large"
    with source.open("wb") as file:
        block = os.urandom(1 << 20)
        for _ in range(size >> 20):
            file.write(block)
    up: dict[str, list[float]] = {name: [] for name in systems}
    down: dict[str, list[float]] = {name: [] for name in systems}
    for _ in range(ROUNDS):
        for name, system in systems.items():
            started = time.perf_counter()
            address = system.put(source)
            up[name].append((size >> 20) / (time.perf_counter() - started))
            started = time.perf_counter()
            _curl("-o", os.devnull, address)
            down[name].append((size >> 20) / (time.perf_counter() - started))
    title = f"one file of {size >> 20} MiB"
    return [_line(f"{title}: up", "MiB/s", up), _line(f"{title}: down", "MiB/s", down)]


def _put(system: Entrepot | Nginx, paths: list[str], content: bytes, http: Any, _task: int) -> None:
    paths.append(system.put_small(http, content))


def small(systems: dict[str, Entrepot | Nginx], count: int) -> list[Line]:
    """Many small files, up and down, in files a second."""
    content = os.urandom(SMALL_BYTES)
    up: dict[str, list[float]] = {}
    down: dict[str, list[float]] = {}
    for name, system in systems.items():
        connections = [system.http.another() for _ in range(CONNECTIONS)]
        paths: list[str] = []
        seconds = common.side_by_side(
            functools.partial(_put, system, paths, content),
            connections,
            range(count),
        )
        up[name] = [count / seconds]
        down[name] = [count / common.side_by_side(lambda http, path: http.send("GET", path), connections, paths)]
    title = f"{count} files of {SMALL_BYTES >> 10} KiB"
    return [_line(f"{title}: up", "files/s", up), _line(f"{title}: down", "files/s", down)]


def lists(system: Entrepot, count: int) -> list[Line]:
    """Lists and batch acknowledgements over many records, in milliseconds."""
    model = orjson.loads(system.http.send("GET", "/api/v1/files?limit=1"))["items"][0]
    database = Database(f"sqlite:///{system.folder / 'entrepot.db'}")
    with database.read() as session:
        organization_id = session.scalars(select(PublishedFile.organization_id).limit(1)).one()
    ids = [new_id() for _ in range(count)]
    common_values = {
        "organization_id": organization_id,
        "request_id": model["request"],
        "step_id": model["step"],
        "storage_id": model["storage"]["id"],
        "identifier": "many",
        "name": "x",
        "size": 1,
        "md5": "0" * 32,
        "sha256": "0" * 64,
    }
    for start in range(0, count, 10_000):
        rows = [common_values | {"id": id_, "path": id_} for id_ in ids[start : start + 10_000]]
        with database.write() as session:
            session.execute(insert(PublishedFile), rows)
    database.close()
    lines = []
    middle = ids[count // 2]
    for title, path in (
        ("first page of 100", "/api/v1/files?limit=100"),
        ("page in the middle, through the ricloud door", f"/ricloud/results?limit=100&after_id={middle}"),
        ("first page, through the ricloud door, with its total", "/ricloud/results?limit=100"),
    ):
        figures = [1000 * common.timed(system.http.send, "GET", path) for _ in range(10)]
        lines.append(_line(f"{count} records: {title}", "ms", {OURS: figures}, more=False))
    figures = []
    for number in range(10):
        body = orjson.dumps({"ids": ids[1000 * number : 1000 * (number + 1)]})
        figures.append(1000 * common.timed(system.http.send, "POST", "/ricloud/results/ack", body))
    lines.append(_line(f"{count} records: acknowledge 1000", "ms", {OURS: figures}, more=False))
    return lines


def _line(work: str, unit: str, figures: dict[str, list[float]], *, more: bool = True) -> Line:
    medians = {name: common.median(found) for name, found in figures.items()}
    return Line(work, unit, medians, dict.fromkeys(medians, "HTTP"), more_is_better=more)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large-bytes", type=int, default=1 << 30)
    parser.add_argument("--small", type=int, default=5000)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        ours = stack.enter_context(entrepot(folder))
        systems: dict[str, Entrepot | Nginx] = {OURS: ours}
        if program() is not None:
            systems[FRONT] = stack.enter_context(in_front(folder / "front"))
            systems[NGINX] = stack.enter_context(alone(folder / "nginx"))
        found = [
            *large(systems, folder, arguments.large_bytes),
            *small(systems, arguments.small),
            *lists(ours, arguments.records),
        ]
    print(common.table(found, list(systems), OURS))
    if arguments.json:
        arguments.json.write_bytes(orjson.dumps([vars(line) for line in found], option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
