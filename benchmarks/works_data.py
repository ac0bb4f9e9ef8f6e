"""What `works.py` and its processes have in common: works of 1 KB, finished works of 2.5 KB, and the eight queries.

Needs nothing but Python, for it is read by the peers' Python too.
"""

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PIPELINES = [f"pipeline-{number}" for number in range(5)]
START = 1_700_000_000.0
_WORDS = ("beam", "dedispersion", "fit", "calibration", "gain", "flag", "spectrum", "burst", "candidate", "archive")


def work(number: int) -> dict[str, Any]:
    """Return a work of about 1 KB for the queue."""
    return {
        "pipeline": PIPELINES[number % 5],
        "site": ("local", "outrigger")[number % 2],
        "user": f"user{number % 50}",
        "priority": 1 + number % 5,
        "function": "observatory.pipelines.run",
        "parameters": {f"parameter_{n}": f"value {number * 31 + n:010d} of the run" for n in range(18)},
    }


def finished(number: int) -> dict[str, Any]:
    """Return a finished work of about 2.5 KB, the same for the same number."""
    chance = random.Random(number)
    creation = START + number * 17.0
    return {
        "pipeline": f"pipeline-{number % 20}",
        "id": f"{number:024x}",
        "site": chance.choice(("local", "chime", "kko", "gbo", "hco")),
        "user": f"{chance.choice(('anna', 'bob', 'carla', 'dan', 'eve'))}{number % 40}",
        "status": "failure" if number % 10 == 0 else "success",
        "creation": creation,
        "start": creation + 5.5,
        "stop": creation + 65.25,
        "attempt": 1,
        "priority": 1 + number % 5,
        "timeout": 3600,
        "retries": 2,
        "tags": sorted(chance.sample([f"tag{n}" for n in range(40)], 3)),
        "event": [100_000 + number // 4, 900_000 + number // 3],
        "function": "observatory.pipelines.run",
        "command": None,
        "parameters": {f"parameter_{n}": chance.choice(_WORDS) for n in range(12)},
        "config": {
            "archive": {"results": True, "products": "copy", "plots": "copy", "logs": "move"},
            "metrics": False,
            "parent": f"parent{number // 25}",
            "orgs": ["observatory"],
            "teams": None,
        },
        "results": {
            "snr": round(chance.expovariate(0.15) + 5, 3),
            "dm": round(chance.uniform(50, 2500), 4),
            "locked": False,
            "beams": [{"beam": chance.randrange(1024), "snr": round(chance.gauss(12, 4), 3)} for _ in range(6)],
            "fit": [chance.random() for _ in range(20)],
            "notes": " ".join(chance.choice(_WORDS) for _ in range(115)),
        },
        "products": [f"/data/products/{number:08d}/{name}.h5" for name in ("spectrum", "fit")],
        "plots": [f"/data/plots/{number:08d}/{name}.png" for name in ("waterfall", "fit")],
    }


@dataclass(frozen=True)
class Query:
    """A question to the archive: as MongoDB's, as SQL written by hand, and as Python that tells the right answer."""

    name: str
    mongo: dict[str, Any]
    sql: str
    by_gin: bool
    matches: Callable[[dict[str, Any]], bool]


def queries(documents: int) -> list[Query]:
    """Return the eight, which ask for works in the middle of so many."""
    middle = documents // 2
    event, parent = 100_000 + middle // 4, f"parent{middle // 25}"
    events = [event, event + 7, event + 9]
    ids = [f"{n:024x}" for n in range(middle, middle + 100)]
    return [
        Query(
            "results.snr > 20", {"results.snr": {"$gt": 20}}, "body @? '$.results.snr ? (@ > 20)'", False,
            lambda one: one["results"]["snr"] > 20,
        ),
        Query(
            "event in three", {"event": {"$in": events}},
            "(" + " OR ".join(f"body @> '{{\"event\": [{one}]}}'" for one in events) + ")", True,
            lambda one: bool(set(events) & set(one["event"])),
        ),
        Query(
            "a tag and status", {"tags": "tag7", "status": "failure"},
            """body @> '{"tags": ["tag7"], "status": "failure"}'""", True,
            lambda one: "tag7" in one["tags"] and one["status"] == "failure",
        ),
        Query(
            "config.parent", {"config.parent": parent}, f"""body @> '{{"config": {{"parent": "{parent}"}}}}'""", True,
            lambda one: one["config"]["parent"] == parent,
        ),
        Query(
            "user by regex", {"user": {"$regex": "^anna1"}}, """body @? '$.user ? (@ like_regex "^anna1")'""", False,
            lambda one: bool(re.match("anna1", one["user"])),
        ),
        Query(
            "snr > 40 or dm < 100", {"$or": [{"results.snr": {"$gt": 40}}, {"results.dm": {"$lt": 100}}]},
            "(body @? '$.results.snr ? (@ > 40)' OR body @? '$.results.dm ? (@ < 100)')", False,
            lambda one: one["results"]["snr"] > 40 or one["results"]["dm"] < 100,
        ),
        Query(
            "beams.snr > 25, in arrays", {"results.beams.snr": {"$gt": 25}},
            "body @? '$.results.beams[*].snr ? (@ > 25)'", False,
            lambda one: any(beam["snr"] > 25 for beam in one["results"]["beams"]),
        ),
        Query(
            "100 ids", {"id": {"$in": ids}}, "id = ANY('{" + ",".join(ids) + "}')", False,
            lambda one: one["id"] in ids,
        ),
    ]  # fmt: skip


def text(value: Any) -> str:
    """Return compact JSON."""
    return json.dumps(value, separators=(",", ":"))
