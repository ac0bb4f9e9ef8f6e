"""The matcher against the oracle, on random documents and queries."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from entrepot.works.query import matches, parse
from tests.unit.works.query import oracle
from tests.unit.works.query.strategies import QUERIES, documents, examples


@settings(max_examples=examples(25), deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(documents(), min_size=10, max_size=25), st.lists(QUERIES, min_size=10, max_size=25))
def test_the_matcher_agrees_with_the_oracle(documents, queries):
    for query in queries:
        parsed = parse(query)
        for document in documents:
            assert matches(parsed, document) == oracle.matches(query, document), (query, document)
