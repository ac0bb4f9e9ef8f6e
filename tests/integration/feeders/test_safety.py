"""What feeders must not do: reach inside, trust whom they should not, tell secrets."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from ipaddress import ip_network
from pathlib import Path

import pytest

from entrepot.errors import InvalidInput
from entrepot.pipeline.feeders.options import Address, Credentials, matches
from tests.integration.feeders.conftest import Servers, Site
from tests.support import sources
from tests.support.sources import PASSWORD, Place

INSIDE = ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "[fd00::1]", "[::ffff:10.0.0.1]", "168.63.129.16"]


@pytest.mark.parametrize("scheme", ["ftp", "ftps", "sftp", "http", "https"])
@pytest.mark.parametrize("host", INSIDE)
def test_addresses_inside_are_refused_when_they_are_given(scheme: str, host: str) -> None:
    with pytest.raises(InvalidInput, match="not a public address"):
        Address.parse(f"{scheme}://{host}/x")
    with pytest.raises(InvalidInput, match="not a public address"):
        Address.parse(f"{scheme}://{host}/x", (ip_network("192.168.0.0/16"),))


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://me:secret@x.org/", "gopher://x.org", "http://", "x", "ftp://x.org/a%0d%0aDELE b",
     "sftp://x.org/a#b", "ftp://x.org/?a=b", "http://x.org:99999/", "s3://bucket:80/x"],
)  # fmt: skip
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Address.parse(url)
    assert list(caught.value.fields) == ["url"]


@pytest.mark.parametrize("kind", ["ftp", "ftps", "sftp", "http json", "s3"])
def test_names_that_lead_inside_are_refused_when_they_are_looked_up(
    kind: str, site: Site, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = servers.place(kind)
    place.put("a.csv", b"one")
    site.world.settings = site.world.settings.model_copy(update={"webhook_allowed_networks": []})
    place.url = place.url.replace("127.0.0.1", "logger.example.org")
    if "endpoint" in place.parameters:
        place.parameters["endpoint"] = place.parameters["endpoint"].replace("127.0.0.1", "logger.example.org")
    found = socket.getaddrinfo("127.0.0.1", 21, type=socket.SOCK_STREAM)
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, *a, **k: found if "logger" in str(host) else [])
    report = site.connect(place).feed("failed")
    assert "not a public address" in report["error"]
    assert site.files() == {}


@pytest.mark.parametrize("path", ["inside", "moved.csv?to=inside"])
def test_redirects_do_not_lead_inside(path: str, site: Site, servers: Servers) -> None:
    place = Place("http", f"http://127.0.0.1:{servers.web['json']}/{path}")
    report = site.connect(place).feed("failed")
    assert "127.0.0.2" in report["error"]
    assert "not a public address" in report["error"]


def test_redirects_are_followed_without_credentials(site: Site) -> None:
    """The first server sends on to another origin, which must not see the password."""
    heard: list[bytes] = []
    with ExitStack() as stack:
        other = _http_server(
            stack, lambda _: b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\none", heard
        )
        moved = f"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:{other}/b\r\ncontent-length: 0\r\n\r\n".encode()
        first = _http_server(stack, lambda _: moved, heard)
        credentials = {"login": "me", "password": "a long secret"}
        place = Place("http", f"http://127.0.0.1:{first}/a.csv", credentials=credentials)
        site.connect(place).feed()
    assert site.files() == {"a.csv": b"one"}
    assert all((b"authorization:" in head.lower()) == (b" /a.csv " in head) for head in heard)
    assert len(heard) > 2


def _http_server(stack: ExitStack, answer: Callable[[bytes], bytes], heard: list[bytes]) -> int:
    listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                heard.append(connection.recv(65536))
                connection.sendall(answer(heard[-1]))

    threading.Thread(target=serve, daemon=True).start()
    stack.callback(listening.shutdown, socket.SHUT_RDWR)
    return int(listening.getsockname()[1])


def test_data_connections_go_to_the_server_whatever_it_answers(site: Site, servers: Servers) -> None:
    """A passive answer that names another address leads nowhere else."""
    folder = servers.served.root / servers.served.folder()
    (folder / "a.csv").write_bytes(b"one")
    with sources.ftp_server(folder, masquerade_address="10.1.2.3") as port:
        place = Place("ftp", f"ftp://127.0.0.1:{port}/", folder, {"login": "logger", "password": PASSWORD})
        site.connect(place).feed()
    assert site.files() == {"a.csv": b"one"}


@pytest.mark.parametrize("kind", ["ftps", "https"])
def test_certificates_that_nobody_vouches_for_are_not_trusted(kind: str, site: Site, servers: Servers) -> None:
    if kind == "ftps":
        place = servers.place("ftps")
        del place.parameters["certificate"]
        report = site.connect(place).feed("failed")
    else:
        place = Place("https", f"https://127.0.0.1:{servers.ftps[0]}/")
        with _tls_server(servers.folder / "ftps.pem") as port:
            place.url = f"https://127.0.0.1:{port}/"
            report = site.connect(place).feed("failed")
    assert "certificate is not trusted" in report["error"]


@contextlib.contextmanager
def _tls_server(certificate: Path) -> Iterator[int]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listening.accept()
                    with connection, contextlib.suppress(OSError):
                        context.wrap_socket(connection, server_side=True).close()

        threading.Thread(target=accept, daemon=True).start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)


def test_a_host_key_that_changes_is_refused(site: Site, servers: Servers) -> None:
    folder = servers.served.root / ".ssh-changing"
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
    files = servers.served.root / servers.served.folder()
    (files / "a.csv").write_bytes(b"one")
    with sources.ssh_server(folder, "first") as (port, login, key):
        place = Place("sftp", f"sftp://127.0.0.1:{port}{files}", files, {"login": login, "private_key": key})
        site.connect(place).feed()
    with site.world.database.read() as session:
        known = site.record(session).known_host_key
    assert known.startswith("SHA256:")
    with sources.ssh_server(folder, "second") as (port, _, key):
        (files / "b.csv").write_bytes(b"two")
        site.change(url=f"sftp://127.0.0.1:{port}{files}", credentials=place.credentials)
        site.change(parameters={"host_key": known})
        report = site.feed("failed")
        assert "host key has changed" in report["error"]
        assert site.files() == {"a.csv": b"one"}
        site.change(parameters={"host_key": None})
        site.feed()
        site.change(parameters={})
        with site.world.database.write() as session:
            site.record(session).known_host_key = known
        assert "host key has changed" in site.feed("failed")["error"]
    assert sorted(site.files()) == ["a.csv", "b.csv"]


def test_credentials_are_encrypted_and_have_to_be_given_again_for_another_address(site: Site, servers: Servers) -> None:
    place = servers.place("ftp")
    site.connect(place)
    with site.world.database.read() as session:
        record = site.record(session)
        assert record.credential_names == ["login", "password"]
        assert PASSWORD not in f"{record.credentials} {record.source}"
        assert PASSWORD in site.world.vault.decrypt(record.credentials)
    with pytest.raises(InvalidInput) as caught:
        site.change(url="ftp://127.0.0.1:1/elsewhere")
    assert list(caught.value.fields) == ["credentials"]
    site.change(url=f"{place.url}/below")
    with pytest.raises(InvalidInput) as caught:
        site.change(credentials={"login": "x", "pasword": "y"})
    assert list(caught.value.fields) == ["credentials"]
    assert "'y'" not in str(caught.value.fields)


def test_the_servers_own_credentials_and_addresses_stay_here(
    site: Site, servers: Servers, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {
        "ACCESS_KEY_ID": "own",
        "SECRET_ACCESS_KEY": "own",
        "SESSION_TOKEN": "own",
        "ENDPOINT_URL": "http://10.0.0.1",
    }
    for name, value in own.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    heard: list[bytes] = []
    with ExitStack() as stack:
        refuse = b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        endpoint = f"http://127.0.0.1:{_http_server(stack, lambda _: refuse, heard)}"
        keys = {"access_key_id": "theirs", "secret_access_key": "theirs too"}
        site.connect(Place("s3", "s3://bucket/x", None, keys, {"endpoint": endpoint})).feed("failed")
        site.change(credentials=None)
        site.feed("failed")
    signed, plain = heard
    assert b"Credential=theirs/" in signed
    assert b"authorization" not in plain.lower()
    assert b"own" not in (signed + plain).lower()


def test_secrets_are_taken_out_of_texts() -> None:
    credentials = Credentials(login="me", password="pass word", private_key="-----BEGIN\nabcdef\n-----END\n")
    assert credentials.redact("me: pass word, abcdef.") == "me: ***, ***."


@pytest.mark.parametrize(
    ("path", "patterns", "expected"),
    [
        ("a.csv", ["*.csv"], True),
        ("deep/a.csv", ["*.csv"], True),
        ("deep/a.csv", ["/*.csv"], False),
        ("a.csv", ["/*.csv"], True),
        ("deep/a.csv", ["deep/*.csv"], True),
        ("deep/er/a.csv", ["deep/*.csv"], False),
        ("deep/er/a.csv", ["deep/**/*.csv"], True),
        ("deep/a.csv", ["deep/**/*.csv"], True),
        ("x/y/z", ["x/**"], True),
        ("a1.csv", ["a[0-9].csv"], True),
        ("ax.csv", ["a[!0-9].csv"], True),
        ("a1.csv", ["a[!0-9].csv"], False),
        ("a+b.csv", ["a+b.csv"], True),
        ("[x].csv", ["[[]x].csv"], True),
        ("é.csv", ["?.csv"], True),
        ("a" * 3000, ["*a*a*a*a*a*a*a*a*a*b"], False),
        ("a.csv", [], False),
    ],
)
def test_patterns(path: str, patterns: list[str], expected: bool) -> None:
    assert matches(path, patterns) is expected
