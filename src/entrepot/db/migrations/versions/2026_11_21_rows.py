"""rows."""

import sqlalchemy as sa
from alembic import op

import entrepot.db.types

revision = "e564d1787a71"
down_revision = "6c7b2ec2d3c1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "site",
        sa.Column("title", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("slug", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("description", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("additional_data", sa.Text(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_site")),
        sa.UniqueConstraint("organization_id", "title", name=op.f("uq_site_organization_id_title")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("site", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_site_organization_id"), ["organization_id"], unique=False)

    op.create_table(
        "location",
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("slug", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("description", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("northing", sa.Double(), nullable=True),
        sa.Column("easting", sa.Double(), nullable=True),
        sa.Column("elevation", sa.Double(), nullable=True),
        sa.Column("additional_data", sa.Text(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_location_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_location")),
        sa.UniqueConstraint("site_id", "title", name=op.f("uq_location_site_id_title")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("location", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_location_organization_id"), ["organization_id"], unique=False)

    op.create_table(
        "model_definition",
        sa.Column("site_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("description", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("additional_data", sa.Text(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_model_definition_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_definition")),
        sa.UniqueConstraint("site_id", "title", name=op.f("uq_model_definition_site_id_title")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("model_definition", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_model_definition_organization_id"), ["organization_id"], unique=False)

    op.create_table(
        "row_analysis",
        sa.Column("name", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("model_definition_id", sa.Integer(), nullable=False),
        sa.Column("location_id", sa.Integer(), nullable=True),
        sa.Column("source_type", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("source", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("description", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("user", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("timestamp", entrepot.db.types.Instant(), nullable=False),
        sa.Column("additional_data", sa.Text(), nullable=True),
        sa.Column("slug", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_row_analysis_location_id")),
        sa.ForeignKeyConstraint(
            ["model_definition_id"], ["model_definition.id"], name=op.f("fk_row_analysis_model_definition_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_row_analysis")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("row_analysis", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_row_analysis_organization_id"), ["organization_id"], unique=False)
        batch_op.create_index(
            "uq_row_analysis_identity",
            ["model_definition_id", "name", "timestamp", sa.literal_column("coalesce(location_id, 0)")],
            unique=True,
        )

    op.create_table(
        "result_row",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("analysis_id", sa.Integer(), nullable=False),
        sa.Column("site_id", sa.Integer(), nullable=True),
        sa.Column("location_id", sa.Integer(), nullable=True),
        sa.Column("name_col1", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("name_col2", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("name_col3", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("units_col1", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("units_col2", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("units_col3", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("value_col1", entrepot.db.types.Packed(), nullable=False),
        sa.Column("value_col2", entrepot.db.types.Packed(), nullable=False),
        sa.Column("value_col3", entrepot.db.types.Packed(), nullable=True),
        sa.Column("short_description", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("description", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("related_object", sa.Text(), nullable=True),
        sa.Column("additional_data", sa.Text(), nullable=True),
        sa.Column("slug", sa.Text().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("bulk_at", entrepot.db.types.Instant(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["analysis_id"], ["row_analysis.id"], name=op.f("fk_result_row_analysis_id")),
        sa.ForeignKeyConstraint(["location_id"], ["location.id"], name=op.f("fk_result_row_location_id")),
        sa.ForeignKeyConstraint(["site_id"], ["site.id"], name=op.f("fk_result_row_site_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_result_row")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("result_row", schema=None) as batch_op:
        batch_op.create_index("ix_result_row_analysis", ["analysis_id", "short_description"], unique=False)
        batch_op.create_index(batch_op.f("ix_result_row_location_id"), ["location_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_result_row_site_id"), ["site_id"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("result_row", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_result_row_site_id"))
        batch_op.drop_index(batch_op.f("ix_result_row_location_id"))
        batch_op.drop_index("ix_result_row_analysis")

    op.drop_table("result_row")
    with op.batch_alter_table("row_analysis", schema=None) as batch_op:
        batch_op.drop_index("uq_row_analysis_identity")
        batch_op.drop_index(batch_op.f("ix_row_analysis_organization_id"))

    op.drop_table("row_analysis")
    with op.batch_alter_table("model_definition", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_model_definition_organization_id"))

    op.drop_table("model_definition")
    with op.batch_alter_table("location", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_location_organization_id"))

    op.drop_table("location")
    with op.batch_alter_table("site", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_site_organization_id"))

    op.drop_table("site")
