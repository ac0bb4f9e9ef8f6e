"""hours that a clock showed twice, and the importers of series that clients push to."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from entrepot.db.types import Instant, Json, new_id, now

revision = "3e8d5b07c1fa"
down_revision = "7c1d94be03f5"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("importer", schema=None) as batch_op:
        batch_op.add_column(sa.Column("repeated_hour", sa.String(length=10), nullable=False, server_default="order"))
    with op.batch_alter_table("importer", schema=None) as batch_op:
        batch_op.alter_column("repeated_hour", server_default=None)
    with op.batch_alter_table("imported_file", schema=None) as batch_op:
        batch_op.add_column(sa.Column("open_hours", Json(), nullable=True))
    _give_importers()


def _give_importers() -> None:
    """Give the series that were pushed before there were importers of them one for each project."""
    connection = op.get_bind()
    series = _table(
        "series", "project_id", "organization_id", "generator_kind", "generator_id", "name", pushed=sa.Boolean()
    )
    direct = series.c.generator_id.is_(None), series.c.generator_kind == "direct", series.c.project_id != "discarded"
    projects = sa.select(series.c.project_id, series.c.organization_id).where(*direct).distinct()
    labels = _table("importer_series", "id", "importer_id", "external_name", created=Instant())
    for project, organization in connection.execute(projects).all():
        of_project = (*direct, series.c.project_id == project)
        names = connection.scalars(sa.select(series.c.name).where(*of_project)).all()
        importer = _importer(connection, project, organization)
        rows = [{"id": new_id(), "created": now(), "importer_id": importer, "external_name": name} for name in names]
        connection.execute(sa.insert(labels), rows)
        given = {"generator_kind": "importer", "generator_id": importer, "pushed": True}
        connection.execute(sa.update(series).where(*of_project).values(given))


def _importer(connection: sa.Connection, project: str, organization: str) -> str:
    """Make an importer without a gate, and its cleaner, by the name that later ones have, if it is free."""
    owner = {"created": now(), "project_id": project, "organization_id": organization, "comment": ""}
    texts = {"crontab": "", "parse_script": "", "root_dir_path": "/", "file_order": "name", "repeated_hour": "order"}
    flags = dict.fromkeys(("active", "auto_partial_reset", "re_run_last_file", "replaces"), False) | {
        "read_changed": True
    }
    numbers = dict.fromkeys(("notify_missing_files_nb", "max_ante_scanned_files_nb", "runs_without_file"), 0)
    record = ("id", "name", "comment", "project_id", "organization_id")
    kinds = dict.fromkeys(flags, sa.Boolean()) | dict.fromkeys(numbers, sa.Integer())
    importer = _table("importer", *record, *texts, created=Instant(), **kinds)
    cleaner = _table("cleaner", *record, "importer_id", created=Instant())
    taken = {
        name
        for table in (importer, cleaner)
        for name in connection.scalars(sa.select(table.c.name).where(table.c.project_id == project))
    }
    tries = ["pushed", "pushed before", *(f"pushed before {number}" for number in range(2, len(taken) + 2))]
    owner["name"] = next(name for name in tries if name not in taken)
    made = new_id()
    connection.execute(sa.insert(importer).values(id=made, **owner, **texts, **flags, **numbers))
    connection.execute(sa.insert(cleaner).values(id=new_id(), importer_id=made, **owner))
    return made


def _table(name: str, *texts: str, **others: Any) -> sa.TableClause:
    columns = {**dict.fromkeys(texts, sa.String()), **others}
    return sa.table(name, *(sa.column(column, kind) for column, kind in columns.items()))


def downgrade() -> None:
    with op.batch_alter_table("imported_file", schema=None) as batch_op:
        batch_op.drop_column("open_hours")
    with op.batch_alter_table("importer", schema=None) as batch_op:
        batch_op.drop_column("repeated_hour")
