"""Listings in the forms that servers have."""

import pytest

from entrepot.pipeline.feeders.sources import Unreachable
from entrepot.pipeline.feeders.sources.ftp import FtpSource
from entrepot.pipeline.feeders.sources.listing import parse_listing
from tests.integration.feeders.conftest import Servers, Site
from tests.support import sources
from tests.support.sources import LOGIN, PASSWORD, Place

URL = "https://x.org/data/"
APACHE = """<table><tr><th><a href="?C=N;O=D">Name</a></th></tr>
<tr><td><a href="/">Parent Directory</a></td><td>&nbsp;</td><td align="right">  - </td></tr>
<tr><td><a href="a%20b.csv">a b.csv</a></td><td align="right">2024-01-02 10:00  </td><td align="right">1.2K</td></tr>
<tr><td><a href="deep/">deep/</a></td><td align="right">2024-01-02 10:00  </td><td align="right">  - </td></tr>
<tr><td><a href="https://elsewhere.org/data/x.csv">x</a><a href="..%2f..%2fetc">y</a><a href="%2e%2e/">z</a></td></tr>
<tr><td><a href="plain.csv">plain.csv</a> </td></tr></table>"""


def test_a_page_of_links() -> None:
    files, folders = parse_listing(APACHE.encode(), "text/html", URL, "in")
    found = [(one.path, one.size, one.version) for one in files]
    assert found == [("in/a b.csv", None, "2024-01-02 10:00 1.2K"), ("in/plain.csv", None, None)]
    assert folders == ["in/deep"]


@pytest.mark.parametrize("content", [b"{", b"1", b"[1]", b'{"name": "a"}', b'[{"type": "file"}]'])
def test_json_that_is_no_listing(content: bytes) -> None:
    with pytest.raises(Unreachable):
        parse_listing(content, "application/json", URL, "")


def test_names_in_json_stay_below() -> None:
    content = (
        b'[{"name": "../x", "type": "file"}, {"name": "..", "type": "directory"}, {"name": "a\\u0000"}, {"name": 1}]'
    )
    assert parse_listing(content, "application/json", URL, "") == ([], [])


def test_listings_of_unix_and_windows() -> None:
    source = object.__new__(FtpSource)
    source.problems = []
    lines = [
        "total 3",
        "-rw-r--r--   1 owner group       123 Jan  2 10:00 a b.csv",
        "drwxr-xr-x   2 owner group      4096 Jan  2  2020 deep",
        "lrwxrwxrwx   1 owner group         1 Jan  2 10:00 link -> /etc",
        "01-02-24  10:00AM                  45 c.csv",
        "01-02-24  10:00AM       <DIR>          other",
        "what is this?",
    ]
    found = [(kind, one.path, one.size, one.version) for kind, one in source._plain_entries("in", lines)]
    assert found[0] == ("file", "in/a b.csv", 123, "123 Jan 2 10:00")
    assert found[2] == ("file", "in/c.csv", 45, "01-02-24 10:00AM 45")
    assert [(kind, path) for kind, path, _, _ in found if kind == "dir"] == [("dir", "in/deep"), ("dir", "in/other")]
    assert len(found) == 4


def test_a_server_that_knows_only_list(site: Site, servers: Servers) -> None:
    from pyftpdlib.handlers import FTPHandler

    known = {name: value for name, value in FTPHandler.proto_cmds.items() if name not in ("MLSD", "MLST")}
    folder = servers.served.root / servers.served.folder()
    place = Place("ftp", "", folder, {"login": LOGIN, "password": PASSWORD})
    place.put("a.csv", b"one")
    place.put("deep/b c.csv", b"two")
    with sources.ftp_server(folder, proto_cmds=known) as port:
        place.url = f"ftp://127.0.0.1:{port}/"
        site.connect(place).feed()
        assert site.files() == {"a.csv": b"one", "deep/b c.csv": b"two"}
        place.put("a.csv", b"one and more")
        assert [one["path"] for one in site.feed()["fetched"]] == ["a.csv"]
        assert site.feed()["unchanged"] == 2
