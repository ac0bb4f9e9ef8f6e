"""Pages of the console in a browser: signing in, looking at them as people do, and what must not be there."""

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.support.deadline import eventually
from tests.support.server import ServerProcess

AXE = Path(__file__).parents[2] / "frontend/node_modules/axe-core/axe.min.js"
#: Where pictures of pages are kept; empty: nowhere.
PICTURES = os.environ.get("ENTREPOT_PICTURES", "")
#: What strangers call their things: none of it may be more than text. It is left out where pictures are taken.
HOSTILE = "A" if PICTURES else "</script><img src=x onerror=alert(1)>\"'--><svg/onload=alert(2)>{{7*7}}"
#: A page with more stops than this is no page for keys.
_MOST_TABS = 150
_TABS_AT_ONCE = 10
_AXE_RUN = """
const done = arguments[0];
axe.run(document, {resultTypes: ['violations']}).then((found) => done(found.violations
  .filter((one) => one.impact === 'serious' || one.impact === 'critical')
  .map((one) => `${one.id}: ${one.nodes.map((node) => node.html.slice(0, 200)).join(' | ')}`)));
"""


def sign_in(browser: Chrome, server: ServerProcess, path: str = "/console") -> None:
    """Open a page, and log in where it asks for that."""
    browser.get(f"{server.url}{path}")
    browser.find_element(By.NAME, "login").send_keys(server.login)
    browser.find_element(By.NAME, "password").send_keys(server.password)
    submit(browser, ".login button")
    browser.get_log("browser")  # tells of the status 401 of the page that asked for it


def press(browser: Chrome, *keys: str) -> None:
    """Press keys wherever the focus is."""
    ActionChains(browser).send_keys(*keys).perform()


def sign_in_by_keys(browser: Chrome, server: ServerProcess, path: str = "/console") -> None:
    """Open a page, and log in without a click: the first field has the focus."""
    browser.get(f"{server.url}{path}")
    leave(browser, lambda: press(browser, server.login, Keys.TAB, server.password, Keys.ENTER))
    browser.get_log("browser")  # tells of the status 401 of the page that asked for it


_FOLLOW = """
const [name, selector] = arguments, over = new AbortController(), how = {signal: over.signal, capture: true};
let met = [];
addEventListener('focusin', () => {
  const one = document.activeElement, said = one.getAttribute('aria-label') ?? one.labels?.[0]?.firstChild?.textContent;
  const told = (said ?? one.innerText ?? '').trim(), found = selector ? one.matches(selector) : told === name;
  met.push({told, found, place: one.localName, end: found || told === 'To the content' || one.matches('code-editor')});
}, how);
addEventListener('keydown', (event) => {
  if (event.key !== 'Tab' || !met.at(-1)?.end) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, how);
window.metByTab = () => {
  const told = met;
  met = [];
  if (told.at(-1)?.found) over.abort();
  return told;
};
return document.activeElement.localName;"""


def reach(browser: Chrome, name: str, selector: str = "") -> None:
    """Go by Tab to what is called so, or to what a selector is of; fail where one does not come to it.

    Tab is pressed several times at once, and does no more where that is reached, or another key comes before the next.
    """
    met, place = list[str](), browser.execute_script(_FOLLOW, name, selector)
    while len(met) < _MOST_TABS:
        # In the editor Tab indents, unless Escape comes before it.
        press(browser, *([Keys.ESCAPE] if place == "code-editor" else []), *[Keys.TAB] * _TABS_AT_ONCE)
        stops = browser.execute_script("return window.metByTab()")
        if not stops:
            break
        if stops[-1]["found"]:
            return
        met += [stop["told"] for stop in stops]
        place = stops[-1]["place"]
        if met[-1] == "To the content":
            press(browser, Keys.ENTER)
    raise AssertionError(f"no Tab leads to {selector or name!r}, but to {list(dict.fromkeys(met))}")


def enter(browser: Chrome, name: str) -> None:
    """Go by Tab to a link or a button, press Enter, and wait for the page to which it leads."""
    reach(browser, name)
    leave(browser, lambda: press(browser, Keys.ENTER))


def submit(browser: Chrome, selector: str) -> None:
    """Click, and wait until another page has taken the place of this one."""
    leave(browser, browser.find_element(By.CSS_SELECTOR, selector).click)


def leave(browser: Chrome, act: Any) -> None:
    """Do what leads to another page, and wait until that has taken the place of this one."""
    page = browser.find_element(By.TAG_NAME, "html")
    act()
    eventually(lambda: _is_gone(page))
    eventually(lambda: browser.execute_script("return document.readyState") == "complete")


def find(browser: Chrome, act: Any) -> None:
    """Do what has a page find something, and wait until it shows that below its form."""
    before = browser.find_element(By.ID, "found")
    act()
    eventually(lambda: _is_gone(before))
    eventually(lambda: browser.find_element(By.CSS_SELECTOR, "form[data-in-place] > output").text)


def _is_gone(element: WebElement) -> bool:
    try:
        element.is_enabled()
    except WebDriverException:  # what it says of a page that goes is of several kinds
        return True
    return False


def look(browser: Chrome, width: int, *, dark: bool) -> None:
    """Look with a screen of this width, in a system that is light or dark."""
    screen = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": scheme})


def plotted(browser: Chrome) -> int:
    """Return how many points a plot says it shows, once it shows them."""
    count = "return document.querySelector('series-plot[data-state=ready]')?.dataset.count"
    return int(eventually(lambda: browser.execute_script(count)))


def require_decent(browser: Chrome, name: str) -> None:
    """Make sure of a page: nothing wrong said by axe or the console, no wider than the screen, texts as texts."""
    shot(browser, name)
    if not browser.execute_script("return 'axe' in window"):
        # In the pages that this window shows from now on, too: a page has it sooner than it would be sent there.
        browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": AXE.read_text()})
        browser.execute_script(AXE.read_text())
    found = browser.execute_async_script(_AXE_RUN)
    assert found == [], f"{name}: {found}"
    sizes = "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    wide, screen = browser.execute_script(sizes)
    assert wide <= screen, f"{name} is {wide} wide on a screen of {screen}"
    made = [
        one.get_attribute("outerHTML") for one in browser.find_elements(By.CSS_SELECTOR, "img, [onerror], [onload]")
    ]
    assert made == [], f"{name}: {made}"
    said = [entry["message"] for entry in browser.get_log("browser")]
    assert said == [], f"{name}: {said}"


def hosts(browser: Chrome) -> set[str]:
    """Return the hosts that pages asked for something."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    return {urlsplit(url).netloc for url in sent if url.startswith("http")}


def shot(browser: Chrome, name: str) -> None:
    """Keep a picture of what is seen where somebody asked for it, by the screen: narrow, dark or neither."""
    if PICTURES:
        narrow, dark = browser.execute_script(
            "return [innerWidth < 600, matchMedia('(prefers-color-scheme: dark)').matches]"
        )
        name = name.removesuffix("-1440").removesuffix("-390")
        said = f"{name}{'-narrow' if narrow else ''}{'-dark' if dark else ''}.png"
        browser.save_screenshot(str(Path(PICTURES) / said))
