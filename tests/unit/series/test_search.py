"""The search among few keys."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from entrepot.series.search import count_upto

NUMBERS = st.lists(st.integers(-9, 9), max_size=12).map(lambda n: np.array(n, np.int64))


@given(NUMBERS, NUMBERS, st.booleans())
def test_counts(keys: list[int], values: list[int], in_order: bool) -> None:
    given, asked = np.sort(keys), np.sort(values) if in_order else np.asarray(values)
    assert count_upto(given, asked).tolist() == [sum(k <= v for k in given.tolist()) for v in asked.tolist()]
