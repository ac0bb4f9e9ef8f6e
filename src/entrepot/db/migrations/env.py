"""What Alembic runs for each command: it works on the connection that `entrepot.db.migrate` gives it.

It compares with the tables of the models that whoever runs it imported: the database lies below those who have tables.
"""

from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext

from entrepot.db.types import Base


def render_item(kind: str, item: Any, autogen: AutogenContext) -> str | Literal[False]:
    """Write the project's own column types (which take no parameters) by their names: they suit every database."""
    if kind == "type" and type(item).__module__.startswith("entrepot."):
        autogen.imports.add(f"import {type(item).__module__}")
        return f"{type(item).__module__}.{type(item).__name__}()"
    return False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_item=render_item,
    render_as_batch=True,
    compare_type=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
