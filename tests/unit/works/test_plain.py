"""What is told to be plain at a glance is what the close look would leave as it is."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.errors import InvalidInput
from entrepot.works import document as documents
from entrepot.works.model import runnable
from entrepot.works.plain import is_plain

_SPOILT: list[Any] = [
    *(None, True, 0, -1, 6, 2.5, math.nan, 2**53 + 1, 259_201),
    *("", "5", "a\0b", "a_b", "é", "\ud800", "true"),
    *([], ["x"], [True], [2**60], [1.5]),
    *({}, {"results": "true"}, {"parent": "\0"}, {"orgs": [1]}, {"_env_file": "x"}, {"archive": {"logs": "no"}}),
    *({"slack": {"results": "yes"}}, {"slack": {"new": 1}}, {"slack": {"message": "hello"}}),
]
_FIELDS = [*documents.completed({"pipeline": "p"}), "command", "function", "http", "_env_file", "inputs", "unknown"]


def _work() -> dict[str, Any]:
    return documents.completed({"pipeline": "beam-former", "site": "chime", "user": "anna", "function": "a.b"})


def test_an_ordinary_work_is_plain_before_and_after_its_run() -> None:
    ended = {"status": "success", "start": 1.5, "stop": 2, "results": {"snr": 12.5}, "tags": ["a"], "event": [1]}
    assert is_plain(_work())
    assert is_plain(_work() | ended)
    assert not is_plain(_work() | {"attempt": "1"})


@given(st.dictionaries(st.sampled_from(_FIELDS), st.sampled_from(_SPOILT), max_size=3))
def test_what_is_plain_is_left_as_it_is_by_the_close_look(spoilt: dict[str, Any]) -> None:
    document = documents.completed(_work() | spoilt)
    if is_plain(document):
        assert repr(runnable(document)) == repr(document)
        documents.check(document)


@pytest.mark.parametrize("name", _FIELDS)
def test_each_value_of_each_field_is_refused_or_left_as_it_is(name: str) -> None:
    for value in _SPOILT:
        document = documents.completed(_work() | {name: value})
        try:
            read = runnable(document)
            documents.check(read)
        except InvalidInput:
            assert not is_plain(document), value
        else:
            assert not is_plain(document) or repr(read) == repr(document), value
