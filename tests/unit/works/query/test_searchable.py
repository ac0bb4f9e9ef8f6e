"""What the store keeps to search in."""

import json
from typing import Any

import pytest

from entrepot.errors import InvalidInput
from entrepot.works.query import searchable


def test_a_usual_document_is_its_own_text() -> None:
    document = {"b": 1, "a": [1.0, "é😀", None, 2**70, 1e-7]}
    for dialect in ("sqlite", "postgresql"):
        stored = searchable(document, dialect)
        assert not stored.opaque
        assert stored.text == '{"b":1,"a":[1.0,"é😀",null,1180591620717411303424,1e-7]}'
        assert json.loads(stored.document) == document


def test_postgresql_gets_the_exact_digits_of_doubles() -> None:
    text = searchable({"a": 1e23, "b": "1e+23"}, "postgresql").text
    assert text == '{"a":99999999999999991611392.0,"b":"1e+23"}'
    assert json.loads(text) == {"a": 1e23, "b": "1e+23"}


@pytest.mark.parametrize("text", ["a\0", "\ud800"])
@pytest.mark.parametrize("as_key", [False, True])
def test_what_databases_cannot_hold_is_opaque(text: str, as_key: bool) -> None:
    document = {"a": [{text: 1} if as_key else text]}
    assert searchable(document, "postgresql").opaque
    assert searchable(document, "sqlite").text == "{}"


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(InvalidInput):
        searchable({"a": float("inf")}, "sqlite")
    deep: list[Any] = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(InvalidInput, match="deeper"):
        searchable({"a": deep}, "sqlite")
