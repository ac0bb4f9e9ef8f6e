"""Analyses and rows to and from what the server is sent and returns."""

import json
from collections.abc import Mapping
from typing import Any

from entrepot.client.owi.models import (
    AnalysisDefinition,
    AnalysisKind,
    RelatedObject,
    ResultScope,
    ResultSeries,
    ResultVector,
)


class DjangoAnalysisSerializer:
    """Analyses as payloads and back."""

    def to_payload(self, obj: AnalysisDefinition) -> dict[str, Any]:
        """Return what :meth:`ResultsAPI.create_analysis` takes; what is unset is left out."""
        return {name: value for name, value in vars(obj).items() if value is not None}

    def from_mapping(self, mapping: Mapping[str, Any]) -> AnalysisDefinition:
        """Return the analysis that a payload or a row of a table describes."""
        definition_id = mapping.get("model_definition_id", mapping.get("model_definition"))
        if _missing(definition_id):
            raise KeyError("model_definition_id")
        timestamp = mapping.get("timestamp")
        return AnalysisDefinition(
            name=str(mapping["name"]),
            model_definition_id=int(definition_id),
            location_id=_whole(mapping, "location_id", "location"),
            source_type=_text(mapping.get("source_type")),
            source=_text(mapping.get("source")),
            description=_text(mapping.get("description")),
            user=_text(mapping.get("user")),
            timestamp=None if _missing(timestamp) else timestamp,
            additional_data=_additional(mapping),
        )


class DjangoResultSerializer:
    """Rows as payloads and back."""

    def to_payload(self, obj: ResultSeries, analysis_id: int) -> dict[str, Any]:
        """Return what :meth:`ResultsAPI.create_result` takes; what is unset is left out."""
        return {name: value for name, value in obj.to_record_payload(analysis_id).items() if value is not None}

    def from_mapping(self, mapping: Mapping[str, Any]) -> ResultSeries:
        """Return the row that the server returned, as a record or as a row of a table."""
        vectors = [
            ResultVector(
                name=str(mapping[f"name_col{number}"]),
                unit=str(mapping[f"units_col{number}"]),
                values=list(mapping[f"value_col{number}"]),
            )
            for number in (1, 2, 3)
            if number < 3 or (not _missing(mapping.get("value_col3")) and len(mapping["value_col3"]))
        ]
        additional = _additional(mapping)
        related = mapping.get("related_object")
        return ResultSeries(
            analysis_id=_whole(mapping, "analysis", "analysis_id"),
            analysis_name=str(additional.get("analysis_name", mapping.get("analysis_name", "unknown"))),
            analysis_kind=AnalysisKind(additional.get("analysis_kind", "comparison")),
            result_scope=ResultScope(additional.get("result_scope", "site")),
            short_description=str(mapping["short_description"]),
            description=_text(mapping.get("description")),
            site_id=_whole(mapping, "site"),
            location_id=_whole(mapping, "location"),
            related_object=None if _missing(related) else RelatedObject(**dict(related or {})),
            data_additional=additional,
            vectors=vectors,
        )


def _missing(value: Any) -> bool:
    # A table says NaN where a record says null.
    return value is None or (isinstance(value, float) and value != value)  # noqa: PLR0124


def _text(value: Any) -> str | None:
    return None if _missing(value) else str(value)


def _whole(mapping: Mapping[str, Any], *names: str) -> int | None:
    return next((int(mapping[name]) for name in names if not _missing(mapping.get(name))), None)


def _additional(mapping: Mapping[str, Any]) -> dict[str, Any]:
    value = mapping.get("additional_data") or mapping.get("data_additional")
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            return {}
    return dict(value) if isinstance(value, Mapping) else {}
