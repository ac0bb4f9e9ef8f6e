"""Work by keyboard alone: no test here clicks, or puts the focus anywhere."""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np
import pandas as pd
import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By

from tests.support.deadline import eventually
from tests.support.pages import enter, find, leave, look, plotted, press, reach, require_decent, sign_in_by_keys
from tests.support.server import ServerProcess

#: A browser loses races on a machine that others load.
pytestmark = [pytest.mark.browser, pytest.mark.flaky(reruns=1)]

CHATTY = """import time
def parse(content, path, **tools):
    print("reads", path, "</pre><script>alert(1)</script>")
    time.sleep(20)
"""
PARSE = """import pandas as pd
def parse(content, path, **tools):
    frame = pd.read_csv(content, index_col=0, parse_dates=True)
    assert len(frame), "no row"
    return frame
"""
TRACED = b"t,traced wind\n2024-03-01T00:00Z,5\n"
YEARS = 2


@dataclass
class Farm:
    """A server with a series of two years, an importer that takes its time for three files, and a series of a file."""

    server: ServerProcess
    series: str
    importer: str


@pytest.fixture(scope="module")
def farm(shared_server: ServerProcess) -> Iterator[Farm]:
    with shared_server.http(base_url=f"{shared_server.url}/api/v1") as http:

        def made(path: str, **fields: Any) -> dict[str, Any]:
            found: dict[str, Any] = http.post(path, json=fields).raise_for_status().json()
            return found

        of = {"project": made("/projects", name="Keys")["id"]}
        series = made("/series", **of, name="power of two years", unit="kW")["id"]
        hours = pd.date_range("2022-01-01", "2023-12-31T23:00", freq="h")
        values = np.where(hours.year == 2022, 10.0, 20.0) + hours.hour
        body = {series: {"time": [f"{at:%Y-%m-%dT%H:%MZ}" for at in hours], "value": values.tolist()}}
        http.post("/points", json=body).raise_for_status()
        gate = made("/gates", **of, name="slow")["id"]
        for name in "abc":
            http.put(f"/gates/{gate}/files/{name}.csv", content=b"x").raise_for_status()
        importer = made("/importers", **of, name="slow", gate=gate, parse=CHATTY, clock="UTC")["id"]
        _make_of_a_file(http, made, of)
        yield Farm(shared_server, series, importer)


def _make_of_a_file(http: httpx.Client, made: Callable[..., dict[str, Any]], of: dict[str, str]) -> None:
    """Have the second version of a script make a series of a file, and fail with another one."""
    gate = made("/gates", **of, name="traced")["id"]
    importer = made("/importers", **of, name="traced", gate=gate, parse=f"# first\n{PARSE}", clock="UTC")["id"]
    http.patch(f"/importers/{importer}", json={"parse": PARSE}).raise_for_status()
    for name, content, status in (
        ("a.csv", TRACED, "finished"),
        ("b.csv", b"x", "failed"),
    ):
        http.put(f"/gates/{gate}/files/{name}", content=content).raise_for_status()
        run = made(f"/importers/{importer}/runs")["id"]
        address = f"/runs/{run}"
        eventually(lambda: http.get(address).json()["status"] == status, 60)  # noqa: B023 - asked at once


@pytest.mark.pictures
def test_a_year_is_laid_over_the_one_before(farm: Farm, browser: Chrome) -> None:
    look(browser, 1440, dark=False)
    sign_in_by_keys(browser, farm.server)
    leave(browser, lambda: press(browser, "g", "e"))
    press(browser, "/")
    find(browser, lambda: press(browser, "power of two", Keys.ENTER))
    enter(browser, "power of two years")
    assert plotted(browser) == YEARS * 365 * 24
    reach(browser, "Steps")
    press(browser, "1 d")
    reach(browser, "Of a step, the")
    press(browser, "max")
    reach(browser, "Compared with")
    press(browser, "1 y")
    enter(browser, "Look")
    assert "step=1D" in browser.current_url
    assert "before=1Y" in browser.current_url
    assert plotted(browser) == YEARS * 365 + 365, "two years of days, and the one before lies over the second"
    reach(browser, "Plot: arrows move it, + and - zoom, 0 shows all")
    for key in ("+", Keys.ARROW_RIGHT):
        before = browser.current_url
        press(browser, key)
        eventually(lambda: browser.current_url != before)  # noqa: B023 - asked at once
    plotted(browser)
    require_decent(browser, "explorer-compared")
    headings = "return [...document.querySelectorAll('.rows th')].map((one) => one.innerText)"
    wanted = ["Time", "power of two years (kW)", "power of two years, 1 year before (kW)"]
    eventually(lambda: browser.execute_script(headings) == wanted, message="the table follows")
    csv = browser.find_element(By.PARTIAL_LINK_TEXT, "CSV of what is seen").get_attribute("href")
    cookies = {one["name"]: one["value"] for one in browser.get_cookies()}
    with farm.server.http(auth=None, cookies=cookies) as http:
        frame = pd.read_csv(io.StringIO(http.get(str(csv)).raise_for_status().text), parse_dates=["time"])
    both = frame.set_index("time").loc["2023-06-01":"2023-06-30"]
    assert both.to_numpy().tolist() == [[43.0, 33.0]] * 30
    shown = browser.current_url
    browser.refresh()
    plotted(browser)
    assert browser.current_url == shown


