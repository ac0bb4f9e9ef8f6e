"""The browser of the tests: one a process, and nothing of a test is left for the next."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome

from tests.browser.conftest import Chromium
from tests.support.pages import look
from tests.support.server import ServerProcess

pytestmark = pytest.mark.browser

_KEPT = """return [localStorage.length, sessionStorage.length, innerWidth,
                   matchMedia('(prefers-color-scheme: dark)').matches]"""


def test_nothing_of_a_test_is_left_for_the_next(
    running_server: Callable[[str], ServerProcess], chromium: Chromium, browser: Chrome, tmp_path: Path
) -> None:
    page = f"{running_server('sqlite').url}/console/login"
    browser.get(page)
    unused = browser.execute_script(_KEPT)
    look(browser, 390, dark=not unused[3])
    browser.execute_script("localStorage.a = 1; sessionStorage.b = 2; document.cookie = 'c=3'; console.error('said')")
    browser.switch_to.new_window("tab")
    again = chromium.fresh(tmp_path / "others")
    assert again is browser
    assert len(again.window_handles) == 1
    assert again.get_log("browser") == []
    again.get(page)
    assert again.execute_script(_KEPT) == unused
    assert again.get_cookies() == []


def test_a_browser_that_died_is_started_again(chromium: Chromium, browser: Chrome, tmp_path: Path) -> None:
    with contextlib.suppress(WebDriverException):
        browser.execute_cdp_cmd("Browser.crash", {})
    again = chromium.fresh(tmp_path / "others")
    assert again is not browser
    again.get("about:blank")
