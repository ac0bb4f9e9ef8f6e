"""A headless Chromium, Debian's: one a pytest process, which each test finds as if nobody had used it before."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import Chrome
from urllib3.exceptions import HTTPError

_SIZE = (1280, 1400)
_OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
    "--disable-extensions", "--disable-default-apps", "--no-default-browser-check",
    f"--window-size={','.join(map(str, _SIZE))}",
)  # fmt: skip
_LOGS = ("browser", "performance")


class Chromium:
    """The browser that a process of tests starts when the first of them needs it, and again where it died."""

    def __init__(self, profile: Path) -> None:
        self._profile = profile
        self._driver: Chrome | None = None

    def fresh(self, downloads: Path) -> Chrome:
        """Return the browser without anything of who used it before: one window, its own size, nothing kept."""
        if self._driver is not None:
            try:
                return _cleaned(self._driver, downloads)
            except (WebDriverException, HTTPError):  # it, or what drives it, is gone
                self.quit()
        self._driver = self._started()
        return _cleaned(self._driver, downloads)

    def quit(self) -> None:
        """End it, if it runs."""
        if self._driver is not None:
            with contextlib.suppress(HTTPError):
                self._driver.quit()
            self._driver = None
            shutil.rmtree(self._profile, ignore_errors=True)

    def _started(self) -> Chrome:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or "/usr/bin/chromium"
        for option in (*_OPTIONS, f"--user-data-dir={self._profile}"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", dict.fromkeys(_LOGS, "ALL"))
        return Chrome(options, webdriver.ChromeService(shutil.which("chromedriver") or "/usr/bin/chromedriver"))


def _cleaned(driver: Chrome, downloads: Path) -> Chrome:
    # A window of its own has no scripts, sizes and colours of another's.
    used = driver.window_handles
    driver.switch_to.new_window("window")
    window = driver.current_window_handle
    for other in used:
        driver.switch_to.window(other)
        driver.close()
    driver.switch_to.window(window)
    driver.set_window_size(*_SIZE)
    for command, arguments in (
        ("Storage.clearDataForOrigin", {"origin": "*", "storageTypes": "all"}),
        ("Network.clearBrowserCookies", {}),
        ("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(downloads)}),
    ):
        driver.execute_cdp_cmd(command, arguments)
    for kind in _LOGS:
        driver.get_log(kind)
    return driver


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """The browser of this process, for whoever opens it more than once."""
    running = Chromium(tmp_path_factory.mktemp("chromium") / "profile")
    yield running
    running.quit()


@pytest.fixture
def browser(chromium: Chromium, tmp_path: Path) -> Chrome:
    """The browser as if nobody had used it, whose downloads lie in ``tmp_path / "downloads"``."""
    return chromium.fresh(tmp_path / "downloads")
