"""The page of rows in a browser: log in, plot, change the unit to one that does not convert, download, log out."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.deadline import eventually
from tests.support.server import ServerProcess

pytestmark = pytest.mark.browser

OWI = "/owi/api/v1"


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A server with two analyses of three turbines; what pages show does not depend on the database."""
    with ServerProcess(tmp_path_factory.mktemp("browser") / "data") as server, server.http() as http:

        def made(path: str, **fields: Any) -> int:
            return int(http.post(f"{OWI}{path}", json=fields).raise_for_status().json()["id"])

        site = made("/locations/projectsites/", title="Belwind")
        model = made("/geometry/routes/modeldefinitions/", title="as-designed", project=site)
        analyses = [
            made("/results/routes/analysis/", name=f"LifetimeDesignFrequencies {year}", model_definition=model)
            for year in (2025, 2026)
        ]
        rows = [
            {
                "analysis": analysis, "site": site, "location": location, "short_description": f"BBA0{n} - {metric}",
                "name_col1": "reference_index", "units_col1": "index", "value_col1": [0, 1, 2],
                "name_col2": metric, "units_col2": "Hz", "value_col2": [0.34 + n / 50 + year / 100, 0.33, 0.32],
                "additional_data": {"analysis_kind": "comparison", "reference_labels": ["INFL", "ACTU", "FLEX"]},
            }
            for n in (1, 2, 3)
            for location in [made("/locations/assetlocations/", title=f"BBA0{n}", projectsite=site,
                                  northing=51.66 + n / 100, easting=2.8 + n / 70)]
            for year, analysis in enumerate(analyses)
            for metric in ("FA1", "SS1")
        ]  # fmt: skip
        http.post(f"{OWI}/results/routes/result/bulk/", json=rows).raise_for_status()
        yield server


def submit(browser: Chrome, selector: str) -> None:
    """Click, and wait until another page has taken the place of this one."""
    page = browser.find_element(By.TAG_NAME, "html")
    browser.find_element(By.CSS_SELECTOR, selector).click()
    WebDriverWait(browser, 30).until(lambda _: _is_gone(page))


def _is_gone(element: Any) -> bool:
    from selenium.common.exceptions import StaleElementReferenceException

    try:
        element.is_enabled()
    except StaleElementReferenceException:
        return True
    return False


def drawn(browser: Chrome, selector: str) -> int:
    """Return how many of these the plot has, once there are some."""
    browser.switch_to.frame(browser.find_element(By.CSS_SELECTOR, "iframe.plot"))
    try:
        return len(WebDriverWait(browser, 30).until(lambda b: b.find_elements(By.CSS_SELECTOR, selector)))
    finally:
        browser.switch_to.default_content()


def shot(browser: Chrome, name: str) -> None:
    """Keep a picture where somebody asked for it, to look at."""
    if folder := os.environ.get("ENTREPOT_SCREENSHOTS"):
        browser.save_screenshot(str(Path(folder) / f"{name}.png"))


def test_log_in_plot_and_be_refused_a_unit(browser: Chrome, server: ServerProcess, tmp_path: Path) -> None:
    browser.get(f"{server.url}/console/rows")
    shot(browser, "login")
    browser.find_element(By.NAME, "login").send_keys(server.login)
    browser.find_element(By.NAME, "password").send_keys(server.password)
    submit(browser, ".login button")
    assert urlsplit(browser.current_url).path == "/console/rows"  # where it was asked to

    chosen = Select(browser.find_element(By.NAME, "analysis"))
    assert len(chosen.options) == 2
    for option in chosen.options:
        option.click() if not option.is_selected() else None
    submit(browser, ".choice button")
    assert drawn(browser, ".scatterlayer .trace") == 12
    Select(browser.find_element(By.NAME, "vector")).select_by_visible_text("FA1")
    browser.find_element(By.NAME, "unit").send_keys("mHz")
    submit(browser, ".choice button")
    assert drawn(browser, ".scatterlayer .trace") == 6
    assert drawn(browser, ".ytitle") == 1
    assert drawn(browser, ".modebar-btn:not([data-title*=Cloud])") == drawn(browser, ".modebar-btn")
    shot(browser, "comparison")

    Select(browser.find_element(By.NAME, "kind")).select_by_visible_text("map")
    submit(browser, ".choice button")
    assert drawn(browser, ".scatterlayer .point") == 3
    shot(browser, "map")
    browser.find_element(By.LINK_TEXT, "PNG").click()
    eventually(lambda: (tmp_path / "downloads" / "rows.png").exists(), 30)
    assert (tmp_path / "downloads" / "rows.png").read_bytes().startswith(b"\x89PNG")
    browser.find_element(By.LINK_TEXT, "HTML").click()
    eventually(lambda: (tmp_path / "downloads" / "rows.html").exists(), 30)

    unit = browser.find_element(By.NAME, "unit")
    unit.clear()
    unit.send_keys("metre")
    submit(browser, ".choice button")
    assert "'Hz' does not convert into 'metre'" in browser.find_element(By.CSS_SELECTOR, "[role=alert]").text
    assert browser.find_elements(By.TAG_NAME, "iframe") == []
    assert browser.find_element(By.NAME, "unit").get_attribute("value") == "metre"
    shot(browser, "refused")

    browser.find_element(By.LINK_TEXT, "Home").click()
    shot(browser, "home")
    browser.find_element(By.LINK_TEXT, "Events").click()
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr")) > 10
    shot(browser, "events")

    submit(browser, "header button")
    browser.get(f"{server.url}/console/rows")
    assert browser.find_elements(By.NAME, "password")
    assert _hosts(browser) == {urlsplit(server.url).netloc}
    policy = [entry["message"] for entry in browser.get_log("browser") if "Content Security Policy" in entry["message"]]
    assert policy == []


def _hosts(browser: Chrome) -> set[str]:
    """Return the hosts that pages asked for something."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return {urlsplit(url).netloc for url in sent if url.startswith("http")}
