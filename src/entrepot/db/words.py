"""Words that are found within texts, be they written large or small."""

from typing import Any

from sqlalchemy import Boolean, ColumnElement
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.sql.functions import FunctionElement


class _Within(FunctionElement[bool]):
    inherit_cache = True
    type = Boolean()

    def self_group(self, against: Any = None) -> Any:
        """Stand in a condition as it is, rather than compared with 1."""
        return self


def within(column: ColumnElement[str] | InstrumentedAttribute[str], word: str) -> ColumnElement[bool]:
    """Return the condition that a word is somewhere in a text; on SQLite, only letters of ASCII are large or small."""
    for sign in "/%_":
        word = word.replace(sign, f"/{sign}")
    return _Within(column, f"%{word}%")


@compiles(_Within, "sqlite")
def _within_sqlite(element: _Within, compiler: Any, **options: Any) -> str:
    # LIKE heeds no case there: `lower()`, which SQLAlchemy would have it say, makes two copies of each text.
    return _compared(element, "LIKE", compiler, options)


@compiles(_Within, "postgresql")
def _within_postgresql(element: _Within, compiler: Any, **options: Any) -> str:
    return _compared(element, "ILIKE", compiler, options)


def _compared(element: _Within, operator: str, compiler: Any, options: dict[str, Any]) -> str:
    column, pattern = (compiler.process(clause, **options) for clause in element.clauses)
    return f"{column} {operator} {pattern} ESCAPE '/'"
