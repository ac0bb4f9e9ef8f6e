"""Rows: named vectors with units, under an analysis; and the sites and locations they are about."""

from entrepot.rows.models import Location, ModelDefinition, Row, RowAnalysis, Site

__all__ = ["Location", "ModelDefinition", "Row", "RowAnalysis", "Site"]
