"""A worker of the fault tests, for a process of its own.

It withdraws works and finishes each into the archive, in one transaction, until it is killed or told to stop.
"""

import random
import time

from sqlalchemy.exc import DBAPIError

from entrepot.db import Database
from entrepot.errors import Unavailable
from entrepot.identity import Principal
from entrepot.identity.models import Role
from entrepot.works import archive, queue
from entrepot.works.withdraw import withdraw

PIPELINES = ["a", "b", "c"]
LEASE_SECONDS = 4.0


def main(url: str, user_id: str, organization_id: str) -> None:
    """Go on until killed."""
    database = Database(url, pool_size=1)
    who = Principal(user_id, "worker", organization_id, {organization_id: Role.WRITER})
    while True:
        try:
            _turn(database, who)
        except (DBAPIError, Unavailable):  # it restarts
            time.sleep(0.05)


def _turn(database: Database, who: Principal) -> None:
    query = random.choice([{"pipeline": {"$in": PIPELINES}}, {"pipeline": random.choice(PIPELINES)}, {"tags": "t"}])
    with database.write() as session:
        works = withdraw(session, who, query, limit=random.randint(1, 3), lease_seconds=LEASE_SECONDS)
    for work in works:
        done = {**work, "status": "success", "results": {"attempt": work["attempt"]}, "stop": time.time()}
        with database.write() as session:
            if queue.update_documents(session, who, [done]):
                archive.deposit(session, who, [done])
                queue.delete_ids(session, who, [work["id"]])
    if not works:
        time.sleep(0.02)
