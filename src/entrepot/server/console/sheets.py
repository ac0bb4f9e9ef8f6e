"""Tables that people edit in bulk: text with tabs, as spreadsheets copy and paste it, with a row of names above."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from entrepot.errors import InvalidInput

_MOST_ROWS = 5000


@dataclass(frozen=True)
class SheetColumn:
    """A column: its name in the text, what is written above it, and what to choose from, where that is a choice."""

    name: str
    label: str
    choices: Sequence[str] = ()
    proposed: Sequence[str] = ()


@dataclass(frozen=True)
class Sheet:
    """A table of a form: how it is sent and called, its columns, its text, and what was wrong in which cell."""

    name: str
    label: str
    columns: Sequence[SheetColumn]
    text: str
    wrong: Mapping[str, str]

    @property
    def about(self) -> str:
        """The columns as the element that shows them takes them."""
        return orjson.dumps(self.columns).decode()

    @property
    def wrong_cells(self) -> str:
        """What was wrong, as the element takes it: by ``<row>.<column>``, or ``<row>``."""
        return orjson.dumps(self.wrong).decode()

    @property
    def told(self) -> Sequence[str]:
        """What was wrong, in words."""
        return [
            f"Row {int(where.partition('.')[0]) + 1}, {where.partition('.')[2] or 'as a whole'}: {why}"
            for where, why in self.wrong.items()
        ]


def written(names: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """Return rows as text with tabs."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, dialect="excel-tab", lineterminator="\n")
    writer.writerow(names)
    writer.writerows([row.get(name, "") for name in names] for row in rows)
    return text.getvalue()


def rows_of(text: str, names: Sequence[str], field: str) -> list[dict[str, str]]:
    """Return the rows of a text with tabs, by the names in its first row; empty rows count for nothing.

    Raises
    ------
    InvalidInput
        Names the field: this is no such table.
    """
    rows = list(csv.reader(io.StringIO(text.replace("\r\n", "\n"), newline=""), dialect="excel-tab", strict=False))
    if len(rows) > _MOST_ROWS:
        raise InvalidInput.field(field, f"At most {_MOST_ROWS} rows.")
    above = [one.strip() for one in rows[0]] if rows else []
    if strange := [one for one in above if one not in names]:
        raise InvalidInput.field(field, f"There is no column {strange[0]!r}; there are {', '.join(names)}.")
    if len(set(above)) < len(above):
        raise InvalidInput.field(field, "Two columns have the same name.")
    found = []
    for number, row in enumerate(rows[1:]):
        if len(row) > len(above):
            raise InvalidInput.field(f"{field}.{number}", "It has more cells than there are columns.")
        if any(cell.strip() for cell in row):
            found.append(dict(zip(above, [*row, *[""] * (len(above) - len(row))], strict=True)))
    return found


def wrong_cells(field: str, fields: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return what is wrong in the cells of a table, of what is wrong in a form."""
    prefix = f"{field}."
    return {name.removeprefix(prefix): " ".join(why) for name, why in fields.items() if name.startswith(prefix)}


def plain(value: Any) -> str:
    """Return a value as a cell has it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.12g}" if isinstance(value, float) else str(value)
