"""pipeline."""

import sqlalchemy as sa
from alembic import op

import entrepot.db.types

revision = "20f68230e8d0"
down_revision = "f572845848af"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "dirty",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("consumer_id", sa.String(length=36), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("stop", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_dirty")),
    )
    with op.batch_alter_table("dirty", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_dirty_consumer_id"), ["consumer_id"], unique=False)

    op.create_table(
        "analysis",
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("is_obsolete", sa.Boolean(), nullable=False),
        sa.Column("computed_start", sa.BigInteger(), nullable=True),
        sa.Column("computed_stop", sa.BigInteger(), nullable=True),
        sa.Column("last_run", entrepot.db.types.Instant(), nullable=True),
        sa.Column("last_clear", entrepot.db.types.Instant(), nullable=True),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_analysis_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_analysis")),
        sa.UniqueConstraint("id", name=op.f("uq_analysis_id")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_analysis_project_id_name")),
    )
    with op.batch_alter_table("analysis", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_analysis_organization_id"), ["organization_id"], unique=False)

    op.create_table(
        "gate",
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_gate_project_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_gate")),
        sa.UniqueConstraint("id", name=op.f("uq_gate_id")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_gate_project_id_name")),
    )
    with op.batch_alter_table("gate", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_gate_organization_id"), ["organization_id"], unique=False)

    op.create_table(
        "analysis_config",
        sa.Column("analysis_id", sa.String(length=36), nullable=False),
        sa.Column("output_tags", entrepot.db.types.Json(), nullable=False),
        sa.Column("clock", sa.String(), nullable=False),
        sa.Column("output_timezone", sa.String(), nullable=False),
        sa.Column("start_with_first", sa.Boolean(), nullable=False),
        sa.Column("wait_for_last", sa.Boolean(), nullable=False),
        sa.Column("input_freq", sa.String(), nullable=False),
        sa.Column("output_freq", sa.String(), nullable=False),
        sa.Column("custom_before_offset", entrepot.db.types.Json(), nullable=True),
        sa.Column("custom_after_offset", entrepot.db.types.Json(), nullable=True),
        sa.Column("before_offset_strict_mode", sa.Boolean(), nullable=False),
        sa.Column("with_tags", sa.Boolean(), nullable=False),
        sa.Column("script", sa.String(), nullable=False),
        sa.Column("script_method", sa.String(), nullable=False),
        sa.Column("wait_offset", sa.String(), nullable=False),
        sa.Column("custom_delay", sa.String(), nullable=True),
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["analysis_id"], ["analysis.id"], name=op.f("fk_analysis_config_analysis_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_analysis_config")),
        sa.UniqueConstraint("analysis_id", name=op.f("uq_analysis_config_analysis_id")),
        sa.UniqueConstraint("id", name=op.f("uq_analysis_config_id")),
    )
    op.create_table(
        "analysis_input",
        sa.Column("analysis_id", sa.String(length=36), nullable=False),
        sa.Column("input_series_generator", sa.String(length=36), nullable=False),
        sa.Column("input_series_name", sa.String(), nullable=False),
        sa.Column("column_name", sa.String(), nullable=False),
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["analysis_id"], ["analysis.id"], name=op.f("fk_analysis_input_analysis_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_analysis_input")),
        sa.UniqueConstraint("analysis_id", "column_name", name=op.f("uq_analysis_input_analysis_id_column_name")),
        sa.UniqueConstraint("id", name=op.f("uq_analysis_input_id")),
    )
    with op.batch_alter_table("analysis_input", schema=None) as batch_op:
        batch_op.create_index("ix_analysis_input_source", ["input_series_generator", "input_series_name"], unique=False)

    op.create_table(
        "analysis_output",
        sa.Column("analysis_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("resample_rule", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("numerical_filter", entrepot.db.types.Json(), nullable=True),
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["analysis_id"], ["analysis.id"], name=op.f("fk_analysis_output_analysis_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_analysis_output")),
        sa.UniqueConstraint("analysis_id", "name", name=op.f("uq_analysis_output_analysis_id_name")),
        sa.UniqueConstraint("id", name=op.f("uq_analysis_output_id")),
    )
    op.create_table(
        "base_feeder",
        sa.Column("gate_id", sa.String(length=36), nullable=False),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("crontab", sa.String(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("child_model", sa.String(length=30), nullable=True),
        sa.Column("child_id", sa.String(length=36), nullable=True),
        sa.Column("child", entrepot.db.types.Json(), nullable=False),
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(["gate_id"], ["gate.id"], name=op.f("fk_base_feeder_gate_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_base_feeder")),
        sa.UniqueConstraint("child_id", name=op.f("uq_base_feeder_child_id")),
        sa.UniqueConstraint("gate_id", name=op.f("uq_base_feeder_gate_id")),
        sa.UniqueConstraint("id", name=op.f("uq_base_feeder_id")),
    )
    op.create_table(
        "importer",
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("crontab", sa.String(), nullable=False),
        sa.Column("auto_partial_reset", sa.Boolean(), nullable=False),
        sa.Column("parse_script", sa.String(), nullable=False),
        sa.Column("root_dir_path", sa.String(), nullable=False),
        sa.Column("re_run_last_file", sa.Boolean(), nullable=False),
        sa.Column("notify_missing_files_nb", sa.Integer(), nullable=False),
        sa.Column("max_ante_scanned_files_nb", sa.Integer(), nullable=False),
        sa.Column("last_imported_path", sa.String(), nullable=True),
        sa.Column("latest_imported_mdate", entrepot.db.types.Instant(), nullable=True),
        sa.Column("runs_without_file", sa.Integer(), nullable=False),
        sa.Column("gate_id", sa.String(length=36), nullable=True),
        sa.Column("last_run", entrepot.db.types.Instant(), nullable=True),
        sa.Column("last_clear", entrepot.db.types.Instant(), nullable=True),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(["gate_id"], ["gate.id"], name=op.f("fk_importer_gate_id"), ondelete="SET NULL"),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_importer_project_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_importer")),
        sa.UniqueConstraint("id", name=op.f("uq_importer_id")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_importer_project_id_name")),
    )
    with op.batch_alter_table("importer", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_importer_gate_id"), ["gate_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_importer_organization_id"), ["organization_id"], unique=False)

    op.create_table(
        "cleaner",
        sa.Column("importer_id", sa.String(length=36), nullable=False),
        sa.Column("last_run", entrepot.db.types.Instant(), nullable=True),
        sa.Column("last_clear", entrepot.db.types.Instant(), nullable=True),
        sa.Column("organization_id", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("comment", sa.String(), nullable=False),
        sa.Column("project_id", sa.String(length=36), nullable=False),
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["importer_id"], ["importer.id"], name=op.f("fk_cleaner_importer_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_cleaner_project_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_cleaner")),
        sa.UniqueConstraint("id", name=op.f("uq_cleaner_id")),
        sa.UniqueConstraint("importer_id", name=op.f("uq_cleaner_importer_id")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_cleaner_project_id_name")),
    )
    with op.batch_alter_table("cleaner", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_cleaner_organization_id"), ["organization_id"], unique=False)

    op.create_table(
        "imported_file",
        sa.Column("importer_id", sa.String(length=36), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("modified", entrepot.db.types.Instant(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("run_id", sa.String(length=36), nullable=False),
        sa.ForeignKeyConstraint(
            ["importer_id"], ["importer.id"], name=op.f("fk_imported_file_importer_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("importer_id", "path", name=op.f("pk_imported_file")),
    )
    op.create_table(
        "importer_series",
        sa.Column("importer_id", sa.String(length=36), nullable=False),
        sa.Column("external_name", sa.String(), nullable=False),
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["importer_id"], ["importer.id"], name=op.f("fk_importer_series_importer_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_importer_series")),
        sa.UniqueConstraint("id", name=op.f("uq_importer_series_id")),
        sa.UniqueConstraint("importer_id", "external_name", name=op.f("uq_importer_series_importer_id_external_name")),
    )
    op.create_table(
        "unitcleaner",
        sa.Column("cleaner_id", sa.String(length=36), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("external_name", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("freq", sa.String(), nullable=False),
        sa.Column("input_unit_type", sa.String(), nullable=False),
        sa.Column("unit_type", sa.String(), nullable=False),
        sa.Column("input_convention", sa.String(), nullable=False),
        sa.Column("clock", sa.String(), nullable=False),
        sa.Column("timezone", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("resample_rule", sa.String(), nullable=False),
        sa.Column("interpolate_limit", sa.Integer(), nullable=False),
        sa.Column("wait_offset", sa.String(), nullable=False),
        sa.Column("input_expected_regular", sa.Boolean(), nullable=False),
        sa.Column("operation_fct", sa.String(), nullable=True),
        sa.Column("filter_fct", sa.String(), nullable=True),
        sa.Column("derivative_filter_fct", sa.String(), nullable=True),
        sa.Column("custom_fct", sa.String(), nullable=True),
        sa.Column("custom_delay", sa.String(), nullable=True),
        sa.Column("custom_before_offset", entrepot.db.types.Json(), nullable=True),
        sa.Column("custom_after_offset", entrepot.db.types.Json(), nullable=True),
        sa.Column("numerical_filter", entrepot.db.types.Json(), nullable=True),
        sa.Column("input_step", sa.BigInteger(), nullable=True),
        sa.Column("pk", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("created", entrepot.db.types.Instant(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cleaner_id"], ["cleaner.id"], name=op.f("fk_unitcleaner_cleaner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("pk", name=op.f("pk_unitcleaner")),
        sa.UniqueConstraint("cleaner_id", "external_name", name=op.f("uq_unitcleaner_cleaner_id_external_name")),
        sa.UniqueConstraint("cleaner_id", "name", name=op.f("uq_unitcleaner_cleaner_id_name")),
        sa.UniqueConstraint("id", name=op.f("uq_unitcleaner_id")),
    )


def downgrade() -> None:
    op.drop_table("unitcleaner")
    op.drop_table("importer_series")
    op.drop_table("imported_file")
    with op.batch_alter_table("cleaner", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_cleaner_organization_id"))

    op.drop_table("cleaner")
    with op.batch_alter_table("importer", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_importer_organization_id"))
        batch_op.drop_index(batch_op.f("ix_importer_gate_id"))

    op.drop_table("importer")
    op.drop_table("base_feeder")
    op.drop_table("analysis_output")
    with op.batch_alter_table("analysis_input", schema=None) as batch_op:
        batch_op.drop_index("ix_analysis_input_source")

    op.drop_table("analysis_input")
    op.drop_table("analysis_config")
    with op.batch_alter_table("gate", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_gate_organization_id"))

    op.drop_table("gate")
    with op.batch_alter_table("analysis", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_analysis_organization_id"))

    op.drop_table("analysis")
    with op.batch_alter_table("dirty", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_dirty_consumer_id"))

    op.drop_table("dirty")
