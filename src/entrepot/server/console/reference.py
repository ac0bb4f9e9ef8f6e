"""The page at `/docs`: the native API for people, made of its OpenAPI document; it loads nothing."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from entrepot.server.console.page import Page, page
from entrepot.server.endpoint import Call
from entrepot.server.problems import kinds, title_of

_METHODS = ("get", "head", "post", "put", "patch", "delete")
_REF = "#/components/schemas/"
Schema = Mapping[str, Any]


@dataclass(frozen=True)
class Value:
    """A parameter or a field: how it is called, where it stands, and what it is."""

    name: str
    place: str
    kind: str
    required: bool
    text: str


@dataclass(frozen=True)
class Operation:
    """What can be asked for."""

    method: str
    path: str
    text: str
    values: list[Value]
    body: str
    answer: str


def _show(call: Call) -> Response:
    document: Schema = call.request.app.openapi()
    groups = _documented(document)
    for operations in groups.values():
        operations.sort(key=lambda operation: (operation.path, operation.method))
    schemas = document.get("components", {}).get("schemas", {})
    objects = {name: (schema.get("description", ""), _fields(schema)) for name, schema in sorted(schemas.items())}
    problems = [(kind.code, kind.status, title_of(kind)) for kind in kinds()]
    return page("reference.html", groups=sorted(groups.items()), objects=objects, problems=problems)


def _documented(document: Schema) -> dict[str, list[Operation]]:
    groups: dict[str, list[Operation]] = defaultdict(list)
    for path, item in document["paths"].items():
        for method in _METHODS:
            if (given := item.get(method)) is None:
                continue
            values = [
                Value(
                    one["name"], one["in"], _kind(one["schema"]), one.get("required", False), one.get("description", "")
                )
                for one in given.get("parameters", ())
            ]
            good: Schema = next((answer for status, answer in given["responses"].items() if status.startswith("2")), {})
            text = given.get("description") or given.get("summary", "")
            body, answer = _content(given.get("requestBody", {})), _content(good)
            tag = next(iter(given.get("tags", ())), "others")
            groups[tag].append(Operation(method.upper(), path, text, values, body, answer))
    return groups


def _content(part: Schema) -> str:
    return next((_kind(content.get("schema", {})) for content in part.get("content", {}).values()), "")


def _fields(schema: Schema) -> list[Value]:
    required = schema.get("required", ())
    return [
        Value(name, "", _kind(field), name in required, field.get("description", ""))
        for name, field in schema.get("properties", {}).items()
    ]


def _kind(schema: Schema) -> str:
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REF)
    if "enum" in schema:
        return " or ".join(repr(value) for value in schema["enum"])
    if "const" in schema:
        return repr(schema["const"])
    for several in ("anyOf", "oneOf", "allOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(_kind(one) for one in schema[several]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type", "any"))


PAGES = (Page("GET", "/docs", _show, "identity", "read", access="open"),)
