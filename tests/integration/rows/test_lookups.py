"""Filters against a plain Python reading of Django's words, on both databases."""

import operator
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from entrepot.errors import InvalidInput
from entrepot.identity import Principal
from entrepot.rows import result_sets, results
from entrepot.rows.filters import RESULT_SETS, ROWS, Entity, compile_filter, find
from entrepot.server.dialects.owi import names
from tests.integration.rows.conftest import Farm, make_principal

WORDS = ["", "a", "A", "ab", "Ab", "aB%", "a_b", "é", "É", "ÉA", "100%", "a,b", "\\", "'", '"x"', "line\nbreak", "ß"]
NAMES = [f"n{word}" for word in WORDS]
STAMPS = [datetime(2026, 3, 31, 12, tzinfo=UTC) + timedelta(days=17 * n, microseconds=n) for n in range(8)]
EPOCH = datetime(2026, 1, 1, tzinfo=UTC).timestamp()

TEXT_LOOKUPS: dict[str, Callable[[str, str], bool]] = {
    "exact": operator.eq,
    "contains": lambda value, given_: given_ in value,
    "startswith": str.startswith,
    "endswith": str.endswith,
    "iexact": lambda value, given_: value.casefold() == given_.casefold(),
    "icontains": lambda value, given_: given_.casefold() in value.casefold(),
    "istartswith": lambda value, given_: value.casefold().startswith(given_.casefold()),
    "iendswith": lambda value, given_: value.casefold().endswith(given_.casefold()),
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "in": lambda value, given_: value in {given_, *given_.split(",")},
    "regex": lambda value, given_: re.search(re.escape(given_), value) is not None,
}
NUMBER_LOOKUPS = {name: TEXT_LOOKUPS[name] for name in ("exact", "gt", "gte", "lt", "lte")}


@pytest.fixture
def stored(farm: Farm) -> tuple[Farm, list[dict[str, Any]]]:
    """A farm with analyses and rows that differ in every field that is asked about, and those rows."""
    with farm.write() as (session, principal):
        made = [
            result_sets.create(
                session,
                principal,
                {
                    "name": name,
                    "model_definition": 12,
                    "location": [None, 435, 436][index % 3],
                    "made_at": STAMPS[index % len(STAMPS)].isoformat(),
                    "extra": {"word": name, "n": index},
                },
            )
            for index, name in enumerate(NAMES)
        ]
        rows = results.create_many(
            session,
            principal,
            [
                farm.row(
                    name,
                    result_set=made[index]["id"],
                    description=[None, *WORDS][index],
                    site=[None, 35, 31][index % 3],
                    location=[None, 435, 436][index % 3],
                    extra=[None, {"t": "BBA01", "n": index, "deep": {"flag": bool(index % 2)}}][index % 2],
                    values1=[index, 0.5, -0.0],
                )
                for index, name in enumerate(NAMES)
            ],
        )
    for index, row in enumerate(rows):
        row |= {"set": made[index], "index": index}
    return farm, rows


def ids(session: Session, principal: Principal, entity: Entity, *asked: tuple[str, str]) -> list[int]:
    words = names.ROW if entity is ROWS else names.ANALYSIS
    filter_ = compile_filter(session, entity, principal.organization_id, asked, words.path)
    return [row[0] for chunk in find(session, [entity.model.id], filter_, ["id"]) for row in chunk]


def expect(
    farm: Farm, rows: list[dict[str, Any]], passes: Callable[[dict[str, Any]], bool], *asked: tuple[str, str]
) -> None:
    with farm.read() as (session, principal):
        found = ids(session, principal, ROWS, *asked)
    assert found == [row["id"] for row in rows if passes(row)], asked


