"""Files, storages, webhooks, people and the server in a browser: every page decent, and the work done by keys alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from secrets import token_hex
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By

from tests.support.deadline import eventually
from tests.support.pages import HOSTILE, enter, leave, look, press, reach, require_decent, sign_in, sign_in_by_keys
from tests.support.server import ServerProcess

#: A browser loses races on a machine that others load.
pytestmark = [pytest.mark.browser, pytest.mark.flaky(reruns=1)]

_RECEIVER = "https://receiver.invalid/hooks"


@dataclass
class Office:
    """A server with a file, a storage, a webhook that is not reached, a key and a member, of strangers' names."""

    server: ServerProcess
    file: str
    storage: str
    webhook: str
    event: str
    key: str
    member: str


@pytest.fixture(scope="module")
def office(shared_server: ServerProcess) -> Iterator[Office]:
    with shared_server.http(base_url=f"{shared_server.url}/api/v1") as http:

        def made(path: str, **fields: Any) -> dict[str, Any]:
            answer = http.post(path, json=fields)
            assert answer.status_code < 300, answer.text
            found: dict[str, Any] = answer.json()
            return found

        secret = {"access_key_id": "a", "secret_access_key": "b"}
        storage = made("/storages", url="s3://results/office", credentials=secret)["id"]
        webhook = made("/webhooks", url=f"{_RECEIVER}?of={HOSTILE.replace(' ', '+')}", types=["file"])["id"]
        key = made("/keys", name=HOSTILE, scopes=["points:write"], networks=["192.0.2.0/24"])["id"]
        member = made("/members", login=HOSTILE, role="reader", email=HOSTILE)["id"]
        sent = http.post("/files", files={"file": ("office.csv", b"t,v\n")}, data={"identifier": HOSTILE})
        file = sent.raise_for_status().json()["id"]
        http.get(f"/files/{file}/download").raise_for_status()
        deliveries = f"/webhooks/{webhook}/deliveries"
        tried = eventually(lambda: [one for one in http.get(deliveries).json()["items"] if one["log"]], 60)
        yield Office(shared_server, file, storage, webhook, tried[0]["event"], key, member)
        http.delete(f"/webhooks/{webhook}").raise_for_status()
        http.delete(f"/members/{member}").raise_for_status()
        http.delete(f"/keys/{key}").raise_for_status()
        http.delete(f"/storages/{storage}").raise_for_status()


@pytest.mark.pictures
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_the_pages_of_an_office_are_decent(office: Office, browser: Chrome, width: int, dark: bool) -> None:
    look(browser, width, dark=dark)
    sign_in(browser, office.server, "/console/files")
    hook = f"events/webhooks/{office.webhook}"
    pages = {
        "files": "files?status=", "file": f"files/{office.file}", "file-new": "files/new",
        "storages": "files/storages", "storage": f"files/storages/{office.storage}",
        "storage-new": "files/storages/new", "storage-settings": f"files/storages/{office.storage}/settings",
        "events": "events?type=file", "webhooks": "events/webhooks", "webhook": hook,
        "webhook-new": "events/webhooks/new", "webhook-settings": f"{hook}/settings",
        "deliveries": f"{hook}/deliveries", "delivery": f"{hook}/deliveries/{office.event}",
        "people": "people", "member": f"people/{office.member}", "member-new": "people/new", "keys": "people/keys",
        "key": f"people/keys/{office.key}", "key-new": "people/keys/new", "sessions": "people/sessions",
        "audit": "people/audit", "password": "people/password", "server": "server",
    }  # fmt: skip
    hostile = {"files", "file", "webhooks", "webhook", "delivery", "people", "member", "keys", "key", "audit"}
    for name, path in pages.items():
        browser.get(f"{office.server.url}/console/{path}")
        require_decent(browser, name)
        if name in hostile:
            assert HOSTILE.replace(" ", "+") in browser.find_element(By.TAG_NAME, "main").text.replace(" ", "+"), name


def overwrite(browser: Chrome, text: str) -> None:
    """Write in place of what a field holds."""
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).send_keys(text).perform()


def go(browser: Chrome, letter: str) -> None:
    leave(browser, lambda: press(browser, "g", letter))


def main(browser: Chrome) -> str:
    return browser.find_element(By.TAG_NAME, "main").text


