"""Rows: named vectors with units, under a result set; and the sites and locations they are about."""

from entrepot.rows.models import Location, ModelDefinition, ResultSet, Row, Site

__all__ = ["Location", "ModelDefinition", "ResultSet", "Row", "Site"]
