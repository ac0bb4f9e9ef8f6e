"""What drivers and the system raise gets the product's names."""

import contextlib
import errno
import sqlite3
from pathlib import Path

import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from entrepot.db import Database
from entrepot.db.faults import named, naming
from entrepot.errors import Away, EntrepotError, NotFound, OutOfSpace, Unavailable
from entrepot.server.dialects.ovbp import errors as ovbp
from entrepot.server.dialects.owi import errors as owi
from entrepot.server.dialects.ricloud import errors as ricloud
from entrepot.server.dialects.workflow import errors as workflow
from entrepot.server.logs import Causes
from entrepot.server.problems import problem


def of_postgresql(state: str | None, message: str = "x") -> OperationalError:
    class Driver(Exception):
        sqlstate = state

    Driver.__module__ = "psycopg.errors"
    return OperationalError("SELECT 1", {}, Driver(message))


def of_sqlite(code: int) -> OperationalError:
    original = sqlite3.OperationalError("x")
    original.sqlite_errorcode = code
    return OperationalError("SELECT 1", {}, original)


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (OSError(errno.ENOSPC, "x"), OutOfSpace, 507),
        (OSError(errno.EDQUOT, "x"), OutOfSpace, 507),
        (OSError(errno.EMFILE, "x"), Unavailable, 503),
        (OSError(errno.EROFS, "x"), Unavailable, 503),
        (of_postgresql("53100"), OutOfSpace, 507),
        (of_postgresql("58030", "could not extend file: No space left on device"), OutOfSpace, 507),
        (of_postgresql("53300"), Away, 503),
        (of_postgresql(None, "FATAL:  sorry, too many clients already"), Away, 503),
        (of_postgresql(None, "connection refused"), Away, 503),
        (of_postgresql("57P01"), Away, 503),
        (of_postgresql("08006"), Away, 503),
        (of_postgresql("55P03"), Unavailable, 503),
        (of_postgresql("40P01"), Unavailable, 503),
        (of_sqlite(13), OutOfSpace, 507),
        (of_sqlite(5 | 2 << 8), Unavailable, 503),
        (of_sqlite(14), Unavailable, 503),
    ],
)
def test_what_an_operator_has_to_mend_has_a_name(error: Exception, kind: type[Unavailable], status: int) -> None:
    with pytest.raises(kind) as caught, naming():
        raise error
    assert (type(caught.value), caught.value.status) == (kind, status)
    assert caught.value.retry_after is not None
    outer = RuntimeError("of some library")
    outer.__cause__ = error
    assert type(named(outer)) is kind


@pytest.mark.parametrize(
    "error",
    [of_sqlite(1), of_postgresql("42P01"), of_postgresql("57014"), OSError(errno.ENOENT, "x"), KeyError(), NotFound()],
)
def test_what_code_is_at_fault_for_has_none(error: Exception) -> None:
    assert named(error) is None
    with pytest.raises(type(error)) as caught, naming():
        raise error
    assert caught.value is error


def test_a_disk_that_is_full_is_known_under_other_names() -> None:
    refused = Unavailable("The storage refuses.")
    refused.__cause__ = OSError(errno.ENOSPC, "x")
    assert isinstance(named(refused), OutOfSpace)
    assert named(Unavailable("as it is")).message == "as it is"


@pytest.mark.parametrize("render", [problem, ovbp.render, owi.render, ricloud.render, workflow.render])
@pytest.mark.parametrize("error", [OutOfSpace(), Away()])
def test_each_dialect_says_it(render: object, error: EntrepotError) -> None:
    answer = render(error)  # type: ignore[operator]
    assert answer.status_code == error.status
    assert int(answer.headers["retry-after"]) > 0
    assert error.message.encode() in answer.body


def test_a_full_sqlite_is_out_of_space(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    with database.write() as session:
        session.execute(text("CREATE TABLE x (y BLOB)"))
        pages = session.scalar(text("PRAGMA page_count"))
        session.execute(text(f"PRAGMA max_page_count={pages + 2}"))
    with pytest.raises(OutOfSpace), database.write() as session:
        session.execute(text("INSERT INTO x VALUES (zeroblob(1000000))"))
    with database.write() as session:
        session.execute(text("INSERT INTO x VALUES (zeroblob(10))"))
    database.close()


def test_one_cause_is_one_line_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = 100.0
    monkeypatch.setattr("time.monotonic", lambda: clock)
    causes, lines = Causes(), []

    def tell(event: str, **fields: object) -> None:
        with contextlib.suppress(structlog.DropEvent):
            lines.append(causes(None, "error", {"event": event, **fields}))

    for _ in range(30):
        for _ in range(100):
            tell("cannot reach the database", exc_info=of_postgresql(None, "refused\nat once"))
        tell("another cause", cause="x")
        tell("no cause", exc_info=KeyError("a mistake"))
        clock += 0.125
    told = [line for line in lines if line["event"] == "cannot reach the database"]
    assert len(told) == 4
    assert "exc_info" not in told[0]
    assert told[0] == {
        "event": "cannot reach the database",
        "cause": "unavailable",
        "error": "The database does not answer; try again. (refused)",
    }
    assert told[1]["count"] == 800
    assert len([line for line in lines if line["event"] == "another cause"]) == 4
    mistakes = [line for line in lines if line["event"] == "no cause"]
    assert len(mistakes) == 30
    assert all("exc_info" in line for line in mistakes)
