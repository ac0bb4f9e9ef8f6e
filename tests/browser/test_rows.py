"""The page of rows in a browser: log in, plot, change the unit to one that does not convert, download, log out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

from tests.conftest import MakeServer
from tests.support.deadline import eventually
from tests.support.pages import hosts, shot, submit
from tests.support.server import ServerProcess

pytestmark = pytest.mark.browser

OWI = "/owi/api/v1"


@pytest.fixture
def server(tmp_path: Path, make_server: MakeServer) -> Iterator[ServerProcess]:
    """A server with two analyses of three turbines; what pages show does not depend on the database."""
    with make_server("sqlite", tmp_path / "data") as server, server.http() as http:

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


def drawn(browser: Chrome, selector: str) -> int:
    """Return how many of these the plot has, once there are some."""
    browser.switch_to.frame(browser.find_element(By.CSS_SELECTOR, "iframe.plot"))
    try:
        return len(eventually(lambda: browser.find_elements(By.CSS_SELECTOR, selector)))
    finally:
        browser.switch_to.default_content()


def test_log_in_plot_and_be_refused_a_unit(browser: Chrome, server: ServerProcess, tmp_path: Path) -> None:
    browser.get(f"{server.url}/console/rows")
    shot(browser, "login")
    browser.find_element(By.NAME, "login").send_keys(server.login)
    browser.find_element(By.NAME, "password").send_keys(server.password)
    submit(browser, ".login button")
    assert urlsplit(browser.current_url).path == "/console/rows"  # where it was asked to

    chosen = Select(browser.find_element(By.NAME, "result_set"))
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

    browser.find_element(By.LINK_TEXT, "Overview").click()
    shot(browser, "overview")
    browser.find_element(By.LINK_TEXT, "Events").click()
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr")) > 10
    shot(browser, "events")

    submit(browser, "button.logout")
    browser.get(f"{server.url}/console/rows")
    assert browser.find_elements(By.NAME, "password")
    assert hosts(browser) == {urlsplit(server.url).netloc}
    policy = [entry["message"] for entry in browser.get_log("browser") if "Content Security Policy" in entry["message"]]
    assert policy == []
