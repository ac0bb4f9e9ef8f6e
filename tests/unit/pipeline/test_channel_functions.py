"""The functions of a channel as one text, and out of it."""

from hypothesis import given
from hypothesis import strategies as st

from entrepot.pipeline.cleaning.function_texts import joined, parted
from entrepot.pipeline.cleaning.spec import FUNCTIONS
from entrepot.pipeline.models import Channel

LINES = st.sampled_from(["def fct(value):", "    return value", "", "#: keep, 2 lines", "#: custom, 0 lines", "\r"])
TEXTS = st.lists(LINES, min_size=1).map("\n".join)


@given(st.dictionaries(st.sampled_from(FUNCTIONS), TEXTS))
def test_functions_come_out_of_a_version_as_they_went_in(functions: dict[str, str]) -> None:
    channel = Channel(**{name: functions.get(name) for name in FUNCTIONS})
    assert parted(joined(channel)) == {name: functions.get(name, "") for name in FUNCTIONS}
