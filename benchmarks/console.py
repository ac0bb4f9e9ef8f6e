"""What people wait for in the console, as their browser sees it: `python benchmarks/console.py [--database URL]`.

A server on SQLite, or on an empty PostgreSQL database, is filled: a series of ten million points, 100,000 series, a
project of 2,000 nodes, 200,000 works, 1,000 result sets. A headless Chromium then opens pages, and each time is told
from the begin of a navigation, or the press of a key, until what was asked for is painted: the median of several. What
pages weigh is what went over the wire with nothing cached.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from sqlalchemy import Table, insert, select
from sqlalchemy.orm import Session

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from entrepot.db import Database, new_id  # noqa: E402
from entrepot.pipeline.models import Analysis, Cleaner, Gate, Importer  # noqa: E402
from entrepot.series import store  # noqa: E402
from entrepot.series.models import Series, SeriesHead  # noqa: E402
from entrepot.server.run import tables  # noqa: E402, F401 - every table
from tests.browser.conftest import Chromium  # noqa: E402
from tests.support.deadline import eventually  # noqa: E402
from tests.support.pages import look, sign_in  # noqa: E402
from tests.support.server import ServerProcess  # noqa: E402

ROUNDS, BLOCK = 7, 1_000_000
#: A page says when what it is about was painted: the first frame after the element says that it is ready.
_WATCH = """
window.shown = null;
let waits = false;  // one at a time: none is left that would tell of this plot once the next one is asked for
const look = () => {
  if (window.shown !== null || waits || !document.querySelector('series-plot[data-state=ready]')) return;
  waits = true;
  requestAnimationFrame(() => requestAnimationFrame(() => { waits = false; window.shown = performance.now(); }));
};
new MutationObserver(look).observe(document, {subtree: true, childList: true, attributes: true});
"""
_FINDS = """
document.addEventListener('keydown', () => { window.pressed = performance.now() }, true);
new MutationObserver((changes) => {
  if (!changes.some((one) => [...one.addedNodes].some((node) => node.id === 'found'))) return;
  requestAnimationFrame(() => requestAnimationFrame(() => { window.shown = performance.now(); }));
}).observe(document.querySelector('#main'), {childList: true});
"""
_PAINTED = """
const [told] = performance.getEntriesByType('navigation');
return document.readyState === 'complete' && told.loadEventEnd > 0
  ? Math.max(told.loadEventEnd, performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0) : null"""
_WEIGHT = """
return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
  .reduce((sum, one) => sum + one.transferSize, 0)"""


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", default=None, help="URL of an empty PostgreSQL database.")
    parser.add_argument("--points", type=int, default=10_000_000)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--nodes", type=int, default=2000)
    parser.add_argument("--works", type=int, default=200_000)
    parser.add_argument("--sets", type=int, default=1000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ServerProcess(Path(folder) / "data", given.database) as server:
        places = fill(server, given)
        chromium = Chromium(Path(folder) / "profile")
        try:
            measure(server, chromium.fresh(Path(folder) / "downloads"), places, given)
        finally:
            chromium.quit()


def fill(server: ServerProcess, given: argparse.Namespace) -> dict[str, str]:
    """Make what is looked at, and return where it is."""
    with server.http(base_url=f"{server.url}/api/v1") as http:

        def made(path: str, **fields: Any) -> dict[str, Any]:
            told: dict[str, Any] = http.post(path, json=fields).raise_for_status().json()
            return told

        project, many = made("/projects", name="Points")["id"], made("/projects", name="Nodes")["id"]
        series = made("/series", project=project, name="power", unit="kW", step="1min")["id"]
        gate = made("/gates", project=many, name="gate")["id"]
        importer = made("/importers", project=many, name="importer", gate=gate, parse="parse = None", clock="UTC")["id"]
        of = {"inputs": [], "outputs": ["mean"], "script": "def analyze(frame, **tools):\n    return frame\n"}
        analysis = made("/analyses", project=many, name="analysis", **of)["id"]
        for first in range(0, given.works, 1000):
            at = range(first, min(first + 1000, given.works))
            works = [
                {"pipeline": f"pipeline-{n % 40}", "user": "ada", "site": "local", "parameters": {"n": n}} for n in at
            ]
            http.post("/works", json=works).raise_for_status()
        site = made("/sites", name="park")["id"]
        model = made("/model-definitions", name="baseline", site=site)["id"]
        for n in range(given.sets):
            compared = made("/result-sets", model=model, name=f"frequencies {n:05d}")["id"]
            columns = [
                {"name": "mode", "unit": "index", "values": [0, 1, 2]},
                {"name": "frequency", "unit": "Hz", "values": [0.3, 0.4 + n % 7 / 100, 1.1 + n % 13 / 100]},
            ]
            rows = [{"name": name, "columns": columns} for name in ("FA", "SS")]
            http.post(f"/result-sets/{compared}/rows", json={"rows": rows}).raise_for_status()
    database = Database(server.database_url)
    with database.write() as session:
        one = session.scalars(select(Series).where(Series.id == series)).one()
        copy(session, one, given.series, lambda n: {"name": f"turbine {n % 1000} signal {n:06d}", "title": ""})
        heads = select(Series.number, *([0] * 3)).where(Series.number.not_in(select(SeriesHead.series)))
        session.execute(insert(SeriesHead).from_select(["series", "count", "width", "tail"], heads))
        parts = (given.nodes - 50) // 3
        gates = copy(session, found(session, Gate, gate), parts, lambda n: {"name": f"gate {n:05d}"})
        importers = copy(
            session, found(session, Importer, importer), parts,
            lambda n: {"name": f"importer {n:05d}", "gate_id": gates[n]},
        )  # fmt: skip
        cleaner = session.scalars(select(Cleaner).where(Cleaner.importer_id == importer)).one()
        copy(session, cleaner, parts, lambda n: {"name": f"cleaner {n:05d}", "importer_id": importers[n]})
        copy(session, found(session, Analysis, analysis), 50, lambda n: {"name": f"analysis {n:05d}"})
    for first in range(0, given.points, BLOCK):
        minutes = np.arange(first, min(first + BLOCK, given.points))
        with database.write() as session:
            number = session.scalars(select(Series.number).where(Series.id == series)).one()
            store.append(
                session, number, 1_000_000_000_000_000 + minutes * 60_000_000, np.sin(minutes / 1e5) + minutes % 7
            )
    database.close()
    return {"series": series, "project": many, "importer": importer, "gate": gate, "analysis": analysis}


def found(session: Session, model: Any, id_: str) -> Any:
    """Return what has this id."""
    return session.scalars(select(model).where(model.id == id_)).one()


def copy(session: Session, one: Any, count: int, differs: Callable[[int], Mapping[str, Any]]) -> list[str]:
    """Copy a row, and return the ids of the copies."""
    table: Table = type(one).__table__
    fields = {column.name: getattr(one, column.name) for column in table.columns if column.name != "number"}
    rows = [fields | {"id": new_id()} | dict(differs(n)) for n in range(count)]
    for first in range(0, count, 5000):
        session.execute(insert(table), rows[first : first + 5000])
    return [row["id"] for row in rows]


def measure(server: ServerProcess, browser: Chrome, places: Mapping[str, str], given: argparse.Namespace) -> None:
    """Open pages, and print what was waited for."""
    look(browser, 1440, dark=False)
    sign_in(browser, server)
    plot = f"{server.url}/console/explorer?series={places['series']}"
    print("| what | limit, ms | median, ms | most, ms |\n| --- | --- | --- | --- |")
    script = {"source": _WATCH}
    watching = browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", script)["identifier"]
    tell(f"{given.points:,} points: plot shown", 300, [opened(browser, plot) for _ in range(ROUNDS)])
    tell("a zoom", 150, list(zooms(browser)))
    browser.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", {"identifier": watching})
    pages = (
        (f"graph of {given.nodes:,} nodes, all drawn", 1000, f"projects/{places['project']}?collapse=no"),
        (f"board of {given.works:,} works", 300, "works"),
        (f"{given.sets:,} result sets compared", 1000, "rows/compare?q=frequencies"),
    )
    for name, most, path in pages:
        tell(name, most, [painted(browser, f"{server.url}/console/{path}") for _ in range(ROUNDS)])
    for where in ("series", "explorer"):
        browser.get(f"{server.url}/console/{where}")
        tell(f"{given.series:,} series: found in /console/{where}", 100, list(found_there(browser)))
    print("\n| page | KB with nothing cached |\n| --- | --- |")
    browser.execute_cdp_cmd("Network.setCacheDisabled", {"cacheDisabled": True})
    for page in (
        "", "projects", f"projects/{places['project']}", f"gates/{places['gate']}", f"importers/{places['importer']}",
        f"analyses/{places['analysis']}", f"explorer?series={places['series']}", "series", "runs", "works", "rows",
        "files", "events", "lineage", "notifications", "basket", "preferences",
    ):  # fmt: skip
        painted(browser, f"{server.url}/console/{page}".rstrip("/"))
        print(f"| /console/{page.split('?')[0]} | {browser.execute_script(_WEIGHT) / 1000:.0f} |")


def opened(browser: Chrome, address: str) -> float:
    """Return after how many milliseconds a page shows its plot."""
    browser.get(address)
    return float(eventually(lambda: browser.execute_script("return window.shown")))


def zooms(browser: Chrome) -> Iterator[float]:
    """Yield how many milliseconds pass from the press of a key until the plot shows less of it."""
    browser.execute_script("document.querySelector('series-plot').focus()")
    # Until the plot is busy, nothing on the page changes: what is seen as ready next is what was asked for.
    browser.execute_script(
        "document.addEventListener('keydown', () => { window.pressed = performance.now(); window.shown = null }, true)"
    )
    for key in ("+", "+", "+", "+", "-", "-", "+"):
        ActionChains(browser).send_keys(key).perform()
        yield float(eventually(lambda: browser.execute_script("return window.shown && window.shown - window.pressed")))


def found_there(browser: Chrome) -> Iterator[float]:
    """Yield how many milliseconds pass from the press of Enter until what has the words is painted."""
    browser.execute_script(_FINDS)
    field = browser.find_element(By.CSS_SELECTOR, "form[role=search] input[name=q]")
    for number in range(ROUNDS):
        field.clear()
        field.send_keys(f"turbine {100 + number} signal")
        browser.execute_script("window.shown = null")
        field.send_keys(Keys.ENTER)
        yield float(eventually(lambda: browser.execute_script("return window.shown && window.shown - window.pressed")))
        listed = browser.find_elements(By.CSS_SELECTOR, "#found tbody tr")
        assert all(str(100 + number) in row.text for row in listed), "it is what was asked for"


def painted(browser: Chrome, address: str) -> float:
    """Return after how many milliseconds a page is there, whole and painted."""
    browser.get(address)
    return float(eventually(lambda: browser.execute_script(_PAINTED)))


def tell(name: str, most: float, found: list[float]) -> None:
    """Print a line of the table."""
    print(f"| {name} | {most} | {statistics.median(found):.0f} | {max(found):.0f} |", flush=True)


if __name__ == "__main__":
    main()
