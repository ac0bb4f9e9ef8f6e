"""Creating, matching, changing, deleting and locking rows."""

import struct
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from entrepot import lineage
from entrepot.errors import Forbidden, InvalidInput, Locked, NotFound
from entrepot.events import Event
from entrepot.identity import Principal, Role
from entrepot.lineage import Link
from entrepot.rows import Row, result_sets, results
from entrepot.rows.checks import InvalidRows
from entrepot.rows.vectors import listed, unpack
from entrepot.server.dialects.owi.names import ROW
from tests.integration.rows.conftest import Farm, make_principal
from tests.support.cases import Case


def stored_count(farm: Farm) -> int:
    with farm.read() as (session, _):
        return int(session.scalar(select(func.count()).select_from(Row)) or 0)


def test_many_rows_come_back_in_the_order_given_with_ids_that_rise(farm: Farm) -> None:
    with farm.write() as (session, principal):
        made = results.create_many(session, principal, [farm.row(f"row {n}") for n in (3, 1, 2)])
    assert [row["name"] for row in made] == ["row 3", "row 1", "row 2"]
    assert [row["id"] for row in made] == sorted({row["id"] for row in made})
    assert made[0]["slug"] == f"belwind_bba01_lifetimedesignfrequencies_{farm.result_set}_row-3_{made[0]['id']}"
    with farm.read() as (session, principal):
        assert [results.get(session, principal, row["id"]) for row in made] == made


def test_ids_of_deleted_rows_do_not_come_back(farm: Farm) -> None:
    with farm.write() as (session, principal):
        first = results.create(session, principal, farm.row())
        results.remove(session, principal, [first["id"]])
    with farm.write() as (session, principal):
        assert results.create(session, principal, farm.row())["id"] > first["id"]


BAD_ROWS: list[tuple[dict[str, Any], dict[str, list[str]]]] = [
    ({"values2": [1.0]}, {"values2": ["All value columns must have the same length."]}),
    ({"values1": []}, {"values1": ["This list may not be empty."]}),
    ({"values1": [1, True, 2]}, {"values1": ["Item 1: a valid number is required."]}),
    ({"values1": [None, "", 2]}, {"values1": ["Item 1: a valid number is required."]}),
    ({"values1": [None, 10**400, 2]}, {"values1": ["Item 1: the number is too large."]}),
    ({"values1": [1, 2, float("inf")]}, {"values1": ["Item 2: the number must be finite."]}),
    ({"values1": [1, float("nan"), 2]}, {"values1": ["Item 1: the number must be finite."]}),
    ({"values1": "1"}, {"values1": ['Expected a list of items but got type "str".']}),
    ({"values1": ...}, {"values1": ["This field is required."]}),
    ({"name1": None}, {"name1": ["This field may not be null."]}),
    ({"name1": " "}, {"name1": ["This field may not be blank."]}),
    ({"name": "a\0b"}, {"name": ["Null characters are not allowed."]}),
    (
        {"values3": [1, 2, 3]},
        {"name3": ["This field is required."], "unit3": ["This field is required."]},
    ),
    ({"name3": "x"}, {"name3": ["This must be null where there are no values."]}),
    (
        {"values3": [1], "name3": "x", "unit3": ""},
        {"values3": ["All value columns must have the same length."]},
    ),
    (
        {"about": {"type": "shm.sensor"}},
        {"about": ["Expected an object with exactly type and id."]},
    ),
    ({"extra": []}, {"extra": ["Expected an object but got type list."]}),
    ({"result_set": 999}, {"result_set": ['Invalid pk "999" - object does not exist.']}),
    ({"site": 999}, {"site": ['Invalid pk "999" - object does not exist.']}),
    ({"location": "x"}, {"location": ["Incorrect type. Expected pk value, received str."]}),
    (
        {"location": None, "extra": {"result_scope": "location"}},
        {"location": ["This is required by the result_scope 'location'."]},
    ),
]


def test_a_bad_row_is_refused_by_row_and_field_and_leaves_nothing(farm: Farm) -> None:
    for fields, errors in BAD_ROWS:
        rows = [farm.row(f"row {n}") for n in range(50)]
        rows[17] = farm.row("bad", **fields)
        for verb in (results.create_many, results.upsert_many):
            with pytest.raises(InvalidInput) as refused, farm.write() as (session, principal):
                verb(session, principal, rows)
            assert isinstance(refused.value, InvalidRows)
            assert refused.value.rows == {17: errors}
            assert set(refused.value.fields) == {f"17.{name}" for name in errors}
    assert stored_count(farm) == 0


def test_both_site_and_location_may_be_null_and_a_third_vector_empty(farm: Farm) -> None:
    with farm.write() as (session, principal):
        row = results.create(session, principal, farm.row(site=None, location=None, values3=[]))
    assert (row["site_id"], row["location_id"], row["values3"]) == (None, None, None)


