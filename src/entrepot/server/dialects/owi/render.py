"""Stored columns as the records of this dialect: every key, null when unset, in the original's order."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import numpy as np
import orjson

from entrepot.rows.attachments import FILE
from entrepot.rows.parts import Part
from entrepot.rows.vectors import unpack
from entrepot.server.dialects.owi.names import Names

Stored = Mapping[str, Any]
_VISIBILITY: dict[str, Any] = {"visibility": "usergroup", "visibility_groups": []}


def instant(value: datetime) -> str:
    """Return an instant in UTC with ``Z``, with a fraction only when there is one."""
    return value.isoformat().replace("+00:00", "Z")


def json(text: str | None) -> orjson.Fragment | None:
    """Return JSON as it came in."""
    return None if text is None else orjson.Fragment(text)


Vector = Callable[[bytes], Any]


def bare(stored: bytes) -> Any:
    """Return a vector for clients that read a bare NaN, and fail at a null."""
    values = unpack(stored)
    if not np.isnan(values).any():
        return values
    return orjson.Fragment(orjson.dumps(values, option=orjson.OPT_SERIALIZE_NUMPY).replace(b"null", b"NaN"))


def row(stored: Stored, vector: Vector = unpack) -> dict[str, Any]:
    """Return the record of a row; gaps are null, unless `vector` writes them otherwise."""
    third = stored["values3"]
    return {
        "id": stored["id"],
        "name_col1": stored["name1"],
        "name_col2": stored["name2"],
        "name_col3": stored["name3"],
        "units_col1": stored["unit1"],
        "units_col2": stored["unit2"],
        "units_col3": stored["unit3"],
        "value_col1": vector(stored["values1"]),
        "value_col2": vector(stored["values2"]),
        "value_col3": None if third is None else vector(third),
        "analysis": stored["result_set_id"],
        "site": stored["site_id"],
        "location": stored["location_id"],
        "short_description": stored["name"],
        "description": stored["description"],
        "related_object": json(stored["about"]),
        "additional_data": json(stored["extra"]),
        "slug": stored["slug"],
        **_VISIBILITY,
    }


def analysis(stored: Stored) -> dict[str, Any]:
    """Return the record of an analysis."""
    return {
        "id": stored["id"],
        "name": stored["name"],
        "model_definition": stored["model_definition_id"],
        "location": stored["location_id"],
        "source_type": stored["source_type"],
        "source": stored["source"],
        "description": stored["description"],
        "user": stored["made_by"],
        "timestamp": instant(stored["made_at"]),
        "additional_data": json(stored["extra"]),
        "slug": stored["slug"],
        **_VISIBILITY,
    }


def part(kind: Part, names: Names, stored: Stored, files: Mapping[str, str]) -> dict[str, Any]:
    """Return the record of a part of a structure, or of what measures it, with its files under their fields' names."""
    record: dict[str, Any] = {**files} | names.shown(kind.shown(stored)) | _VISIBILITY
    return record | {FILE: files[FILE]} if FILE in files else record


def around(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of a building block beside its own fields."""
    material = found["material"]
    return {
        "projectsite_name": found["site"],
        "asset_name": found["location"],
        "subassembly_name": found["subassembly"],
        "material_name": material.get("name"),
        "youngs_modulus": material.get("young_modulus"),
        "density": material.get("density"),
        "poissons_ratio": material.get("poisson_ratio"),
    }


def site(stored: Stored) -> dict[str, Any]:
    """Return the record of a site."""
    return {
        "id": stored["id"],
        "title": stored["name"],
        "slug": stored["slug"],
        "description": stored["description"],
        "active": stored["active"],
        "visibility": _VISIBILITY["visibility"],
        "additional_data": json(stored["extra"]),
    }


def location(stored: Stored, site_name: str) -> dict[str, Any]:
    """Return the record of a location."""
    return {
        "id": stored["id"],
        "title": stored["name"],
        "projectsite": stored["site_id"],
        "projectsite_name": site_name,
        "slug": stored["slug"],
        "northing": stored["northing"],
        "easting": stored["easting"],
        "elevation": stored["elevation"],
        "description": stored["description"],
        "additional_data": json(stored["extra"]),
    }


def model_definition(stored: Stored) -> dict[str, Any]:
    """Return the record of a model definition."""
    return {
        "id": stored["id"],
        "title": stored["name"],
        "project": stored["site_id"],
        "description": stored["description"],
        "additional_data": json(stored["extra"]),
    }
