"""Analyses and their result rows, checked when they are made."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class AnalysisKind(StrEnum):
    """What a row shows."""

    HISTOGRAM = "histogram"
    TIME_SERIES = "time_series"
    COMPARISON = "comparison"


class ResultScope(StrEnum):
    """What a row is about."""

    SITE = "site"
    LOCATION = "location"


@dataclass(kw_only=True)
class AnalysisDefinition:
    """What an analysis is.

    Attributes
    ----------
    timestamp
        Without an offset, it is UTC.
    source
        An http or https address; anything else is dropped when it is sent.
    """

    name: str
    model_definition_id: int
    location_id: int | None = None
    source_type: str | None = None
    source: str | None = None
    description: str | None = None
    user: str | None = None
    timestamp: datetime | None = None
    additional_data: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.model_definition_id = int(self.model_definition_id)
        self.location_id = None if self.location_id is None else int(self.location_id)
        if isinstance(self.timestamp, str):
            self.timestamp = datetime.fromisoformat(self.timestamp)

    def to_payload(self) -> dict[str, Any]:
        """Return all fields, the timestamp in ISO 8601."""
        return vars(self) | {"timestamp": self.timestamp.isoformat() if self.timestamp else None}


@dataclass(kw_only=True)
class ResultVector:
    """Numbers with a name and a unit, at least one; None is a gap.

    Raises
    ------
    ValueError
        There is no value, or one that is no finite number.
    """

    name: str
    unit: str
    values: list[float | None]

    def __post_init__(self) -> None:
        self.values = [None if value is None else float(value) for value in self.values]
        if not self.values:
            raise ValueError("Result vectors must contain at least one value.")
        for index, value in enumerate(self.values):
            if value is not None and not math.isfinite(value):
                raise ValueError(f"Vector {self.name!r}, item {index}: {value} is no number; give None for a gap.")


@dataclass(kw_only=True)
class RelatedObject:
    """A reference to something else, such as a sensor."""

    type: str
    id: int


@dataclass(kw_only=True)
class ResultSeries:
    """One row: two or three vectors of equal length.

    Raises
    ------
    ValueError
        The vectors are too few, too many or of different lengths, or the row lacks the id that its scope asks for.
    """

    analysis_name: str
    analysis_kind: AnalysisKind
    result_scope: ResultScope
    short_description: str
    vectors: Sequence[ResultVector]
    analysis_id: int | None = None
    description: str | None = None
    site_id: int | None = None
    location_id: int | None = None
    related_object: RelatedObject | None = None
    data_additional: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.analysis_kind = AnalysisKind(self.analysis_kind)
        self.result_scope = ResultScope(self.result_scope)
        self.vectors = [ResultVector(**one) if isinstance(one, Mapping) else one for one in self.vectors]
        if isinstance(self.related_object, Mapping):
            self.related_object = RelatedObject(**self.related_object)
        if len(self.vectors) not in (2, 3):
            raise ValueError("A result has two or three vectors.")
        if len({len(vector.values) for vector in self.vectors}) != 1:
            raise ValueError("All result vectors must have identical lengths.")
        if self.result_scope is ResultScope.SITE and self.site_id is None:
            raise ValueError("Site scoped results require site_id.")
        if self.result_scope is ResultScope.LOCATION and self.location_id is None:
            raise ValueError("Location scoped results require location_id.")

    def to_record_payload(self, analysis_id: int) -> dict[str, Any]:
        """Return the row in the server's words, null where something is unset."""
        payload: dict[str, Any] = {
            "analysis": analysis_id,
            "site": self.site_id,
            "location": self.location_id,
            "related_object": vars(self.related_object) if self.related_object else None,
        }
        for prefix, attribute in (("name", "name"), ("units", "unit"), ("value", "values")):
            for number in (1, 2, 3):
                vector = self.vectors[number - 1] if number <= len(self.vectors) else None
                payload[f"{prefix}_col{number}"] = None if vector is None else getattr(vector, attribute)
        return payload | {
            "short_description": self.short_description,
            "description": self.description,
            "additional_data": {
                "analysis_kind": self.analysis_kind.value,
                "result_scope": self.result_scope.value,
                **self.data_additional,
            },
        }