def test_create_or_update_matches_within_the_analysis_and_says_what_it_did(farm: Farm) -> None:
    with farm.write() as (session, principal):
        first = results.create(session, principal, farm.row("a", description="kept"))
    with farm.write() as (session, principal):
        rows, summary = results.upsert_many(
            session,
            principal,
            [farm.row("b"), {"result_set": farm.result_set, "name": "a", "values2": [7.0, 8.0, 9.0]}],
        )
    assert [(one["name"], one["action"]) for one in summary] == [("b", "created"), ("a", "updated")]
    assert summary[1]["id"] == first["id"]
    assert unpack(rows[1]["values2"]).tolist() == [7.0, 8.0, 9.0]
    with farm.read() as (session, principal):
        again = results.get(session, principal, first["id"])
    assert again["description"] == "kept"
    assert again == rows[1]


def test_create_or_update_twice_changes_nothing_the_second_time(farm: Farm) -> None:
    payloads = [farm.row(f"row {n}") for n in range(5)]
    outcomes = []
    for _ in range(2):
        with farm.write() as (session, principal):
            outcomes.append(results.upsert_many(session, principal, payloads))
        with farm.read() as (session, _):
            events = session.scalar(select(func.count()).where(Event.type == "row"))
    (first, created), (second, updated) = outcomes
    assert first == second
    assert {one["action"] for one in created} == {"created"}
    assert {one["action"] for one in updated} == {"updated"}
    assert events == 5


def test_ambiguous_matches_are_refused(farm: Farm) -> None:
    with farm.write() as (session, principal):
        results.create_many(session, principal, [farm.row("twice"), farm.row("twice"), farm.row("once")])
    for payloads in ([farm.row("twice")], [farm.row("new"), farm.row("new")]):
        with pytest.raises(InvalidInput, match="several rows of the same name"), farm.write() as (session, principal):
            results.upsert_many(session, principal, payloads)
    with farm.write() as (session, principal):
        results.upsert_many(session, principal, [farm.row("once")])
    assert stored_count(farm) == 3


def test_rows_are_created_as_told(farm: Farm) -> None:
    """The case `rows-sent-twice`: equal rows are as many as were sent, and then ambiguous."""
    case = Case("rows-sent-twice")
    sent, right = case.json("rows.json"), case.json("expected.json")
    bulk, alone = ([farm.row(**ROW.received(row)) for row in sent[name]] for name in ("bulk", "then_one_by_one"))
    counts = []
    for send in (bulk, alone, bulk):
        with farm.write() as (session, principal):
            if len(send) == 1:
                results.create(session, principal, send[0])
            else:
                results.create_many(session, principal, send)
            found = session.scalars(select(Row.name)).all()
            counts.append({name: found.count(name) for name in right["after_the_bulk"]})
    assert counts == [right[name] for name in ("after_the_bulk", "after_the_single_one", "after_the_bulk_again")]
    with pytest.raises(InvalidInput, match="leg A"), farm.write() as (session, principal):
        results.upsert_many(session, principal, bulk[:1])


def test_a_patch_checks_the_merged_row(farm: Farm) -> None:
    third = {"values3": [1, 2, 3], "name3": "x", "unit3": "m"}
    with farm.write() as (session, principal):
        row = results.create(session, principal, farm.row(**third, extra={"b": 1, "a": 2.0}))
    with pytest.raises(InvalidRows) as refused, farm.write() as (session, principal):
        results.patch(session, principal, row["id"], {"values1": [1, 2], "values2": [1, 2]})
    assert refused.value.rows[0] == {"values3": ["All value columns must have the same length."]}
    cleared = dict.fromkeys(third) | {"values1": [1, 2], "values2": [1, 2], "location": 436, "slug": "mine"}
    with farm.write() as (session, principal):
        changed = results.patch(session, principal, row["id"], cleared)
    assert (changed["values3"], changed["location_id"], changed["slug"]) == (None, 436, row["slug"])
    assert changed["extra"] == '{"b":1,"a":2.0}'


def test_locked_rows_and_rows_of_locked_analyses_do_not_change(farm: Farm) -> None:
    with farm.write() as (session, principal):
        row = results.create(session, principal, farm.row())
        assert results.set_locked(session, principal, [row["id"]], locked=True) == 1
        assert results.set_locked(session, principal, [row["id"]], locked=True) == 0
    verbs: list[Any] = [
        lambda session, principal: results.patch(session, principal, row["id"], {"description": "x"}),
        lambda session, principal: results.upsert_many(session, principal, [farm.row(description="x")]),
        lambda session, principal: results.remove(session, principal, [row["id"]]),
        lambda session, principal: result_sets.remove(session, principal, farm.result_set),
    ]
    for verb in verbs:
        with pytest.raises(Locked), farm.write() as (session, principal):
            verb(session, principal)
    with farm.write() as (session, principal):
        results.set_locked(session, principal, [row["id"]], locked=False)
        result_sets.set_locked(session, principal, farm.result_set, locked=True)
    verbs.append(lambda session, principal: results.create(session, principal, farm.row("new")))
    verbs.append(
        lambda session, principal: result_sets.patch(session, principal, farm.result_set, {"description": "x"})
    )
    for verb in verbs:
        with pytest.raises(Locked), farm.write() as (session, principal):
            verb(session, principal)
    with farm.write() as (session, principal):
        result_sets.set_locked(session, principal, farm.result_set, locked=False)
        verbs[0](session, principal)


