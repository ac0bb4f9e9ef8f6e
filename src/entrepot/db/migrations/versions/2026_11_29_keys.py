"""keys bound to projects, series and networks; limits of organizations."""

import sqlalchemy as sa
from alembic import op

from entrepot.db.types import Json

revision = "b81e4c07d9a3"
down_revision = "8b04f6c1d7ae"
branch_labels = None
depends_on = None

_BOUNDS = ("projects", "series", "networks")


def upgrade() -> None:
    for name in _BOUNDS:
        op.add_column("api_key", sa.Column(name, Json(), nullable=True))
    op.add_column("organization", sa.Column("limits", Json(), nullable=False, server_default="{}"))


def downgrade() -> None:
    # A key that was bound must not come to reach everything.
    bound = " OR ".join(f"{name} IS NOT NULL" for name in _BOUNDS)
    op.execute(f"UPDATE api_key SET revoked = created WHERE revoked IS NULL AND ({bound})")  # noqa: S608 - names from here
    op.drop_column("organization", "limits")
    for name in _BOUNDS:
        op.drop_column("api_key", name)
