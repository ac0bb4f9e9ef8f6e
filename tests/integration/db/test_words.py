"""Words within texts: found on both databases as Python finds them, large or small."""

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import String, literal, not_, or_, select

from entrepot.db import Database
from entrepot.db.words import within

signs = st.sampled_from("aAbBzZ019/%_\\' é")
texts = st.text(signs, max_size=12)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts, st.text(signs, min_size=1, max_size=4))
@example("50% of all", "0%")
@example("a_b", "A_B")
@example("axb", "a_b")
@example("a/b", "/")
def test_a_word_is_found_wherever_it_is(database: Database, text: str, word: str) -> None:
    found = within(literal(text, String()), word)
    with database.read() as session:
        told = session.execute(select(found, not_(found), or_(found, within(literal("q", String()), "Q")))).one()
    is_there = word.lower() in text.lower()
    assert tuple(map(bool, told)) == (is_there, not is_there, True)


@pytest.mark.parametrize("word", ["turbine", "%"])
def test_words_of_two_statements_are_not_mistaken_for_each_other(database: Database, word: str) -> None:
    with database.read() as session:
        for text in ("Turbine 7", "100 %", ""):
            assert bool(session.scalar(select(within(literal(text, String()), word)))) == (word in text.lower())
