"""The console in a browser: every page on a phone and a wide screen, light and dark; work by keyboard alone."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By

from tests.support.deadline import eventually
from tests.support.pages import HOSTILE, find, hosts, leave, look, plotted, press, require_decent, sign_in
from tests.support.server import ServerProcess

#: A browser loses races on a machine that others load.
pytestmark = [pytest.mark.browser, pytest.mark.flaky(reruns=1)]

PARSE = """
import pandas as pd
def parse(content, path, **tools):
    if "bad" in path:
        raise ValueError("</pre><script>alert(3)</script>")
    return pd.read_csv(content, index_col=0, parse_dates=True)
"""
POINTS, PEAK = 20_000, 12_345


_ELEMENTS_READY = (
    "return [...document.querySelectorAll('code-editor, edit-table, query-box')].every((one) => one.dataset.state)"
)


@dataclass
class Farm:
    """A server with a pipeline whose run failed, and two pushed series, one of which has one high point."""

    server: ServerProcess
    project: str
    series: list[str]
    run: str
    gate: str
    importer: str
    channel: dict[str, Any]
    analysis: str

    @property
    def plot(self) -> str:
        """Where both series are seen."""
        return f"/console/explorer?series={self.series[0]}&series={self.series[1]}&right={self.series[1]}"


@pytest.fixture(scope="module")
def farm(shared_server: ServerProcess) -> Iterator[Farm]:
    """The farm, whose names are those that strangers give."""
    with shared_server.http(base_url=f"{shared_server.url}/api/v1") as http:

        def made(path: str, **fields: Any) -> dict[str, Any]:
            answer = http.post(path, json=fields)
            assert answer.status_code < 300, answer.text
            found: dict[str, Any] = answer.json()
            return found

        project = made("/projects", name=f"Farm {HOSTILE}", description=HOSTILE)
        of = {"project": project["id"]}
        gate = made("/gates", **of, name=f"scada {HOSTILE}", quarantine=True)
        importer = made("/importers", **of, name=f"scada {HOSTILE}", gate=gate["id"], parse=PARSE, clock="UTC")
        fields = {"raw": "wind", "unit": "m/s", "clock": "UTC", "labels": {"turbine": HOSTILE}}
        channel = made("/channels", importer=importer["id"], name=f"clean {HOSTILE}", **fields)
        script = f"# {HOSTILE}\ndef analyze(frame, **tools):\n    return frame\n"
        inputs = [{"series": channel["name"], "column": HOSTILE}]
        analysis = made("/analyses", **of, name=f"mean {HOSTILE}", inputs=inputs, outputs=[HOSTILE], script=script)
        for name, content in (("a.csv", b"t,wind\n2024-03-01T00:00Z,5\n2024-03-01T01:00Z,6\n"), ("bad.csv", b"x")):
            http.put(f"/gates/{gate['id']}/files/{name}", content=content).raise_for_status()
        run = made(f"/importers/{importer['id']}/runs")["id"]
        eventually(lambda: http.get(f"/runs/{run}").json()["ended_at"], 60)
        series = [made("/series", **of, name=f"{name} {HOSTILE}", unit=unit)["id"]
                  for name, unit in (("power", "kW"), ("wind", "m/s"))]  # fmt: skip
        _push(http, series)
        yield Farm(shared_server, project["id"], series, run, gate["id"], importer["id"], channel, analysis["id"])


def _push(http: httpx.Client, series: list[str]) -> None:
    times = [1_700_000_000_000_000 + at * 60_000_000 for at in range(POINTS)]
    power = [float(at % 7) for at in range(POINTS)]
    power[PEAK] = 1000.0
    body = {series[0]: {"time": times, "value": power}, series[1]: {"time": times[::10], "value": power[::10]}}
    http.post("/points", json=body).raise_for_status()


_HOSTILE = (
    "projects", "project", "explorer", "series", "notifications", "quarantine", "gate", "project-settings",
    "gate-settings", "feeder", "importer-new", "importer", "versions", "cleaner", "channel", "analysis", "basket",
)  # fmt: skip


@pytest.mark.pictures
@pytest.mark.parametrize(("width", "dark"), [(1440, False), (390, True)])
def test_every_page_is_decent(farm: Farm, browser: Chrome, width: int, dark: bool) -> None:
    look(browser, width, dark=dark)
    browser.get(f"{farm.server.url}/console/login")
    require_decent(browser, "login")
    sign_in(browser, farm.server)
    pages = {
        "overview": "/console",
        "projects": "/console/projects",
        "project": f"/console/projects/{farm.project}",
        "explorer": farm.plot,
        "series": "/console/series",
        "runs": "/console/runs",
        "schedules": "/console/runs/schedules",
        "run": f"/console/runs/{farm.run}",
        "notifications": "/console/notifications",
        "quarantine": "/console/quarantine",
        "works": "/console/works",
        "works-list": "/console/works/list",
        "works-failures": "/console/works/failures?where=archive",
        "rows-compared": "/console/rows/compare",
        "gate": f"/console/gates/{farm.gate}",
        "preferences": "/console/preferences",
        "project-new": "/console/projects/new",
        "project-settings": f"/console/projects/{farm.project}/settings",
        "gate-settings": f"/console/gates/{farm.gate}/settings",
        "feeder": f"/console/gates/{farm.gate}/feeder",
        "importer-new": f"/console/gates/{farm.gate}/importers/new",
        "importer": f"/console/importers/{farm.importer}",
        "versions": f"/console/analyses/{farm.analysis}/versions",
        "cleaner": f"/console/cleaners/{farm.channel['cleaner']}",
        "channel": f"/console/channels/{farm.channel['id']}",
        "analysis": f"/console/analyses/{farm.analysis}",
        "basket": f"/console/basket?series={farm.series[0]}",
        "lineage": f"/console/lineage?{urlencode({'kind': 'gate file', 'id': f'{farm.gate}/a.csv'})}",
        "refusal": "/console/runs?page=x",
    }
    for name, path in pages.items():
        browser.get(f"{farm.server.url}{path}")
        if name == "explorer":
            assert plotted(browser) == POINTS + POINTS // 10
            eventually(lambda: browser.find_elements(By.CSS_SELECTOR, ".rows tbody tr"))
        if name == "refusal":
            browser.get_log("browser")  # of the status, which is meant
        eventually(lambda: browser.execute_script(_ELEMENTS_READY))
        require_decent(browser, name)
        if name in _HOSTILE:
            assert HOSTILE in browser.find_element(By.TAG_NAME, "main").text, name
    assert hosts(browser) == {farm.server.url.partition("//")[2]}


def move(browser: Chrome, key: str) -> None:
    """Press a key on a plot, and wait until the address tells what is seen then."""
    before = browser.current_url
    ActionChains(browser).send_keys(key).perform()
    eventually(lambda: browser.current_url != before)


def test_a_series_is_found_seen_and_zoomed_by_keyboard_alone(farm: Farm, browser: Chrome) -> None:
    look(browser, 1440, dark=False)
    browser.get(f"{farm.server.url}/console")
    keys = ActionChains(browser)
    keys.send_keys(farm.server.login, Keys.TAB, farm.server.password)
    leave(browser, keys.send_keys(Keys.ENTER).perform)
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("k").key_up(Keys.CONTROL).perform()
    ActionChains(browser).send_keys("wind </scr").perform()
    eventually(lambda: browser.find_elements(By.CSS_SELECTOR, "#found[aria-busy=false] a"))
    leave(browser, ActionChains(browser).send_keys(Keys.ARROW_DOWN, Keys.ARROW_UP, Keys.ENTER).perform)
    assert farm.series[1] in browser.current_url
    count = plotted(browser)
    assert count == POINTS // 10
    browser.execute_script("document.querySelector('series-plot').focus()")
    for key in ("+", "+", Keys.ARROW_RIGHT):
        move(browser, key)
    eventually(lambda: "from=" in browser.current_url and 0 < plotted(browser) < count / 2)
    seen, shown = browser.current_url, plotted(browser)
    browser.refresh()
    eventually(lambda: plotted(browser) == shown, message="the address holds the view")
    assert browser.current_url == seen
    csv = browser.find_element(By.PARTIAL_LINK_TEXT, "CSV").get_attribute("href") or ""
    assert "from=2023" in csv
    ActionChains(browser).send_keys("?").perform()
    assert "Find anything" in browser.find_element(By.CSS_SELECTOR, "dialog[open]").text
    ActionChains(browser).send_keys(Keys.ESCAPE).perform()
    leave(browser, ActionChains(browser).send_keys("g", "r").perform)
    assert browser.current_url.endswith("/console/runs")
    ActionChains(browser).send_keys("/").perform()
    assert browser.switch_to.active_element.get_attribute("name") == "of"


def test_who_presses_enter_before_the_answer_came_gets_what_was_typed(farm: Farm, browser: Chrome) -> None:
    look(browser, 1440, dark=False)
    sign_in(browser, farm.server, "/console/runs")
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("k").key_up(Keys.CONTROL).perform()
    leave(browser, ActionChains(browser).send_keys("power </scr", Keys.ENTER).perform)
    assert farm.series[0] in browser.current_url


def test_what_is_found_takes_the_place_of_what_was_and_the_address_tells_it(farm: Farm, browser: Chrome) -> None:
    sign_in(browser, farm.server, "/console/series")
    press(browser, "/")
    find(browser, lambda: press(browser, "power", Keys.ENTER))
    assert browser.switch_to.active_element.get_attribute("name") == "q", "one goes on typing"
    assert "q=power" in browser.current_url
    shown = browser.find_element(By.CSS_SELECTOR, "#found tbody").text
    assert "power" in shown
    assert "wind" not in shown
    find(browser, lambda: press(browser, "less", Keys.ENTER))
    assert "There are none" in browser.find_element(By.ID, "found").text
    leave(browser, browser.back)
    assert "q=power" in browser.current_url
    assert browser.find_element(By.CSS_SELECTOR, "#found tbody").text == shown
    browser.delete_all_cookies()
    press(browser, "/")
    leave(browser, lambda: press(browser, "wind", Keys.ENTER))
    assert browser.find_elements(By.NAME, "password"), "whose session is over logs in"


def test_a_peak_of_one_point_is_on_the_plot_and_a_drag_goes_to_it(farm: Farm, browser: Chrome) -> None:
    look(browser, 1440, dark=True)
    sign_in(browser, farm.server, farm.plot)
    whole = plotted(browser)
    highest = "return Math.max(...document.querySelector('series-plot').plot.data[2].filter((one) => one != null))"
    assert browser.execute_script(highest) == 1000
    over = browser.find_element(By.CSS_SELECTOR, ".u-over")
    at = round(over.size["width"] * (PEAK / POINTS - 0.5))
    drag = ActionChains(browser).move_to_element_with_offset(over, at - 30, 0).click_and_hold()
    drag.move_by_offset(60, 10).release().perform()
    eventually(lambda: "from=" in browser.current_url and plotted(browser) < whole / 5)
    assert browser.execute_script(highest) == 1000
    assert plotted(browser) < 1800
    browser.find_element(By.CSS_SELECTOR, "[aria-label^='Whole']").click()
    eventually(lambda: "from=" not in browser.current_url and plotted(browser) == whole)


_STEPS = """
const [plot, fetched] = [document.querySelector('series-plot'), window.fetch];
window.asked = [];
window.fetch = (address, ...others) => { window.asked.push(String(address)); return fetched(address, ...others); };
for (let n = 0; n < 6; n++) plot.dispatchEvent(new KeyboardEvent('keydown', { key: '+' }));
return window.asked.length;
"""


def test_the_first_of_quick_steps_is_asked_for_at_once_and_the_others_together(farm: Farm, browser: Chrome) -> None:
    look(browser, 1440, dark=False)
    sign_in(browser, farm.server, f"/console/explorer?series={farm.series[0]}")
    assert plotted(browser) == POINTS
    assert browser.execute_script(_STEPS) == 1
    eventually(lambda: 0 < plotted(browser) <= POINTS // 64 + 1)
    asked = [parse_qs(urlsplit(one).query) for one in browser.execute_script("return window.asked")]
    assert len(asked) == 2
    first, last = (int(one["to"][0]) - int(one["from"][0]) for one in asked)
    assert first / last == pytest.approx(32, rel=0.01)


def test_a_file_is_sent_from_the_page_of_its_gate(farm: Farm, browser: Chrome, tmp_path: Path) -> None:
    sign_in(browser, farm.server, f"/console/gates/{farm.gate}")
    assert "ValueError" in browser.find_element(By.CSS_SELECTOR, "section.aside .refusal").text
    sent = tmp_path / "sent & <b>.csv"
    sent.write_text("t,wind\n")
    browser.find_element(By.CSS_SELECTOR, "input[type=file]").send_keys(str(sent))
    leave(browser, browser.find_element(By.CSS_SELECTOR, "form[data-upload] button").click)
    assert "sent & <b>.csv" in browser.find_element(By.CSS_SELECTOR, "[aria-label=Files]").text


def test_the_list_of_a_large_pipeline_comes_when_it_is_reached(farm: Farm, browser: Chrome) -> None:
    nodes = 402
    with farm.server.http(base_url=f"{farm.server.url}/api/v1") as http:
        project = http.post("/projects", json={"name": "Many"}).raise_for_status().json()["id"]
        for number in range(nodes // 2):
            fields = {"project": project, "name": f"station {number:03d}", "parse": PARSE, "clock": "UTC"}
            http.post("/importers", json=fields).raise_for_status()
    look(browser, 1440, dark=False)
    sign_in(browser, farm.server, f"/console/projects/{project}?collapse=no")
    assert len(browser.find_elements(By.CSS_SELECTOR, "#pipeline a")) == nodes
    rows = "return document.querySelectorAll('#nodes tr').length"
    assert browser.execute_script(rows) == 1
    ActionChains(browser).send_keys(Keys.END).perform()
    eventually(lambda: browser.execute_script(rows) == nodes)


def test_light_or_dark_and_the_time_zone_are_kept(farm: Farm, browser: Chrome) -> None:
    look(browser, 1440, dark=False)
    sign_in(browser, farm.server, "/console/preferences")
    field = browser.find_element(By.NAME, "zone")
    field.clear()
    field.send_keys("Asia/Tokyo")
    leave(browser, browser.find_element(By.CSS_SELECTOR, "main button.main").click)
    browser.get(f"{farm.server.url}/console/runs/{farm.run}")
    shown = browser.find_element(By.CSS_SELECTOR, "main time")
    utc, here = (shown.get_attribute("datetime") or "")[11:13], shown.text[11:13]
    assert (int(utc) + 9) % 24 == int(here)
    before = browser.execute_script("return getComputedStyle(document.documentElement).backgroundColor")
    browser.find_element(By.CSS_SELECTOR, "form[data-theme-switch] button").click()
    dark = "return getComputedStyle(document.documentElement).backgroundColor"
    eventually(lambda: browser.execute_script(dark) != before)
    eventually(lambda: ("entrepot_theme", "dark") in {(one["name"], one["value"]) for one in browser.get_cookies()})
    browser.refresh()
    assert browser.execute_script(dark) != before
    browser.get(f"{farm.server.url}{farm.plot}")
    plotted(browser)
    browser.delete_all_cookies()
    browser.find_element(By.CSS_SELECTOR, "series-plot").send_keys("+")
    eventually(
        lambda: browser.find_elements(By.NAME, "password"), message="a page whose session is over asks to log in"
    )
