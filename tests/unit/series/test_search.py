"""The search among few keys."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from entrepot.series.search import count_upto

NUMBERS = st.lists(st.integers(-9, 9), max_size=12).map(lambda n: np.array(n, np.int64))


@given(NUMBERS, NUMBERS, st.booleans())
def test_counts(keys, values, in_order):
    keys, values = np.sort(keys), np.sort(values) if in_order else values
    assert count_upto(keys, values).tolist() == [sum(k <= v for k in keys.tolist()) for v in values.tolist()]
