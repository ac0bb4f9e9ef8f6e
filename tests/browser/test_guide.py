"""The guide's job in a browser alone, from an empty server: from two uploads to an export that is compared.

By keyboard alone, but for what is dropped.
"""

from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile, is_zipfile

import pandas as pd
import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By

from tests.conftest import MakeServer
from tests.support.deadline import eventually
from tests.support.pages import enter, find, leave, look, plotted, press, reach, require_decent, sign_in_by_keys
from tests.support.server import ServerProcess

#: A browser loses races on a machine that others load.
pytestmark = [pytest.mark.browser, pytest.mark.flaky(reruns=1)]

SCRIPT = """import pandas as pd
def parse(content, path, **tools):
    frame = pd.read_csv(content, sep=";", index_col="stamp", parse_dates=True)
    return frame.drop(columns="note")
"""
WRONG = "def parse(content, path, **tools):\n    return unknown\n"
ANALYSIS = "def analyze(frame, **tools):\n    return frame.assign(ratio=frame.power / frame.wind)[['ratio']]\n"


@pytest.fixture
def server(tmp_path: Path, make_server: MakeServer) -> Iterator[ServerProcess]:
    """A server with nothing in it; what pages show does not depend on the database."""
    with make_server("sqlite", tmp_path / "empty") as server:
        yield server


@pytest.fixture
def days(tmp_path: Path) -> list[Path]:
    """Two days of ten minutes."""
    found = []
    for day in (1, 2):
        stamps = pd.date_range(f"2024-03-0{day}", periods=144, freq="10min")
        frame = pd.DataFrame({"wind": range(4, 148), "power": range(100, 244), "note": "ok"}, index=stamps)
        found.append(tmp_path / f"2024-03-0{day}.csv")
        frame.to_csv(found[-1], sep=";", index_label="stamp")
    return found


def typed(browser: Chrome, **fields: str) -> None:
    """Write texts into fields, in place of what they hold; the focus is in the last of them."""
    for name, text in fields.items():
        reach(browser, name, f"main [name={name}]")
        ActionChains(browser).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).send_keys(text).perform()


def made(browser: Chrome, link: str, name: str) -> None:
    """Follow a link to a form, and make something of that name."""
    enter(browser, link)
    typed(browser, name=name)
    leave(browser, lambda: press(browser, Keys.ENTER))


def written(browser: Chrome, text: str) -> None:
    """Write a script into the editor, in place of what is there, as who pastes it."""
    eventually(lambda: browser.find_elements(By.CSS_SELECTOR, "code-editor[data-state=ready]"))
    reach(browser, "the editor", "code-editor")
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).send_keys(Keys.DELETE).perform()
    browser.execute_cdp_cmd("Input.insertText", {"text": text})
    kept = "return document.querySelector('code-editor textarea').value"
    eventually(lambda: browser.execute_script(kept).split() == text.split(), message="the text area keeps the script")


def tried(browser: Chrome) -> str:
    """Press *Try*, and return what is told of the trial's end."""
    before = "document.querySelector('#trial')?.setAttribute('data-state', 'asked')"
    browser.execute_script(before)
    reach(browser, "Try")
    press(browser, Keys.ENTER)
    return told(browser, "#trial")


def told(browser: Chrome, selector: str) -> str:
    end = f"""const one = document.querySelector('{selector}');
              return ['done', 'refused'].includes(one?.dataset.state) ? one.innerText || ' ' : null"""
    return str(eventually(lambda: browser.execute_script(end), 60))


def ran(browser: Chrome, button: str) -> None:
    """Press what begins a run, and wait for its end."""
    enter(browser, button)
    state = "return document.querySelector('#run .state')?.innerText"
    eventually(lambda: browser.execute_script(state) == "finished", 60)


def pasted(browser: Chrome, table: str, text: str) -> None:
    """Paste a block of cells into the first cell of a table."""
    eventually(lambda: browser.find_elements(By.CSS_SELECTOR, f"{table}[data-state=ready] td input"))
    reach(browser, "the first cell", f"{table} td input")
    paste = """const data = new DataTransfer(); data.setData('text/plain', arguments[0]);
               document.activeElement.dispatchEvent(
                 new ClipboardEvent('paste', {clipboardData: data, bubbles: true, cancelable: true}))"""
    browser.execute_script(paste, text)


def test_escape_and_tab_leave_the_editor_though_it_proposes_words(server: ServerProcess, browser: Chrome) -> None:
    sign_in_by_keys(browser, server, "/console/projects")
    made(browser, "New project", "Words")
    made(browser, "New gate", "scada")
    made(browser, "New importer", "scada")
    written(browser, "")
    press(browser, *"pri")
    proposed = "return document.querySelector('code-editor').shadowRoot.querySelector('[role=listbox]')?.innerText"
    eventually(lambda: "print" in (browser.execute_script(proposed) or ""))
    reach(browser, "Save")
    assert browser.execute_script("return document.querySelector('code-editor textarea').value") == "pri"


