"""One and the same suite for every kind of storage."""

import hashlib
import os
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from entrepot import net
from entrepot.errors import InvalidInput, NotFound, Unavailable
from entrepot.files import stores
from entrepot.files.stores import open_store, parse_url
from entrepot.net import proxy as guarded
from entrepot.objects.stores import FolderStore, Store
from entrepot.settings import Settings
from tests.integration.files.conftest import CREDENTIALS


def _put(storage: Store, tmp_path: Path, path: str, content: bytes) -> None:
    source = tmp_path / "source"
    source.write_bytes(content)
    storage.put(path, source)


@pytest.mark.parametrize("size", [0, 1, 4096, 20 * 2**20 + 7])
def test_what_is_stored_comes_back(storage: Store, tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    _put(storage, tmp_path, "ab/one", content)
    assert storage.size("ab/one") == size
    blocks = list(storage.read("ab/one"))
    assert hashlib.sha256(b"".join(blocks)).digest() == hashlib.sha256(content).digest()
    assert max((len(block) for block in blocks), default=0) <= 16 * 2**20, "bounded memory"


def test_ranges(storage: Store, tmp_path: Path) -> None:
    content = bytes(range(256)) * 8192
    _put(storage, tmp_path, "ab/one", content)
    for start, stop in [
        (0, 1),
        (5, 5),
        (100, 300),
        (2**20 - 1, 2**20 + 1),
        (len(content) - 1, len(content)),
        (7, None),
    ]:
        assert b"".join(storage.read("ab/one", start, stop)) == content[start:stop]


def test_delete_twice_and_miss(storage: Store, tmp_path: Path) -> None:
    _put(storage, tmp_path, "ab/one", b"x")
    storage.delete("ab/one")
    storage.delete("ab/one")
    storage.delete("never/was")
    with pytest.raises(NotFound):
        storage.read("ab/one")
    with pytest.raises(NotFound):
        storage.size("never/was")


def test_own_test_passes(storage: Store, settings: Settings) -> None:
    assert stores.try_out(storage, settings.webhook_allowed_networks) == dict.fromkeys(
        ("write", "read", "range", "sign", "delete")
    )


def test_signed_urls_of_the_store(storage: Store, tmp_path: Path) -> None:
    _put(storage, tmp_path, "ab/one", b"signed")
    url = storage.sign("ab/one", 60)
    if isinstance(storage, FolderStore):
        assert url is None
    else:
        assert url is not None
        assert httpx.get(url, trust_env=False).content == b"signed"


@pytest.mark.parametrize("path", ["../out", "a/../../out", "/etc/passwd", "a//b", "a/./b", "", "a\\..\\b", "a/\0b"])
def test_paths_stay_inside(settings: Settings, tmp_path: Path, path: str) -> None:
    storage = FolderStore(tmp_path / "exports" / "inner")
    with pytest.raises((InvalidInput, NotFound)):
        _put(storage, tmp_path, path, b"x")
    with pytest.raises((InvalidInput, NotFound)):
        storage.read(path)
    assert not (tmp_path / "exports" / "out").exists()


def test_symbolic_links_are_not_followed(tmp_path: Path) -> None:
    root, secret = tmp_path / "root", tmp_path / "secret"
    root.mkdir()
    secret.mkdir()
    (secret / "file").write_text("secret")
    (root / "folder").symlink_to(secret)
    (root / "link").symlink_to(secret / "file")
    storage = FolderStore(root)
    for path in ("folder/file", "link"):
        with pytest.raises(NotFound):
            storage.read(path)
    with pytest.raises(OSError):
        _put(storage, tmp_path, "folder/new", b"x")
    with pytest.raises(FileExistsError):
        _put(storage, tmp_path, "link", b"x")
    assert [path.name for path in secret.iterdir()] == ["file"]
    os.mkfifo(root / "pipe")
    with pytest.raises(NotFound):
        storage.read("pipe")


@pytest.mark.parametrize(
    "url",
    [
        "local:///etc",
        "local:///exports/../../etc",
        "local://host/exports",
        "local:///",
        "local:relative",
        "file:///etc",
        "http://example.org/x",
        "s3://",
        "s3:///path",
        "s3://bucket/../other",
        "s3://bucket/a%2e%2e/b",
        "s3://bucket?x=y",
        "s3://user@bucket/x",
        "s3://bucket/\n",
    ],
)
def test_urls_that_cannot_be(settings: Settings, url: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        open_store(settings, url, {"access_key_id": "a", "secret_access_key": "b"}, own=False)
    assert set(raised.value.fields) == {"url"}


def test_links_out_of_allowed_roots_are_seen(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "exports" / "out").symlink_to("/etc")
    with pytest.raises(InvalidInput):
        open_store(settings, f"local://{tmp_path}/exports/out", None, own=False)


@pytest.mark.parametrize("credentials", [None, {}, {"access_key_id": "a"}])
@pytest.mark.parametrize("url", ["s3://bucket/x", "gs://bucket/x", "az://container/x"])
def test_no_credentials_are_not_the_machines_own(settings: Settings, url: str, credentials: Any) -> None:
    with pytest.raises(InvalidInput) as raised:
        open_store(settings, url, credentials, own=False)
    assert "credentials" in raised.value.fields


@pytest.mark.parametrize("endpoint", ["http://169.254.169.254", "http://10.0.0.1:9000", "ftp://example.org", "x"])
def test_endpoints_do_not_lead_inside(settings: Settings, endpoint: str) -> None:
    credentials = {"access_key_id": "a", "secret_access_key": "b", "endpoint": endpoint}
    with pytest.raises(InvalidInput):
        open_store(settings, "s3://bucket/x", credentials, own=False)


class _Redirecting(BaseHTTPRequestHandler):
    """A store that leads those who read elsewhere."""

    def do_GET(self) -> None:
        self.send_response(307)
        self.send_header("location", "http://127.0.0.2:1/latest/meta-data")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_arguments: Any) -> None:
        pass


def test_stores_do_not_redirect_inside(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    connect = net.connect

    def noted(host: str, port: int, allowed: Any, **options: Any) -> Any:
        asked.append(f"{host}:{port}")
        return connect(host, port, allowed, **options)

    monkeypatch.setattr(guarded, "connect", noted)
    settings = settings.model_copy(update={"webhook_allowed_networks": [ip_network("127.0.0.1/32")]})
    with ThreadingHTTPServer(("127.0.0.1", 0), _Redirecting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        credentials = CREDENTIALS | {"endpoint": f"http://127.0.0.1:{server.server_port}"}
        storage = open_store(settings, "s3://bucket/x", credentials, own=False)
        with pytest.raises(Unavailable):
            b"".join(storage.read("a/b"))
        server.shutdown()
    assert asked == [f"127.0.0.1:{server.server_port}", "127.0.0.2:1"], "it followed, and was stopped"


def test_tunnels_lead_where_they_may(settings: Settings) -> None:
    proxy = urlsplit(guarded.shared_url(settings.webhook_allowed_networks))
    with ThreadingHTTPServer(("127.0.0.1", 0), _Redirecting) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        for target, status in [(f"127.0.0.1:{server.server_port}", 200), ("10.0.0.1:80", 403), ("nonsense", 403)]:
            with socket.create_connection((proxy.hostname, proxy.port), 10) as tunnel:
                tunnel.sendall(f"CONNECT {target} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
                assert tunnel.recv(100).startswith(f"HTTP/1.1 {status} ".encode())
                if status == 200:
                    tunnel.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    assert tunnel.recv(100).startswith(b"HTTP/1.0 307")
        server.shutdown()


@pytest.mark.parametrize(
    ("url", "name"), [("s3://b/x", "region"), ("az://b/x", "account_name"), ("az://b/x", "tenant_id")]
)
@pytest.mark.parametrize("value", ["evil.example/", "a@evil.example", "..", "a b", "a#"])
def test_credentials_do_not_name_other_hosts(settings: Settings, url: str, name: str, value: str) -> None:
    given = CREDENTIALS | {"account_name": "a", "account_key": "b", "client_secret": "c", name: value}
    with pytest.raises(InvalidInput) as raised:
        open_store(settings, url, given, own=False)
    assert name in raised.value.fields["credentials"][0]


def test_a_bucket_that_is_not_there(settings: Settings, s3_endpoint: str, tmp_path: Path) -> None:
    credentials = {"access_key_id": "a", "secret_access_key": "b", "endpoint": s3_endpoint}
    storage = open_store(settings, "s3://nothing/x", credentials, own=False)
    steps = stores.try_out(storage)
    assert steps["write"]
    assert steps["read"] == "not tried"
    with pytest.raises((Unavailable, NotFound)):
        _put(storage, tmp_path, "a/b", b"x")


def test_parse() -> None:
    assert parse_url("s3://my-bucket/results/a b/") == ("s3", "my-bucket", "results/a b")
    assert parse_url("gs://bucket") == ("gs", "bucket", "")
    assert parse_url("local:///srv/x") == ("local", "", "/srv/x")