def secret(browser: Chrome) -> str:
    """Return what is shown this once, where one is already: it can be copied at once."""
    chosen = """const one = document.activeElement;
                return one.id === 'secret' ? one.value.slice(one.selectionStart, one.selectionEnd) : ''"""
    return str(eventually(lambda: browser.execute_script(chosen), message=main(browser)))


def test_an_office_is_run_by_keyboard_alone(office: Office, browser: Chrome) -> None:
    typist = f"typist-{token_hex(4)}"  # another one where it is run once more
    look(browser, 1440, dark=False)
    sign_in_by_keys(browser, office.server, "/console/people")
    _people(browser, typist)
    _keys(browser, office, typist)
    _webhooks(browser)
    _files(browser, office)
    go(browser, "s")
    assert "Queues of all organizations" in main(browser)
    eventually(lambda: "lives" in main(browser), message="its parts are told of")


def _people(browser: Chrome, typist: str) -> None:
    enter(browser, "Add a member")
    reach(browser, "Login")
    press(browser, typist, Keys.TAB, Keys.ARROW_DOWN)
    leave(browser, lambda: press(browser, Keys.TAB, Keys.ENTER))
    assert len(secret(browser)) >= 16
    assert "writer: makes and changes things" in main(browser)
    reach(browser, "Role")
    press(browser, Keys.ARROW_UP)
    enter(browser, "Give it this role")
    assert "reader: sees everything" in main(browser)
    reach(browser, "Delete this member")
    press(browser, Keys.ENTER)
    reach(browser, "its name", "#field-confirm")
    leave(browser, lambda: press(browser, typist, Keys.ENTER))
    enter(browser, "Audit log")
    assert "member removed" in main(browser)


def _keys(browser: Chrome, office: Office, typist: str) -> None:
    go(browser, "m")
    enter(browser, "Keys")
    enter(browser, "New key")
    reach(browser, "Name")
    press(browser, typist, Keys.TAB, Keys.ARROW_DOWN, Keys.ARROW_UP)
    reach(browser, "Networks")
    press(browser, "nonsense")
    enter(browser, "Make it")
    assert "is no network" in main(browser)
    reach(browser, "Networks")
    overwrite(browser, "127.0.0.0/8")
    enter(browser, "Make it")
    token = secret(browser)
    with office.server.http(auth=None, headers={"authorization": f"Token {token}"}) as http:
        assert http.post("/api/v1/points", json={}).status_code == 200
        assert http.get("/api/v1/series").status_code == 403, "it has what it is for, and nothing more"
    address = browser.current_url
    browser.get(f"{office.server.url}/console/people/keys?login={office.server.login}")
    enter(browser, typist)

    def used() -> bool:
        browser.refresh()
        return "127.0.0.1" in main(browser).partition("Last used")[2]

    eventually(used, 30, message="its last use is seen")
    assert browser.current_url != address
    enter(browser, "Revoke it")
    assert "revoked" in main(browser)


def _webhooks(browser: Chrome) -> None:
    go(browser, "v")
    enter(browser, "Webhooks")
    enter(browser, "New webhook")
    reach(browser, "Url")
    press(browser, _RECEIVER)
    enter(browser, "Make it")
    first = secret(browser)
    assert first.startswith("whsec_")
    enter(browser, "Send a test event")
    eventually(lambda: "it does not work" in main(browser), 60)
    reach(browser, "The old secret signs, too, for so many hours")
    overwrite(browser, "1")
    enter(browser, "Give it a new secret")
    assert secret(browser) != first
    reach(browser, "Delete this webhook")
    press(browser, Keys.ENTER)
    reach(browser, "its name", "#field-confirm")
    leave(browser, lambda: press(browser, _RECEIVER, Keys.ENTER))


def _files(browser: Chrome, office: Office) -> None:
    go(browser, "v")
    with office.server.http() as http:
        http.post("/api/v1/files", files={"file": ("typed.csv", b"t,v\n")}).raise_for_status()
    eventually(lambda: "typed.csv" in main(browser), 30, message="the log is live")
    go(browser, "f")
    enter(browser, "typed.csv")
    enter(browser, "Renew it")
    address = browser.find_element(By.ID, "address").get_attribute("value")
    assert "signature=" in (address or "")
    enter(browser, "Acknowledge")
    assert "consumed" in main(browser)
    reach(browser, "Delete this file")
    press(browser, Keys.ENTER)
    reach(browser, "its name", "#field-confirm")
    leave(browser, lambda: press(browser, "typed.csv", Keys.ENTER))
    assert "expired" in main(browser)
