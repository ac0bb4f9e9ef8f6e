"""Writes the types of what the console's elements ask the interface for, out of its OpenAPI document.

``python -m tools.interface_types`` writes them; with ``--check``, it tells where what is kept is no longer so.
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson
from fastapi import FastAPI

from entrepot.server.api import document, routes

FILE = Path(__file__).parents[1] / "frontend" / "src" / "interface.ts"
_HEAD = "// Made of the interface's OpenAPI document by tools/interface_types.py: `make types` writes it anew.\n"
#: What answers are called, by where the document has them.
_ANSWERS = {
    "Envelope": ("/api/v1/series/{series_id}/envelope", "application/json", "schema"),
    "JobProgress": ("/api/v1/jobs/{job_id}/stream", "text/event-stream", "schema", "x-events", "progress"),
    "JobOutput": ("/api/v1/jobs/{job_id}/stream", "text/event-stream", "schema", "x-events", "output"),
}
_COMPONENTS = ("Problem",)
_SIMPLE = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}

Schema = Mapping[str, Any]


def written() -> str:
    """Return the types as TypeScript."""
    app = FastAPI()
    routes.include(app)
    whole = document.whole(app)
    schemas: dict[str, Schema] = whole["components"]["schemas"]
    found: dict[str, Schema] = {name: schemas[name] for name in _COMPONENTS}
    for name, (path, media, *keys) in _ANSWERS.items():
        schema = whole["paths"][path]["get"]["responses"]["200"]["content"][media]
        for key in keys:
            schema = schema[key]
        found[name] = schema
    texts: dict[str, str] = {}
    while found.keys() > texts.keys():
        for name in [*found]:
            used: list[str] = []
            texts[name] = f"export interface {name} {_type(found[name], used)}\n"
            found.update({one: schemas[one] for one in used})
    return "\n".join([_HEAD, *(texts[name] for name in sorted(texts))])


def _type(schema: Schema, used: list[str], margin: str = "") -> str:
    if "$ref" in schema:
        used.append(schema["$ref"].rpartition("/")[2])
        return used[-1]
    if values := schema.get("enum") or ([schema["const"]] if "const" in schema else []):
        return " | ".join(orjson.dumps(value).decode() for value in values)
    if parts := schema.get("anyOf") or schema.get("oneOf"):
        return " | ".join(dict.fromkeys(_type(part, used, margin) for part in parts))
    kind = schema.get("type")
    if isinstance(kind, list):
        return " | ".join(_type({**schema, "type": one}, used, margin) for one in kind)
    if kind == "array":
        inner = _type(schema.get("items", {}), used, margin)
        return f"({inner})[]" if "|" in inner else f"{inner}[]"
    if kind == "object":
        return _object(schema, used, margin)
    return _SIMPLE.get(str(kind), "unknown")


def _object(schema: Schema, used: list[str], margin: str) -> str:
    if "properties" not in schema:
        others = schema.get("additionalProperties", {})
        return f"Record<string, {_type(others if isinstance(others, Mapping) else {}, used, margin)}>"
    inner = f"{margin}  "
    lines = []
    for name, part in schema["properties"].items():
        said = f" // {part['description']}" if "description" in part else ""
        optional = "" if name in schema.get("required", ()) else "?"
        lines.append(f"{inner}{name}{optional}: {_type(part, used, inner)};{said}")
    return "\n".join(["{", *lines, f"{margin}}}"])


def main() -> int:
    """Write them, or check that they are what is kept."""
    if "--check" not in sys.argv[1:]:
        FILE.write_text(written())
        return 0
    if FILE.read_text() == written():
        return 0
    sys.stderr.write(f"{FILE.name} is not what the interface says now: run `make types`.\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
