"""Every page of the console, by whoever may see it: strangers' texts are texts, and nothing is offered and refused."""

import csv
import html
import io
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode, urljoin

import pytest
from starlette.testclient import TestClient

from entrepot.db import Database
from entrepot.server.console import routes
from tests.support.interface import Api, interface
from tests.support.page_users import PASSWORD, form_token, of_pages, signed_in
from tests.support.strangers import office_of, pipeline_of, with_users, works_of

pytestmark = of_pages
SECRETS = ("hush-hush", "whsec_", PASSWORD)
FORM = re.compile(r'<form method="post" action="([^"]+)"((?:(?!</form>).)*)', re.DOTALL)
ASKED = re.compile(r'hx-post="([^"]+)"')
BUTTON = re.compile(r'<a class="button[^"]*" href="([^"#]+)')
LINK = re.compile(r'(?:<a [^>]*?href|hx-get)="([^"#]+)')
CSV = re.compile(r'<a href="([^"]+)"[^>]*>CSV</a>')
TABLE = re.compile(r'<div class="table[^"]*"[^>]*aria-label="([^"]*)"[^>]*><table>(.*?)</table>', re.DOTALL)
#: Tables that are no lists of their own: the first of one to which the page leads, points, what a script is tried on.
NO_LIST = {
    "Open notifications", "Series found", "Deliveries", "What became of it", "Series on the plot", "In the basket",
    "Points", "Columns of a.csv", "First rows of a.csv",
}  # fmt: skip
#: What is no page, or is there only where somebody waits for it.
_NONE = {"/console/login", "/console/link", "/console/static/{name}", "/docs", "/console/exports/{id}"}
_KINDS = {
    "projects": "project", "gates": "gate", "importers": "importer", "cleaners": "cleaner", "channels": "channel",
    "analyses": "analysis", "trials": "trial", "series": "series", "storages": "storage", "files": "file",
    "runs": "run", "webhooks": "webhook", "keys": "key", "sessions": "session", "people": "member",
}  # fmt: skip


@pytest.fixture
def api(database: Database, tmp_path: Path) -> Api:
    return with_users(interface(database, tmp_path))


@pytest.fixture
def ids(api: Api) -> dict[str, str]:
    """One of each thing that there is, of strangers' names."""
    return pipeline_of(api) | works_of(api) | office_of(api)


