"""parts of structures, and what measures them."""

import sqlalchemy as sa
from alembic import op

revision = "e7a94b15d260"
down_revision = "c40d8e2f71b5"
branch_labels = None
depends_on = None

_PLACES = {"site_id": ("site", True), "location_id": ("location", True)}
#: Tables, those that are referred to first: their references, each with whether it may be null.
_TABLES: dict[str, dict[str, tuple[str, bool]]] = {
    "material": {},
    "subassembly": {"location_id": ("location", False), "model_definition_id": ("model_definition", True)},
    "building_block": {"subassembly_id": ("subassembly", False), "material_id": ("material", True)},
    "sensor_type": {},
    "sensor": {},
    "sensor_calibration": {},
    "signal": _PLACES,
    "signal_history": {},
    "signal_calibration": {},
    "derived_signal": _PLACES,
    "derived_signal_history": {},
    "derived_signal_calibration": {},
}


def upgrade() -> None:
    for table, references in _TABLES.items():
        op.create_table(
            table,
            sa.Column("organization_id", sa.String(length=36), nullable=False),
            sa.Column("id", sa.Integer(), nullable=False),
            sa.Column("fields", sa.Text(), nullable=False),
            *(sa.Column(column, sa.Integer(), nullable=null) for column, (_, null) in references.items()),
            *(
                sa.ForeignKeyConstraint(
                    ["organization_id", column],
                    [f"{target}.organization_id", f"{target}.id"],
                    name=op.f(f"fk_{table}_{column}"),
                )
                for column, (target, _) in references.items()
            ),
            sa.PrimaryKeyConstraint("organization_id", "id", name=op.f(f"pk_{table}")),
        )


def downgrade() -> None:
    for table in reversed(_TABLES):
        op.drop_table(table)