@pytest.mark.pictures
def test_a_run_is_begun_followed_and_cancelled(farm: Farm, browser: Chrome) -> None:
    look(browser, 1440, dark=True)
    sign_in_by_keys(browser, farm.server)
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("k").key_up(Keys.CONTROL).perform()
    press(browser, "slow")
    eventually(lambda: browser.find_elements(By.CSS_SELECTOR, "#found[aria-busy=false] a"))
    chosen = "return document.querySelector('#found [aria-selected=true]')?.innerText ?? ''"
    eventually(lambda: "importer" in browser.execute_script(chosen) or press(browser, Keys.ARROW_DOWN))
    leave(browser, lambda: press(browser, Keys.ENTER))
    enter(browser, "Run now")
    log = "return document.querySelector('live-log')?.innerText ?? ''"
    eventually(lambda: " of 3" in browser.execute_script(log), 60, message="its progress is seen")
    printed = "reads a.csv </pre><script>alert(1)</script>"
    eventually(lambda: printed in browser.execute_script(log), 30, message="what the script prints is seen as it goes")
    require_decent(browser, "run-live")
    enter(browser, "Cancel")
    state = "return document.querySelector('#run .state')?.innerText"
    eventually(lambda: browser.execute_script(state) == "cancelled", 60, message="its end is seen")
    assert browser.find_elements(By.TAG_NAME, "live-log") == [], "who looks at a run that ended does not listen to it"
    reach(browser, "Run again")


def back(browser: Chrome) -> None:
    """Go back, as with Alt and the arrow to the left, which a browser without a window does not hear."""
    leave(browser, browser.back)


def heading(browser: Chrome) -> str:
    return browser.find_element(By.TAG_NAME, "h1").text


def test_a_series_is_followed_to_its_file_and_script_and_back(farm: Farm, browser: Chrome) -> None:
    look(browser, 1440, dark=False)
    sign_in_by_keys(browser, farm.server)
    leave(browser, lambda: press(browser, "g", "e"))
    press(browser, "/")
    find(browser, lambda: press(browser, "traced", Keys.ENTER))
    enter(browser, "traced wind")
    enter(browser, "Lineage")
    for where in ("#lineage", "main table"):  # as a graph, and as a list
        assert heading(browser) == "Lineage of traced wind"
        reach(browser, "its file", f"{where} a[href*='kind=gate+file']")
        leave(browser, lambda: press(browser, Keys.ENTER))
        assert heading(browser) == "Lineage of traced/a.csv"
        reach(browser, "what was made of it", f"{where} a[href*='kind=series&']")
        leave(browser, lambda: press(browser, Keys.ENTER))
        assert heading(browser) == "Lineage of traced wind"
        reach(browser, "its script", f"{where} a[href*='/versions?new=2']")
        leave(browser, lambda: press(browser, Keys.ENTER))
        assert heading(browser) == "The script of importer traced"
        assert "What differs between 1 and 2" in browser.find_element(By.TAG_NAME, "main").text
        back(browser)
    digest = hashlib.sha256(TRACED).hexdigest()
    listed = browser.find_element(By.CSS_SELECTOR, "main table").text
    assert digest in listed
    assert hashlib.sha256(PARSE.encode()).hexdigest() in listed
    reach(browser, "its run", "#lineage a[href^='/console/runs/']")
    leave(browser, lambda: press(browser, Keys.ENTER))
    assert heading(browser) == "run importer traced"


def test_what_needs_somebody_is_seen_and_resolved_from_the_overview(farm: Farm, browser: Chrome) -> None:
    look(browser, 1440, dark=False)
    sign_in_by_keys(browser, farm.server, "/console/runs")
    leave(browser, lambda: press(browser, "g", "o"))
    told = "[...document.querySelectorAll('[aria-label=\"Open notifications\"] tbody tr')]"
    row = f"{told}.find((one) => one.innerText.includes('b.csv'))"
    assert "no row" in browser.execute_script(f"return {row}.innerText")
    address = browser.execute_script(f"return {row}.querySelector('form').getAttribute('action')")
    reach(browser, "Resolve", f"form[action='{address}'] button")
    leave(browser, lambda: press(browser, Keys.ENTER))
    assert urlsplit(browser.current_url).path == "/console"
    assert browser.execute_script(f"return {row} === undefined"), "it is resolved, and gone from here"
    leave(browser, lambda: press(browser, "g", "n"))
    reach(browser, "Resolved ones")
    press(browser, Keys.ARROW_DOWN)
    reach(browser, "Show")
    find(browser, lambda: press(browser, Keys.ENTER))
    assert "no row" in browser.find_element(By.CSS_SELECTOR, "main table").text