def test_texts(stored: tuple[Farm, list[dict[str, Any]]]) -> None:
    farm, rows = stored

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(lookup=st.sampled_from(sorted(TEXT_LOOKUPS)), text=st.sampled_from(WORDS + NAMES))
    def check(lookup: str, text: str) -> None:
        test = TEXT_LOOKUPS[lookup]
        pattern = re.sub(r"([^\w\s]|_)", r"\\\1", text) if lookup == "regex" else text
        suffix = "" if lookup == "exact" else f"__{lookup}"
        expect(farm, rows, lambda row: test(row["name"], text), (f"short_description{suffix}", pattern))
        expect(
            farm,
            rows,
            lambda row: row["description"] is not None and test(row["description"], text),
            (f"description{suffix}", pattern),
        )
        expect(farm, rows, lambda row: test(row["set"]["name"], text), (f"analysis__name{suffix}", pattern))

    check()


def test_numbers_and_instants(stored: tuple[Farm, list[dict[str, Any]]]) -> None:
    farm, rows = stored

    @settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(lookup=st.sampled_from(sorted(NUMBER_LOOKUPS)), index=st.integers(0, len(NAMES) - 1))
    def check(lookup: str, index: int) -> None:
        test: Any = NUMBER_LOOKUPS[lookup]
        wanted, instant = rows[index]["id"], rows[index]["set"]["made_at"]
        expect(farm, rows, lambda row: test(row["id"], wanted), (f"id__{lookup}", str(wanted)))
        for name in ("analysis__timestamp", "timestamp"):
            for spelled in (instant.isoformat(), str(instant), instant.replace(tzinfo=None).isoformat()):
                expect(farm, rows, lambda row: test(row["set"]["made_at"], instant), (f"{name}__{lookup}", spelled))
        expect(
            farm,
            rows,
            lambda row: test(row["set"]["made_at"].year, 2026),
            (f"timestamp__year__{lookup}", "2026"),
        )
        month = instant.month
        expect(
            farm,
            rows,
            lambda row: test(row["set"]["made_at"].month, month),
            (f"timestamp__month__{lookup}", str(month)),
        )
        date = instant.date()
        expect(
            farm,
            rows,
            lambda row: test(row["set"]["made_at"].date(), date),
            (f"timestamp__date__{lookup}", str(date)),
        )
        expect(farm, rows, lambda row: test(row["index"], index), (f"value_col1__0__{lookup}", str(index)))

    check()


def test_relations_json_and_vectors(stored: tuple[Farm, list[dict[str, Any]]]) -> None:
    farm, rows = stored
    third = [row for row in rows if row["index"] % 3 == 1]
    one, two = rows[3]["id"], rows[5]["id"]
    cases: list[tuple[Callable[[dict[str, Any]], bool], tuple[tuple[str, str], ...]]] = [
        (lambda row: row["id"] in (one, two), (("id__in", f"{one},{two}"),)),
        (lambda row: row["id"] in (one, two), (("id__in", str(one)), ("id__in", str(two)))),
        (lambda row: row["id"] in (one, two), (("pk", str(one)), ("pk", str(two)))),
        (lambda row: one <= row["id"] <= two, (("id__range", f"{one},{two}"),)),
        (lambda row: row["location_id"] == 435, (("location", "435"),)),
        (lambda row: row["location_id"] == 435, (("location__id", "435.0"),)),
        (lambda row: row["location_id"] == 435, (("location__title", "BBA01"),)),
        (lambda row: row["location_id"] == 435, (("location__title__icontains", "bba01"),)),
        (lambda row: row["location_id"] is not None, (("location__projectsite__title", "Belwind"),)),
        (lambda row: row["location_id"] is None, (("location__isnull", "True"),)),
        (lambda row: row["location_id"] is None, (("location__title__isnull", "1"),)),
        (lambda row: row["location_id"] is not None, (("location__isnull", "False"),)),
        (lambda row: row["site_id"] == 31, (("site__slug", "nobelwind"),)),
        (lambda row: row["set"]["location_id"] == 436, (("analysis__location__title__regex", "^BBA0[2-9]$"),)),
        (lambda _: True, (("project__title", "Belwind"),)),
        (lambda _: True, (("model_definition__project__projectsite__slug", "belwind"),)),
        (lambda _: False, (("model_definition__title", "as-designed Belwind"),)),
        (lambda row: row in third, (("location__id", "435"), ("site", "35"))),
        (lambda row: row["index"] == 3, (("additional_data__n", "3"),)),
        (lambda row: row["index"] in (3, 5), (("additional_data__n__in", "3,5"),)),
        (lambda row: row["index"] % 2 == 1 and row["index"] > 6, (("additional_data__n__gt", "6"),)),
        (lambda row: row["index"] % 2 == 1, (("additional_data__deep__flag", "True"),)),
        (lambda row: row["index"] % 2 == 1, (("additional_data__contains", '{"t":"BBA01","deep":{"flag":true}}'),)),
        (lambda row: row["index"] % 2 == 1, (("additional_data__t__startswith", "BBA"),)),
        (lambda row: row["index"] % 2 == 0, (("additional_data__n__isnull", "True"),)),
        (lambda row: row["index"] == 4, (("analysis__additional_data__n", "4"),)),
        (lambda row: row["index"] == 4, (("value_col1__contains", "4"),)),
        (lambda row: row["index"] == 4, (("value_col1", "[4, 0.5, 0]"),)),
        (lambda _: True, (("value_col1__len", "3"),)),
        (lambda _: False, (("value_col1__7", "1"),)),
        (lambda _: True, (("value_col3__isnull", "True"),)),
        (lambda _: True, (("related_object__isnull", "True"),)),
        (lambda _: False, (("related_object__type", "shm.sensor"),)),
    ]  # fmt: skip
    for passes, asked in cases:
        expect(farm, rows, passes, *asked)


