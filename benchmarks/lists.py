"""What the first and the last page of every kind of list cost: `python benchmarks/lists.py [--count 100000]`.

A farm of one of everything is made in this process, on SQLite; then each kind of list is made that long and walked to
its end, and its first page and the last full one are timed: medians of several requests. Where the last one costs what
the first one does, walking does not grow dearer with the length of a list.
"""

import argparse
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path

import structlog

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from entrepot.db import Database, migrate  # noqa: E402
from entrepot.identity import User  # noqa: E402
from entrepot.server.run import tables  # noqa: E402, F401 - every table
from tests.support.examples import Farm  # noqa: E402
from tests.support.interface import interface  # noqa: E402
from tests.support.lists import Kind, fill, kinds, prepare  # noqa: E402

LIMIT, WALKED, ROUNDS = 100, 1000, 7


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--only", default="", help="Lists whose address has this in it.")
    given = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as folder:
        database = Database(f"sqlite:///{folder}/entrepot.db")
        migrate.upgrade(database)
        farm = Farm(interface(database, Path(folder)))
        prepare(farm)
        print(f"| list | items | first page of {LIMIT}, ms | last, ms | last : first |")
        print("| --- | --- | --- | --- | --- |")
        for kind in kinds(farm, given.count):
            with database.write() as session:
                fill(session, kind, given.count)
            if kind.model is not User and given.only in kind.path:
                tell(farm, kind)
        database.close()


def tell(farm: Farm, kind: Kind) -> None:
    """Walk a list and print what its first and last page cost."""
    first = last = f"/api/v1{kind.path}?limit={LIMIT}"
    address = f"/api/v1{kind.path}?limit={WALKED}"
    count = 0
    while address is not None:
        page = farm.api.client.get(address).raise_for_status().json()
        if len(page["items"]) == WALKED:
            last = address.replace(f"limit={WALKED}", f"limit={LIMIT}")
        count += len(page["items"])
        address = page["next"]
    costs = [statistics.median(seconds(farm, one) for _ in range(ROUNDS)) * 1000 for one in (first, last)]
    name = kind.path.replace(farm.ids["webhook"], "{id}").replace(farm.ids["importer"], "{id}")
    print(f"| {name} | {count:,} | {costs[0]:.1f} | {costs[1]:.1f} | {costs[1] / costs[0]:.2f} |", flush=True)


def seconds(farm: Farm, address: str) -> float:
    """Return how long a request takes."""
    began = time.perf_counter()
    farm.api.client.get(address).raise_for_status()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
