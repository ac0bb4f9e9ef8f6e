"""Works and result sets in a browser, by keyboard alone: from the board to a query, a work, many at once; compared."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.support.wait import WebDriverWait

from tests.support.deadline import eventually
from tests.support.pages import HOSTILE, leave, look, require_decent, sign_in
from tests.support.server import ServerProcess

#: A browser loses races on a machine that others load.
pytestmark = [pytest.mark.browser, pytest.mark.turns, pytest.mark.flaky(reruns=1)]

BEAMS = 60


@dataclass
class Works:
    """A server with works that wait, run, failed and are archived, of the names and errors that strangers give."""

    server: ServerProcess
    failed: list[str]


@pytest.fixture(scope="module")
def works(shared_server: ServerProcess) -> Iterator[Works]:
    with shared_server.http(base_url=f"{shared_server.url}/api/v1") as http:

        def sent(method: str, path: str, body: Any) -> Any:
            return http.request(method, path, json=body).raise_for_status().json()

        def work(number: int) -> dict[str, Any]:
            parameters = {"beam": number, "about": {HOSTILE: [HOSTILE, {"deep": number}]}}
            tags = [f"night-{number % 3}", HOSTILE]
            return {"pipeline": "beam-former", "site": "chime", "user": HOSTILE, "tags": tags, "parameters": parameters}

        sent("POST", "/works", [work(number) for number in range(BEAMS)])
        sent("POST", "/works", [{"pipeline": "calibration", "site": "chime", "user": "ada"}])
        taken = sent("POST", "/works/withdraw", {"query": {"pipeline": "beam-former"}, "limit": 6})
        for number, one in enumerate(taken[:5]):
            error = f"beam {number} has no file /data/{number}/raw.h5 {HOSTILE}" if number < 4 else "lost the sky"
            one |= {
                "status": "failure",
                "attempt": 2,
                "stop": one["start"] + 60,
                "results": {"error": error},
                "plots": ["https://example.org/p.png"],
            }
        sent("PUT", "/works", taken[:5])
        done = [work(number) | {"status": "success", "id": f"done-{number}"} for number in range(3)]
        sent("POST", "/archive", done)
        site = sent("POST", "/sites", {"name": f"Belwind {HOSTILE}"})["id"]
        model = sent("POST", "/model-definitions", {"site": site, "name": "as designed"})["id"]
        for number in range(8):
            place = sent("POST", "/locations", {"site": site, "name": f"BB{number}"})["id"]
            of = {"model": model, "location": place, "name": f"Frequencies {HOSTILE}"}
            made = sent("POST", "/result-sets", of)["id"]
            values = [0.3, 0.4 + number / 100]
            columns = [
                {"name": "index", "unit": "index", "values": [0, 1]},
                {"name": HOSTILE, "unit": "Hz", "values": values},
            ]
            sent("POST", f"/result-sets/{made}/rows", {"rows": [{"name": f"BB{number} - FA1", "columns": columns}]})
        yield Works(shared_server, [one["id"] for one in taken[:5]])


def press(browser: Chrome, *keys: str) -> None:
    ActionChains(browser).send_keys(*keys).perform()


def tab_to(browser: Chrome, reached: Callable[[Any], bool]) -> Any:
    """Press Tab until what has the focus is what is meant."""
    for _ in range(120):
        press(browser, Keys.TAB)
        element = browser.switch_to.active_element
        if reached(element):
            return element
    raise AssertionError("the keyboard does not lead there")


def named(text: str) -> Callable[[Any], bool]:
    return lambda element: text in (element.get_attribute("aria-label") or "", element.text)


def asked(browser: Chrome) -> str:
    """Return what is told of the query, once that was asked."""
    told = """const box = document.querySelector('query-box[data-told]');
              return box && document.getElementById('cost').innerText"""
    wait = WebDriverWait(browser, 30)
    wait.until(lambda b: b.execute_script(told) is not None)
    return str(browser.execute_script(told))


def typed(browser: Chrome) -> str:
    return str(browser.execute_script("return document.querySelector('query-box textarea').value"))


def proposals(browser: Chrome) -> list[str]:
    found = """const root = document.querySelector('query-box').shadowRoot;
               return [...root.querySelectorAll('.cm-tooltip-autocomplete li')].map((one) => one.innerText)"""
    return list(WebDriverWait(browser, 30).until(lambda b: b.execute_script(found)))


@pytest.mark.pictures
def test_works_are_found_understood_and_changed_by_keyboard_alone(works: Works, browser: Chrome) -> None:
    look(browser, 1440, dark=False)
    sign_in(browser, works.server)
    leave(browser, lambda: press(browser, "g", "w"))
    require_decent(browser, "works-board")
    board = browser.find_element(By.ID, "board").text
    assert "beam-former" in board
    assert "calibration" in board
    tab_to(browser, named("5 failure of beam-former"))
    leave(browser, lambda: press(browser, Keys.ENTER))

    # The list of these, what they have, and what the query costs.
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr")) == 5
    assert asked(browser) == "Without reading works: pipeline, status."
    facets = WebDriverWait(browser, 30).until(lambda b: b.find_element(By.CSS_SELECTOR, ".facet"))
    assert "5 works match" in browser.find_element(By.CSS_SELECTOR, ".facets").text
    assert HOSTILE in browser.find_element(By.CSS_SELECTOR, ".facets").text
    assert facets.text.startswith("tags")
    require_decent(browser, "works-list")

    # A query of which only the beginnings are typed.
    press(browser, "/")
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).send_keys(Keys.DELETE).perform()
    press(browser, '{"stat')
    assert proposals(browser)[0] == "status"
    eventually(lambda: (press(browser, Keys.ENTER), typed(browser))[1] == '{"status": }')
    press(browser, '"fai')
    assert proposals(browser) == ["failure"]
    eventually(lambda: (press(browser, Keys.ENTER), typed(browser))[1] == '{"status": "failure"}')
    press(browser, ', "parameters.be')
    assert proposals(browser)[0] == "parameters.beam"
    eventually(lambda: (press(browser, Keys.ENTER), 'parameters.beam": ' in typed(browser))[1])
    press(browser, '{"$g')
    assert proposals(browser) == ["$gt", "$gte"]
    eventually(lambda: (press(browser, Keys.ENTER), "$gt" in typed(browser))[1])
    press(browser, "0")
    assert typed(browser) == '{"status": "failure", "parameters.beam": {"$gt": 0}}'
    eventually(lambda: "parameters.beam, 5 works are read" in asked(browser), message=asked(browser))
    leave(browser, lambda: press(browser, Keys.ENTER))
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr")) == 4

    # What is wrong is said, and marked at its place.
    press(browser, "/")
    ActionChains(browser).key_down(Keys.CONTROL).send_keys("a").key_up(Keys.CONTROL).send_keys(Keys.DELETE).perform()
    press(browser, '{"status": {"$near": 1}}')
    eventually(lambda: "$near: is not a supported operator" in asked(browser))
    marked = "return document.querySelector('query-box').shadowRoot.querySelector('.cm-wrong-part')?.innerText"
    eventually(lambda: browser.execute_script(marked) == '"$near"')
    browser.get(f"{works.server.url}/console/works/failures")
    causes = [row.text for row in browser.find_elements(By.CSS_SELECTOR, "tbody tr")]
    assert [one.split("<")[0] for one in causes] == ["beam ", causes[1]]
    assert "beam <number> has no file <path>" in causes[0]
    require_decent(browser, "works-failures")
    tab_to(browser, named(browser.find_element(By.CSS_SELECTOR, "tbody a").text))
    leave(browser, lambda: press(browser, Keys.ENTER))
    assert len(browser.find_elements(By.CSS_SELECTOR, "tbody tr")) == 4

    # One is chosen and queued again; it is said before what happens.
    chosen = tab_to(browser, lambda element: element.get_attribute("name") == "of")
    work_id = chosen.get_attribute("aria-label")
    press(browser, Keys.SPACE)
    tab_to(browser, named("Requeue"))
    leave(browser, lambda: press(browser, Keys.ENTER))
    assert "Requeue 1 work" in browser.find_element(By.TAG_NAME, "h1").text
    require_decent(browser, "works-change")
    leave(browser, lambda: press(browser, Keys.ENTER))
    assert work_id in browser.find_element(By.TAG_NAME, "h1").text

    # Its document, searched.
    require_decent(browser, "work")
    assert "requeued" in browser.find_element(By.CSS_SELECTOR, ".table").text
    assert HOSTILE in browser.find_element(By.CSS_SELECTOR, ".facts").text
    tab_to(browser, lambda element: element.get_attribute("type") == "search")
    press(browser, "deep")
    shown = [one for one in browser.find_elements(By.CSS_SELECTOR, "#document [data-part]") if one.is_displayed()]
    assert shown[0].text.startswith("parameters")
    assert shown[-1].text.startswith("deep")


def test_all_that_match_are_cancelled_and_deleted_once_their_number_is_written(works: Works, browser: Chrome) -> None:
    look(browser, 390, dark=True)
    sign_in(browser, works.server, "/console/works/list?query=%7B%22pipeline%22%3A%22calibration%22%7D")
    require_decent(browser, "works-list")
    for said in ("Cancel 1 work", "Delete 1 work"):
        browser.find_element(By.CSS_SELECTOR, "input[value=all]").send_keys(Keys.SPACE)
        tab_to(browser, named(said.split()[0]))
        leave(browser, lambda: press(browser, Keys.ENTER))
        assert browser.find_element(By.TAG_NAME, "h1").text == said
        if said.startswith("Delete"):
            require_decent(browser, "works-change")
            press(browser, "1")
        leave(browser, lambda: press(browser, Keys.ENTER))
        assert "1 work was" in browser.find_element(By.CSS_SELECTOR, ".done").text
    assert browser.find_elements(By.CSS_SELECTOR, "tbody tr") == []
    for name, path in (("works", ""), ("works-archive", "/list?where=archive"), ("work", f"/queue/{works.failed[-1]}")):
        browser.get(f"{works.server.url}/console/works{path}")
        require_decent(browser, name)


def test_result_sets_are_compared_by_keyboard_alone(works: Works, browser: Chrome) -> None:
    look(browser, 1440, dark=True)
    sign_in(browser, works.server, "/console/rows/compare")
    press(browser, "/")
    press(browser, "Frequencies")
    leave(browser, lambda: press(browser, Keys.ENTER))
    main = browser.find_element(By.TAG_NAME, "main").text
    assert "8 result sets: 1 of 3 values differ." in main
    first = browser.find_element(By.CSS_SELECTOR, "tbody tr").text
    assert first.startswith(f"FA1 {HOSTILE} (Hz)")
    assert "14.9%" in first
    assert "0.47 (BB7)" in first
    require_decent(browser, "rows-compared")
    tab_to(browser, named("Result sets after"))
    leave(browser, lambda: press(browser, Keys.ENTER))
    assert len(browser.find_elements(By.CSS_SELECTOR, "thead th")) == 6 + 2
    tab_to(browser, lambda element: element.get_attribute("name") == "unit")
    press(browser, "mHz")
    leave(browser, lambda: press(browser, Keys.ENTER))
    assert "470 (BB7)" in browser.find_element(By.CSS_SELECTOR, "tbody tr").text