def test_windows_of_time(farm: Farm) -> None:
    with farm.write() as (session, principal):
        made = results.create_many(
            session,
            principal,
            [
                farm.row("epochs", name1="timestamp", values1=[EPOCH, EPOCH + 3600, EPOCH + 7200]),
                farm.row("others"),
            ],
        )
        result_sets.patch(session, principal, farm.result_set, {"made_at": "2026-01-01T00:30:00Z"})
    epochs, others = (row["id"] for row in made)
    for start, stop, expected in (
        ("2026-01-01T00:00:00+00:00", None, [epochs, others]),
        ("2026-01-01T01:00:00Z", None, [epochs]),
        ("2026-01-01T01:01:00Z", "2026-01-01T01:59:00Z", []),
        (None, "2025-12-31", []),
        ("2026-01-01T00:10:00Z", "2026-01-01T00:40:00Z", [others]),
    ):
        bounds = (("additional_data__timestamp_from", start), ("additional_data__timestamp_to", stop))
        with farm.read() as (session, principal):
            asked = [(name, text) for name, text in bounds if text is not None]
            assert ids(session, principal, ROWS, *asked) == expected, asked


@pytest.mark.pairs
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nonsense", "1"),
        ("analysis__location__nonsense", "1"),
        ("id", "x"),
        ("id__range", "1"),
        ("name_col1__date", "2026-01-01"),
        ("analysis__timestamp", "soon"),
        ("short_description__regex", "("),
        ("short_description__regex", r"(a)\1"),
        ("short_description", "a\0"),
        ("location__isnull", "perhaps"),
        ("additional_data__timestamp_from", "soon"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(farm: Farm, name: str, text: str) -> None:
    with farm.read() as (session, principal), pytest.raises(InvalidInput) as refused:
        ids(session, principal, ROWS, (name, text))
    assert list(refused.value.fields) == [name]


def test_others_rows_are_not_found_whatever_is_asked(stored: tuple[Farm, list[dict[str, Any]]]) -> None:
    farm, rows = stored
    stranger = make_principal(farm.database, "Others")
    with farm.database.read() as session:
        for asked in (
            [],
            [("id", str(rows[0]["id"]))],
            [("analysis__name__icontains", "n")],
            [("value_col1__len", "3")],
        ):
            assert ids(session, stranger, ROWS, *asked) == []
        assert ids(session, stranger, RESULT_SETS) == []


def test_huge_ids_find_nothing(farm: Farm) -> None:
    with farm.read() as (session, principal):
        assert ids(session, principal, ROWS, ("id", "9" * 30)) == []
