"""Tables that people edit in bulk: what was written is read back, whatever is in the cells."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entrepot.errors import InvalidInput
from entrepot.server.console import sheets

NAMES = ("raw", "name", "unit")
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=20)
ROWS = st.lists(st.fixed_dictionaries(dict.fromkeys(NAMES, CELLS)), max_size=8)


@given(ROWS)
def test_a_table_is_read_as_it_was_written_less_its_empty_rows(rows: list[dict[str, str]]) -> None:
    wanted = [row for row in rows if any(cell.strip() for cell in row.values())]
    assert sheets.rows_of(sheets.written(NAMES, rows), NAMES, "table") == wanted


def test_columns_may_be_fewer_and_in_another_order_and_lines_end_as_browsers_end_them() -> None:
    found = sheets.rows_of('unit\traw\r\nm/s\t"a\tb"\r\n\t\r\nkW\r\n', NAMES, "table")
    assert found == [{"unit": "m/s", "raw": "a\tb"}, {"unit": "kW", "raw": ""}]


@pytest.mark.parametrize(
    ("text", "field"),
    [("raw\tcolour\n", "t"), ("raw\traw\n", "t"), ("raw\na\nb\tc\n", "t.1"), ("raw\n" + "a\n" * 5001, "t")],
)
def test_what_is_no_such_table_is_refused_and_the_row_is_named(text: str, field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        sheets.rows_of(text, NAMES, "t")
    assert list(refused.value.fields) == [field]
