"""What the first and the last page of every list cost: `python benchmarks/lists.py [--count 100000] [--database URL]`.

A farm of one of everything is made in this process, on SQLite or in the empty PostgreSQL database of the address; then
each list of the interface is made that long by SQL and walked to its end, and its first page and the last full one are
timed: medians of several requests. Where the last one costs what the first one does, walking does not grow dearer with
the length of a list. Then the same two pages with each common filter (`project`, `status`, `q`) that the list takes
and all its items match. `--only` takes a part of their paths: `--only /series`.
"""

import argparse
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

import structlog
from sqlalchemy import text

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from entrepot.db import Database, migrate  # noqa: E402
from entrepot.server.run import tables  # noqa: E402, F401 - every table
from tests.support.examples import Farm  # noqa: E402
from tests.support.interface import interface  # noqa: E402
from tests.support.lists import Kind, common, fill, kinds, lists, prepare  # noqa: E402

LIMIT, WALKED, ROUNDS = 100, 1000, 7


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--only", default="", help="Lists whose path has this in it.")
    parser.add_argument("--database", help="Address of an empty PostgreSQL database; SQLite without it.")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as folder:
        database = Database(given.database or f"sqlite:///{folder}/entrepot.db")
        migrate.upgrade(database)
        farm = Farm(interface(database, Path(folder)))
        prepare(farm)
        filters = lists(farm)
        print(f"| list | items | first page of {LIMIT}, ms | last, ms | last : first |")
        print("| --- | --- | --- | --- | --- |")
        for kind in kinds(farm, given.count):
            if given.only not in kind.path:
                continue
            with database.write() as session:
                fill(session, kind, given.count)
            if not kind.beneath:
                if given.database:  # PostgreSQL does so by itself within a minute
                    with database.write() as session:
                        session.execute(text("ANALYZE"))
                tell(farm, kind, filters[kind.path])
        database.close()


def tell(farm: Farm, kind: Kind, filters: list[str]) -> None:
    """Walk a list and print what its first and last page cost, as a whole and filtered."""
    address: str | None = f"{kind.address(farm)}?limit={WALKED}"
    last: str = ""
    count, item = 0, {}
    while address is not None:
        page = farm.api.client.get(address).raise_for_status().json()
        if len(page["items"]) == WALKED:
            last, item = address, page["items"][0]
        count += len(page["items"])
        address = page["next"]
    name = kind.path
    for query in ({}, *common(farm, item, filters)):
        more = f"&{urlencode(query)}" if query else ""
        ends = f"{kind.address(farm)}?limit={LIMIT}{more}", last.replace(f"limit={WALKED}", f"limit={LIMIT}") + more
        for one in ends:
            assert len(farm.api.client.get(one).raise_for_status().json()["items"]) == LIMIT, one
        rounds = [[seconds(farm, one) for one in ends] for _ in range(ROUNDS)]  # in turns: a busy moment is both's
        costs = [statistics.median(each) * 1000 for each in zip(*rounds, strict=True)]
        said = f"{name}?{'&'.join(query)}" if query else name
        print(f"| {said} | {count:,} | {costs[0]:.1f} | {costs[1]:.1f} | {costs[1] / costs[0]:.2f} |", flush=True)


def seconds(farm: Farm, address: str) -> float:
    """Return how long a request takes."""
    began = time.perf_counter()
    farm.api.client.get(address).raise_for_status()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