@pytest.mark.pictures
def test_the_guides_job_is_done_in_the_browser_alone(
    server: ServerProcess, browser: Chrome, days: list[Path], tmp_path: Path
) -> None:
    look(browser, 1440, dark=False)
    sign_in_by_keys(browser, server, "/console/projects")
    assert "There are no projects yet" in browser.find_element(By.TAG_NAME, "main").text
    require_decent(browser, "no-projects")
    made(browser, "New project", "Guide")
    require_decent(browser, "empty-project")
    made(browser, "New gate", "scada")
    reach(browser, "the files to send", "input[type=file]")
    browser.switch_to.active_element.send_keys(str(days[0]))
    enter(browser, "Send")
    _drop(browser, days[1])
    names = browser.find_element(By.CSS_SELECTOR, "[aria-label=Files]").text
    assert all(day.name in names for day in days)
    reach(browser, "Show the password")
    press(browser, Keys.ENTER)
    eventually(lambda: len(browser.execute_script("return document.querySelector('#password').innerText")) > 8)

    made(browser, "New importer", "scada")
    assert "stamp;wind;power;note" in browser.find_element(By.ID, "sample").text
    written(browser, WRONG)
    assert "NameError" in tried(browser)
    shown = "return document.querySelector('code-editor').shadowRoot.querySelector('.cm-wrong-line')?.textContent"
    assert "return unknown" in browser.execute_script(shown)
    written(browser, SCRIPT)
    found = tried(browser)
    for text in ("144 rows, 2 columns", "every 10 minutes", "new series", "2024-03-01"):
        assert text in found, found
    require_decent(browser, "workbench")
    enter(browser, "Save")
    ran(browser, "Run now")
    browser.back()

    enter(browser, "channels")
    table = "Raw series\tName\tUnit\tKind\tStep\nwind\tT1 wind\tm/s\tmean\t1h\npower\tT1 power\tkW\tmean\t1h\n"
    pasted(browser, "edit-table", table)
    reach(browser, "What saving computes again")
    press(browser, Keys.ENTER)
    assert "Made: T1 wind, T1 power." in told(browser, "#plan")
    require_decent(browser, "channels")
    enter(browser, "Save")
    enter(browser, "T1 power")
    typed(browser, step="3h", since="2024-03-01", until="2024-03-03")
    assert "cleaned" in tried(browser)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#trial svg path")) == 2
    require_decent(browser, "channel-tried")

    browser.get(f"{server.url}/console/projects")
    enter(browser, "Guide")
    eventually(lambda: _fresh(browser, "cleaner"), 60, message="the channels were cleaned")
    made(browser, "New analysis", "Ratio")
    rows = "T1 wind\tcleaner scada\twind\nT1 power\tcleaner scada\tpower\n"
    pasted(browser, "edit-table:has([name=inputs])", rows)
    pasted(browser, "edit-table:has([name=outputs])", "ratio\tkW\tPower for wind\n")
    written(browser, ANALYSIS)
    enter(browser, "Save")
    assert "1 column" in tried(browser)
    require_decent(browser, "analysis-tried")
    ran(browser, "Run now")

    leave(browser, lambda: press(browser, "g", "e"))
    press(browser, "/", "ratio")
    find(browser, lambda: press(browser, Keys.ENTER))
    enter(browser, "ratio")
    assert plotted(browser) > 40
    _compare(browser, tmp_path / "downloads", days)
    reach(browser, "Put into the export basket")
    press(browser, Keys.ENTER)
    enter(browser, "Basket: 1 series")
    ran(browser, "Export")
    reach(browser, "Download the archive")
    press(browser, Keys.ENTER)
    archive = eventually(lambda: next((tmp_path / "downloads").glob("*.zip"), None), 30)
    eventually(lambda: is_zipfile(archive), 30)
    assert b"ratio" in ZipFile(archive).read("export.csv")
    leave(browser, lambda: press(browser, "g", "p"))
    enter(browser, "Guide")
    require_decent(browser, "pipeline")


def _drop(browser: Chrome, file: Path) -> None:
    """Drop a file onto the page, as from a folder."""
    drop = """const data = new DataTransfer(); data.items.add(new File([arguments[1]], arguments[0]));
              document.querySelector('form[data-upload]').dispatchEvent(
                new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true}))"""
    leave(browser, lambda: browser.execute_script(drop, file.name, file.read_text()))


def _fresh(browser: Chrome, kind: str) -> bool:
    """Tell whether the list of the pipeline, which is renewed by itself, says that all of a kind are fresh."""
    states = """return [...document.querySelectorAll('#nodes tr')]
                  .filter((row) => row.cells[1].innerText === arguments[0]).map((row) => row.cells[0].innerText)"""
    return set(browser.execute_script(states, kind)) == {"fresh"}


def _compare(browser: Chrome, folder: Path, days: list[Path]) -> None:
    """Download what is seen, and compare it with what the files say."""
    reach(browser, "CSV of what is seen")
    press(browser, Keys.ENTER)
    eventually(lambda: any(one.stat().st_size for one in folder.glob("*.csv")), 30)
    export = pd.read_csv(next(folder.glob("*.csv")), parse_dates=["time"])
    raw = pd.concat(pd.read_csv(day, sep=";", index_col=0, parse_dates=True) for day in days)
    hours = raw[["wind", "power"]].resample("1h").mean()
    wanted = (hours.power / hours.wind).tz_localize("UTC")
    exported = export.set_index("time")["value"]
    assert len(exported) > 40
    pd.testing.assert_series_equal(
        exported, wanted[exported.index], check_names=False, check_freq=False, check_index_type=False
    )
