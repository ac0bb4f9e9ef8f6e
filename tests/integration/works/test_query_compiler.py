"""Compiled queries on real databases, against the oracle and the matcher."""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Double,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    create_engine,
    delete,
    event,
    exists,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from entrepot.errors import InvalidInput
from entrepot.works.query import (
    ColumnSpec,
    MultikeySpec,
    Plan,
    compile_query,
    matches,
    parse,
    register_sqlite_functions,
    searchable,
)
from tests.unit.works.query import oracle
from tests.unit.works.query.examples import EXAMPLES as MATCHES
from tests.unit.works.query.strategies import QUERIES, documents, examples

try:
    import pysqlite3
except ImportError:
    pysqlite3 = None


@dataclass
class Store:
    """A table of documents with the columns and side tables that a store of works has."""

    connection: Connection
    kind: str

    def __post_init__(self) -> None:
        self.dialect: Any = self.connection.dialect.name
        collation = "C" if self.dialect == "postgresql" else None
        text = Text(collation=collation)
        body = JSONB() if self.dialect == "postgresql" else LargeBinary() if self.kind == "jsonb" else Text()
        metadata = MetaData()
        self.table = table = Table(
            "documents", metadata,
            Column("number", Integer, primary_key=True), Column("opaque", Boolean), Column("body", body),
            Column("id", text), Column("parent", text), Column("user", text), Column("attempt", Double),
            Column("priority", Double), Column("retries", Double), Column("locked", Boolean),
        )  # fmt: skip
        self.sides = {
            name: Table(name, metadata, Column("number", Integer), Column("value", value_type, index=True))
            for name, value_type in (("event", Double()), ("tags", text))
        }
        metadata.drop_all(self.connection)
        metadata.create_all(self.connection)
        self.connection.commit()
        self.options: dict[str, Any] = {
            "opaque": table.c.opaque,
            "columns": {
                "id": ColumnSpec(table.c.id, "string", "never"),
                "parent": ColumnSpec(table.c.parent, "string", "empty"),
                "user": ColumnSpec(table.c.user, "string", "unknown"),
                "attempt": ColumnSpec(table.c.attempt, "number", "never"),
                "priority": ColumnSpec(table.c.priority, "number", "unknown"),
                "retries": ColumnSpec(table.c.retries, "number", "unknown"),
                "results.locked": ColumnSpec(table.c.locked, "flag", "never"),
            },
            "multikey": {
                "event": MultikeySpec(self._has("event"), "number", exact=True),
                "tags": MultikeySpec(self._has("tags"), "string", flat=True),
            },
        }

    def _has(self, name: str) -> Any:
        side = self.sides[name]
        return lambda values: exists(
            select(side.c.number).where(side.c.number == self.table.c.number, side.c.value.in_(values))
        )

    def load(self, loaded: list[dict[str, Any]]) -> None:
        self.connection.rollback()
        for table in (self.table, *self.sides.values()):
            self.connection.execute(delete(table))
        self.documents = loaded
        rows = [self._row(number, document) for number, document in enumerate(loaded)]
        statement = insert(self.table)
        self.connection.execute(statement, rows)
        if self.kind == "jsonb":
            self.connection.execute(self.table.update().values(body=func.jsonb(self.table.c.body)))
        for name, side in self.sides.items():
            wanted = (int, float) if name == "event" else str
            values = [
                {"number": number, "value": value}
                for number, document in enumerate(loaded)
                for value in _spread(document.get(name))
                if isinstance(value, wanted) and not isinstance(value, bool) and _fits(value)
            ]
            if values:
                self.connection.execute(insert(side), values)

    def _row(self, number: int, document: dict[str, Any]) -> dict[str, Any]:
        stored = searchable(document, self.dialect)
        return {
            "number": number, "opaque": stored.opaque,
            "body": stored.text.encode() if self.kind == "jsonb" else stored.text,
            "id": document["id"], "parent": document.get("parent"), "user": _scalar(document.get("user"), str),
            "attempt": document["attempt"], "priority": _scalar(document.get("priority"), (int, float)),
            "retries": _scalar(document.get("retries"), (int, float)),
            "locked": matches(parse({"results.locked": True}), document),
        }  # fmt: skip

    def plan(self, query: dict[str, Any], *, columns: bool) -> Plan:
        options = self.options if columns else {"opaque": self.table.c.opaque}
        return compile_query(parse(query), dialect=self.dialect, body=self.table.c.body, **options)

    def find(self, plan: Plan) -> set[int]:
        """Return the numbers of the documents that a plan finds."""
        unsure = plan.needs_residual if plan.needs_residual is not None else None
        columns = [self.table.c.number] if unsure is None else [self.table.c.number, unsure]
        found = set()
        for number, *needs in self.connection.execute(select(*columns).where(plan.where)):
            if not needs or not needs[0] or (plan.residual and plan.residual(self.documents[number], None)):
                found.add(number)
        return found


