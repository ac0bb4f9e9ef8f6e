"""MongoDB queries, compiled to SQL for SQLite and PostgreSQL and exact whatever SQL can say.

``parse`` checks a query, ``compile_query`` turns it into a `Plan`, ``matches`` is the exact matcher,
``parse_projection`` selects fields, ``searchable`` says what a store keeps for the database to search in.
"""

from entrepot.works.query.columns import ColumnSpec, MultikeySpec
from entrepot.works.query.compile import Plan, compile_query
from entrepot.works.query.match import matches
from entrepot.works.query.nodes import Query
from entrepot.works.query.parse import OPERATORS, parse
from entrepot.works.query.projection import parse as parse_projection
from entrepot.works.query.searchable import Searchable, searchable
from entrepot.works.query.sqlite import register_sqlite_functions
from entrepot.works.query.steps import Steps

__all__ = [
    "OPERATORS",
    "ColumnSpec",
    "MultikeySpec",
    "Plan",
    "Query",
    "Searchable",
    "Steps",
    "compile_query",
    "matches",
    "parse",
    "parse_projection",
    "register_sqlite_functions",
    "searchable",
]
