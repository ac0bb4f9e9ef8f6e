"""The OpenAPI document: every route of the native API, with parameters, body, answers and an example."""

import inspect
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute, Route

import entrepot
from entrepot.server import problems
from entrepot.server.api import examples
from entrepot.server.api.plain import OPERATIONS, Operation
from entrepot.server.endpoint import Endpoint

_NATIVE = "/api/v1/"
_PARAMETER = re.compile(r"{(\w+)(?::\w+)?}")
_METHODS = ("get", "put", "post", "delete", "patch")
_PROBLEM = {
    "type": "object",
    "title": "Problem",
    "description": "What cannot be answered, as RFC 9457 has it; `fields` says what is wrong with each.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        **{name: {"type": "string"} for name in ("type", "title", "detail", "instance")},
        "status": {"type": "integer"},
        "fields": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}
_REFUSED = {
    "description": "It is refused.",
    "content": {problems.MEDIA: {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_making = threading.Lock()
_KEPT = {"description": "It is as the client has it."}


def whole(app: FastAPI) -> dict[str, Any]:
    """Return the document of an application's native routes; it is made once."""
    with _making:  # it takes seconds: whoever comes second waits for it
        if app.openapi_schema is None:
            app.openapi_schema = _made(app)
        return app.openapi_schema


def _made(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title="Entrepot",
        version=entrepot.__version__,
        description="Results: series, rows, works and files. Names are those of docs/glossary.md.",
        routes=[route for route in app.router.routes if getattr(route, "path", "").startswith(_NATIVE)],
    )
    paths: dict[str, Any] = document["paths"]
    for method, path, endpoint, spec in _plain(app.router.routes):
        paths.setdefault(path, {})[method] = _described(method, path, endpoint, spec)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM
    document["components"]["securitySchemes"] = {
        "key": {"type": "apiKey", "in": "header", "name": "Authorization", "description": "`Token …`"},
        "password": {"type": "http", "scheme": "basic"},
    }
    document["security"] = [{"key": []}, {"password": []}]
    for path, item in paths.items():
        for method in _METHODS:
            if method in item:
                _complete(method, path, item[method])
    return document


def _plain(routes: list[BaseRoute]) -> Iterator[tuple[str, str, Endpoint, Operation]]:
    for route in routes:
        endpoint = getattr(route, "entrepot", None)
        if not isinstance(route, Route) or not isinstance(endpoint, Endpoint):
            continue
        if route.path.startswith(_NATIVE) and not route.path.endswith("/"):
            path = _PARAMETER.sub(r"{\1}", route.path)
            yield endpoint.method.lower(), path, endpoint, OPERATIONS[endpoint.handler]


def _described(method: str, path: str, endpoint: Endpoint, spec: Operation) -> dict[str, Any]:
    text = inspect.getdoc(endpoint.handler) or ""
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(path)
    ]
    for place, named in (("query", spec.query), ("header", spec.headers)):
        parameters += [
            {"name": name, "in": place, "required": False, "schema": schema, "description": about}
            for name, (schema, about) in named.items()
        ]
    content = {media: {"schema": schema} for media, schema in spec.answer.items()}
    answers: dict[str, Any] = {str(spec.status or endpoint.status): {"description": "Done.", "content": content}}
    if not content:
        del answers[str(spec.status or endpoint.status)]["content"]
    answers |= {status: {"description": about} for status, about in spec.also.items()}
    described: dict[str, Any] = {
        "tags": [path.removeprefix(_NATIVE).partition("/")[0]],
        "summary": text.partition("\n")[0],
        "description": text,
        "operationId": f"{endpoint.handler.__name__}_{method}",
        "parameters": parameters,
        "responses": answers,
    }
    if spec.body:
        bodies = {media: {"schema": schema} for media, schema in spec.body.items()}
        described["requestBody"] = {"required": spec.needs_body, "content": bodies}
    return described


def _complete(method: str, path: str, operation: dict[str, Any]) -> None:
    """Add what all operations have in common, and the example of this one."""
    answers = operation["responses"]
    answers.pop("422", None)
    answers["default"] = _REFUSED
    if method == "get":
        answers.setdefault("304", _KEPT)
    example = examples.of(method, path)
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            parameter["example"] = examples.path_value(path, parameter["name"])
        elif parameter["name"] in example.query:
            parameter["example"] = example.query[parameter["name"]]
        elif parameter["name"] in example.headers:
            parameter["example"] = example.headers[parameter["name"]]
    content: Mapping[str, Any] = operation.get("requestBody", {}).get("content", {})
    if content and example.body is not examples.NONE:
        media = example.media or next(iter(content))
        content[media]["example"] = example.body