def test_events_and_lineage_go_with_the_rows(farm: Farm) -> None:
    with farm.write() as (session, principal):
        lineage.begin_run(session, "run-1", "analysis", "x", organization_id=principal.organization_id)
        lineage.read(session, "run-1", "series", "s-1", 0, 10)
        by_run, uploaded = (
            results.create_many(session, principal, [farm.row("a")], run_id="run-1")[0],
            results.create(session, principal, farm.row("b")),
        )
    with farm.read() as (session, _):
        (explained,) = lineage.explain(session, "row", str(by_run["id"]))
        assert (explained["run"], explained["inputs"][0]["id"]) == ("run-1", "s-1")
        (explained,) = lineage.explain(session, "row", str(uploaded["id"]))
        assert explained["generator"] == {"kind": "upload", "id": "ada"}
        events = session.execute(select(Event.action, Event.object_id).where(Event.type == "row")).all()
        assert events == [("created", str(by_run["id"])), ("created", str(uploaded["id"]))]
    with farm.write() as (session, principal):
        results.remove(session, principal, [by_run["id"]])
    with farm.read() as (session, _):
        assert session.scalars(select(Link.result_id).where(Link.kind == "row")).all() == [str(uploaded["id"])]


def test_strangers_see_nothing_and_readers_write_nothing(farm: Farm) -> None:
    with farm.write() as (session, principal):
        row = results.create(session, principal, farm.row())
    stranger = make_principal(farm.database, "Others")
    with farm.database.write() as session:
        for verb in (
            results.get,
            lambda s, p, i: results.remove(s, p, [i]),
            lambda s, p, i: results.patch(s, p, i, {}),
        ):
            with pytest.raises(NotFound):
                verb(session, stranger, row["id"])
        with pytest.raises(InvalidRows):
            results.create(session, stranger, farm.row())
    own = farm.principal.organization_id
    reader = Principal("", "eve", own, {own: Role.READER})
    with farm.database.write() as session, pytest.raises(Forbidden):
        results.create(session, reader, farm.row())


FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(data=st.data())
def test_any_valid_row_round_trips_to_the_bit(farm: Farm, data: st.DataObject) -> None:
    length = data.draw(st.integers(1, 8))
    vectors = [data.draw(st.lists(FINITE | st.none(), min_size=length, max_size=length)) for _ in range(3)]
    fields: dict[str, Any] = {"values1": vectors[0], "values2": vectors[1]}
    if data.draw(st.booleans()):
        fields |= {"values3": vectors[2], "name3": "third", "unit3": data.draw(TEXT)}
    fields["description"] = data.draw(st.none() | TEXT)
    fields["unit1"] = data.draw(TEXT)
    with farm.write() as (session, principal):
        id_ = results.create(session, principal, farm.row(**fields))["id"]
    with farm.read() as (session, principal):
        row = results.get(session, principal, id_)
    for name in ("values1", "values2", "values3"):
        sent = fields.get(name)
        assert (None if row[name] is None else listed(row[name])) == sent
        if sent is not None and None not in sent:
            assert row[name] == struct.pack(f"<{length}d", *sent)
    assert (row["description"], row["unit1"]) == (fields["description"], fields["unit1"])


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(values=st.dictionaries(TEXT.filter(str.strip), st.lists(FINITE, min_size=1, max_size=4), max_size=6))
def test_create_or_update_again_changes_nothing_whatever_the_rows(farm: Farm, values: dict[str, list[float]]) -> None:
    rows = [farm.row(short, values1=vector, values2=vector[::-1]) for short, vector in values.items()]
    with farm.write() as (session, principal):
        first, _ = results.upsert_many(session, principal, rows)
    with farm.read() as (session, _):
        events = session.scalar(select(func.count()).select_from(Event))
    with farm.write() as (session, principal):
        again, summary = results.upsert_many(session, principal, rows)
    assert again == first
    assert {one["action"] for one in summary} <= {"updated"}
    with farm.read() as (session, _):
        assert session.scalar(select(func.count()).select_from(Event)) == events


def test_a_bad_row_among_thousands_leaves_nothing_behind(farm: Farm) -> None:
    rows = [farm.row(f"row {number}") for number in range(3000)]
    rows[2345] = farm.row("bad", values2=[1.0])
    for verb in (results.create_many, results.upsert_many):
        with farm.write() as (session, principal), pytest.raises(InvalidRows) as caught:
            verb(session, principal, rows)
        assert list(caught.value.rows) == [2345]
        with farm.read() as (session, _):
            assert session.scalar(select(func.count()).select_from(Row)) == 0
            assert not session.scalars(select(Event).where(Event.type == "row")).all()