def _spread(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _fits(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
    return abs(value) <= 2**53


def _scalar(value: Any, kinds: Any) -> Any:
    if not isinstance(value, kinds) or isinstance(value, bool):
        return None
    return value if _fits(value) else None


KINDS = ["sqlite", "sqlite-pysqlite3", "sqlite-jsonb", "postgresql"]


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest) -> Iterator[list[Store]]:
    """A store of each kind: the same random documents and queries go to all, since making them takes longest."""
    with ExitStack() as stack:
        opened = []
        for kind in KINDS:
            if kind == "postgresql":
                cluster = request.getfixturevalue("postgres")
                engine = create_engine(cluster.url(cluster.create()), json_serializer=str)
            elif (module := sqlite3 if kind == "sqlite" else pysqlite3) is None:
                continue
            else:
                engine = create_engine("sqlite://", module=module)
                event.listen(engine, "connect", lambda connection, _: register_sqlite_functions(connection))
            stack.callback(engine.dispose)
            opened.append(Store(stack.enter_context(engine.connect()), kind.rpartition("-")[2]))
        yield opened


def check(stores: list[Store], loaded: list[dict[str, Any]], queries: list[dict[str, Any]]) -> None:
    expected = [{n for n, document in enumerate(loaded) if oracle.matches(query, document)} for query in queries]
    for store in stores:
        store.load(loaded)
        for query, wanted in zip(queries, expected, strict=True):
            for columns in (False, True):
                plan = store.plan(query, columns=columns)
                wrong = store.find(plan) ^ wanted
                assert not wrong, (store.kind, query, [loaded[n] for n in sorted(wrong)], plan.explain())


def test_every_example_query_finds_the_right_example_documents(stores: list[Store]) -> None:
    loaded = [{"id": str(n), "attempt": 1} | document for n, (_, document, _) in enumerate(MATCHES)]
    check(stores, loaded, [query for query, _, _ in MATCHES])


@settings(max_examples=examples(4), deadline=None, suppress_health_check=list(HealthCheck))
@given(loaded=st.lists(documents(), min_size=25, max_size=40), queries=st.lists(QUERIES, min_size=15, max_size=25))
def test_sql_agrees_with_the_oracle(
    stores: list[Store], loaded: list[dict[str, Any]], queries: list[dict[str, Any]]
) -> None:
    check(stores, loaded, queries)


DOCUMENTS: list[dict[str, Any]] = [
    {"id": "1", "attempt": 2, "retries": 2, "event": [9385707, 9385708], "tags": ["x"], "results": {"dm": 0.1}},
    {"id": "2", "attempt": 0, "retries": 2, "event": [9385707], "user": "me", "results": {"locked": True}},
    {"id": "3", "attempt": 1, "retries": None, "event": None, "user": "my\u0000self", "results": {"dm": 20.5}},
    {"id": "4", "attempt": 1, "event": [[9385707]], "user": ["me"], "results": [{"dm": 21}, {"locked": False}]},
    {"id": "5", "attempt": 3, "retries": 3.0, "user": "mei", "parent": "2", "results": {"dm": 2**63 + 1}},
]

EXAMPLES: list[tuple[dict[str, Any], set[str]]] = [
    ({"id": {"$in": ["1", "4"]}}, {"1", "4"}),
    ({"event": [9385707]}, {"2", "4"}),
    ({"event": 9385707}, {"1", "2"}),
    ({"event": {"$in": [9385708, 1]}}, {"1"}),
    ({"tags": {"$in": ["x", "y"]}}, {"1"}),
    ({"results.locked": True}, {"2"}),
    ({"results.locked": False}, {"4"}),
    ({"results.dm": 0.1}, {"1"}),
    ({"results.dm": {"$gt": 20}}, {"3", "4", "5"}),
    ({"results.dm": {"$gt": 2**63}}, {"5"}),
    ({"results.dm": {"$gt": 2**63 + 1}}, set()),
    ({"user": "me"}, {"2", "4"}),
    ({"user": {"$regex": "^me"}}, {"2", "4", "5"}),
    ({"user": "my\0self"}, {"3"}),
    ({"parent": None}, {"1", "2", "3", "4"}),
    ({"parent": {"$in": ["2"]}}, {"5"}),
    ({"$expr": {"$gte": ["$attempt", "$retries"]}}, {"1", "3", "4", "5"}),
    ({"$nor": [{"user": {"$regex": "e.?$"}}, {"event": {"$exists": True}}]}, set()),
]


@pytest.mark.parametrize(
    ("query", "expected"), EXAMPLES, ids=lambda value: str(sorted(value) if isinstance(value, set) else value)[:60]
)
def test_examples(stores: list[Store], query: dict[str, Any], expected: set[str]) -> None:
    for store in stores:
        store.load(DOCUMENTS)
        for columns in (False, True):
            found = store.find(store.plan(query, columns=columns))
            assert {DOCUMENTS[number]["id"] for number in found} == expected


def test_what_columns_say_needs_no_matcher(stores: list[Store]) -> None:
    queries: list[dict[str, Any]] = [
        {"id": {"$in": ["a", "b"]}, "parent": {"$in": ["p"]}, "event": {"$in": [1]}, "attempt": {"$gte": 2.5}},
        {"id": {"$ne": "a"}, "parent": None, "results.locked": {"$ne": True}},
        {"id": {"$regex": "^65fc"}},
    ]
    for store in stores:
        for query in queries:
            plan = store.plan(query, columns=True)
            assert plan.residual is None
            assert plan.needs_residual is None
            assert plan.explain()["exact"]
            assert "body" not in str(plan.where)


def test_explain_tells_who_decides(stores: list[Store]) -> None:
    query = {"id": "1", "event": 1, "tags": ["x"], "user": "me", "a.b": {"$gt": [1]}, "$expr": {"$add": [1, "$a"]}}
    for store in stores:
        explained = store.plan(query, columns=True).explain()
        assert not explained["exact"]
        by = {condition["path"]: condition["by"].removesuffix(" and matcher") for condition in explained["conditions"]}
        assert by == {
            "id": "column", "event": "side table", "tags": "side table and body", "user": "column or body",
            "a.b": "body",
            "$expr": "matcher",
        }  # fmt: skip


def _nested(kind: str, query: dict[str, Any], depth: int) -> dict[str, Any]:
    for _ in range(depth):
        wrapped: dict[str, dict[str, Any]] = {
            "nor": {"$nor": [query, {"z": 1}]},
            "or": {"$or": [{"$and": [query, {"z": 1}]}, {"y": 2}]},
            "elem": {"$or": [{"a.b": {"$elemMatch": query}}, {"z": 1}]},
        }
        query = wrapped[kind]
    return query


@pytest.mark.parametrize("kind", ["nor", "or", "elem"])
@pytest.mark.parametrize("depth", [1, 3, 6, 9])
def test_nested_queries_never_overflow_the_parser(stores: list[Store], kind: str, depth: int) -> None:
    leaves: list[dict[str, Any]] = [
        {"a.b.c.d": {"$gt": 1.5}},
        {"a.0.1.0": {"$in": [[1, "a", 2.5]]}},
        {"a": {"$not": {"$not": {"$elemMatch": {"$not": {"$mod": [3, 1]}}}}}},
    ]
    for leaf in leaves:
        try:
            query = parse(_nested(kind, leaf, depth))
        except InvalidInput:
            continue
        for store in stores:
            table = store.table
            plan = compile_query(query, dialect=store.dialect, body=table.c.body, opaque=table.c.opaque)
            inner = select(table.c.number).where(plan.where, table.c.number > 0).order_by(table.c.number).limit(1)
            chosen = table.c.number.in_(select(inner.subquery().c.number))
            store.connection.execute(table.update().where(chosen).values(opaque=False))
            store.connection.rollback()


@pytest.mark.parametrize(
    "query",
    [
        {"$or": [{"a": number} for number in range(999)]},
        {"$and": [{"a.b": {"$gt": number + 0.5}} for number in range(450)]},
        {"$nor": [{"id": {"$in": [f"{n}-{m}" for m in range(20)]}} for n in range(490)]},
        {"a": {"$in": list(range(5_000))}},
        {"id": {"$in": [str(number) for number in range(5_000)]}},
        {"attempt": {"$in": list(range(5_000))}},
        {"a": {"$all": [[1, "a", 2.5]] * 900}},
        {"$nor": [{"a.0.b.0.c.d.e.f": {"$in": [1.5, "x", [1]]}} for _ in range(400)]},
    ],
    ids=lambda query: str(query)[:40],
)
def test_wide_queries_stay_within_the_limits_of_sql(stores: list[Store], query: dict[str, Any]) -> None:
    for store in stores:
        store.load(DOCUMENTS)
        wanted = {number for number, document in enumerate(DOCUMENTS) if matches(parse(query), document)}
        assert store.find(store.plan(query, columns=True)) == wanted