def pages(ids: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield the address of every page, what is asked of who sees it, and whether its things are one's own."""
    more = {
        "/console/explorer": urlencode({"series": ids["series"], "q": "title"}),
        "/console/explorer/table": urlencode({"series": ids["series"]}),
        "/console/explorer/points": urlencode({"series": ids["series"]}),
        "/console/explorer/frame": urlencode({"series": ids["series"]}),
        "/console/basket": urlencode({"series": ids["series"]}),
        "/console/find": "q=title",
        "/console/importers/{id}/sample": "path=a.csv",
        "/console/rows": urlencode({"result_set": ids["result_set"]}),
        "/console/rows/compare": urlencode({"q": "title"}),
        "/console/rows/plot": urlencode({"result_set": ids["result_set"]}),
        "/console/works/change": "action=retry&which=all",
        "/console/lineage": urlencode({"kind": "gate file", "id": f"{ids['gate']}/a.csv"}),
        "/console/works/failures": "where=queue",
    }
    for page in (page for module in routes._MODULES for page in module.PAGES if page.method == "GET"):
        if page.path in _NONE or "{test_id}" in page.path or page.path.endswith("/stream"):
            continue
        parts = page.path.split("/")
        of = (
            next((_KINDS[part] for part in reversed(parts[: parts.index("{id}")]) if part in _KINDS), "")
            if ("{id}" in parts)
            else ""
        )
        path = page.path.replace("{work_id:path}", "{work_id}").format(
            id=ids.get(of, ""), gate_id=ids["gate"], series_id=ids["series"], event_id=ids["event"],
            where="queue", work_id=ids["work"],
        )  # fmt: skip
        query = more.get(page.path, "")
        yield f"{path}{'?' * bool(query)}{query}", page.right, page.access


def client(api: Api, login: str) -> TestClient:
    return signed_in(api.client.app, login, raise_server_exceptions=False)


def main_of(text: str) -> str:
    return text.partition("<main")[2].partition("</main")[0]


def buttons(main: str) -> list[str]:
    """Return to what the buttons of a page send: forms without one only show what is in them."""
    forms = [address for address, held in FORM.findall(main) if "<button" in held]
    return [html.unescape(one) for one in forms + ASKED.findall(main)]


def links(path: str, main: str, wanted: re.Pattern[str] = LINK) -> set[str]:
    """Return the pages to which a page leads."""
    found = {urljoin(path, html.unescape(one)) for one in wanted.findall(main)}
    return {one for one in found if one.startswith("/console")}


def test_no_text_of_strangers_becomes_a_part_of_any_page(api: Api, ids: dict[str, str]) -> None:
    ada, shown = client(api, "ada"), set()
    for path, _, _ in pages(ids):
        answer = ada.get(path)
        assert answer.status_code in (200, 303), (path, answer.text[:500])
        if not answer.headers.get("content-type", "").startswith("text/html"):
            continue
        for made in ("<script>alert", '" onload', 'href="javascript:', *SECRETS):
            assert made not in answer.text, (path, made)
        if "&lt;script&gt;alert(1)" in answer.text:
            shown.add(path)
    assert len(shown) > 40, sorted(shown)


def test_every_list_is_had_as_csv_by_a_link_called_so(api: Api, ids: dict[str, str]) -> None:
    ada, seen, without = client(api, "ada"), 0, list[str]()
    for path, _, _ in pages(ids):
        answer = ada.get(path)
        if "text/html" not in answer.headers.get("content-type", ""):
            continue
        main = main_of(answer.text)
        files = [ada.get(urljoin(path, html.unescape(one))) for one in CSV.findall(main)]
        lists = [list(csv.reader(io.StringIO(one.text, newline=""))) for one in files if one.status_code == 200]
        assert len(lists) == len(files), path
        for label, table in TABLE.findall(main):
            if label in NO_LIST:
                continue
            seen += 1
            rows = re.findall(r"<tr>(.*?)</tr>", table.partition("<tbody")[2], re.DOTALL)
            cells = {html.unescape(re.sub("<[^>]+>", "", one)).strip() for one in re.findall("<td.*?</td>", rows[0])}
            had = [one for one in lists if len(one) > len(rows)]
            if not any(cells.intersection(filter(None, line)) for one in had for line in one):
                without.append(f"{path}: {label}")
    assert without == []
    assert seen > 25


def test_a_reader_sees_every_page_and_no_button_or_link_that_is_refused(api: Api, ids: dict[str, str]) -> None:
    rea, followed, seen = client(api, "rea"), set[str](), 0
    for path, right, access in pages(ids):
        answer = rea.get(path)
        if access == "own":  # another's are not there
            assert answer.status_code in (200, 404), path
        else:
            assert answer.status_code in ((200, 303) if right == "read" else (403,)), (path, answer.status_code)
        main = main_of(answer.text) if answer.status_code == 200 else ""
        for address in links(path, main) - followed:
            followed.add(address)
            assert rea.get(address).status_code < 400, (path, address)
        for address in buttons(main):
            token = form_token(rea)
            status = rea.post(address, data={"form_token": token}).status_code
            assert status not in (401, 403, 404), (path, address)
            seen += 1
            if token != form_token(rea):  # it ended the session that it is of
                rea = client(api, "rea")
    assert len(followed) > 100
    assert seen > 3


@pytest.mark.parametrize("login", ["wil", "ada"])
def test_who_writes_or_administers_sees_no_button_that_is_refused(api: Api, ids: dict[str, str], login: str) -> None:
    one, tried = client(api, login), set[str]()
    for path, _, _ in pages(ids):
        main = main_of(one.get(path).text)
        for address in links(path, main, BUTTON):
            assert one.get(address).status_code < 400, (path, address)
        for address in set(buttons(main)) - tried:
            tried.add(address)
            token = form_token(one)
            status = one.post(address, data={"form_token": token}).status_code
            # What a form before it has taken away is gone; nothing is refused.
            assert status not in (401, 403), (path, address)
            if token != form_token(one):
                one = client(api, login)
    assert len(tried) > 25, sorted(tried)
