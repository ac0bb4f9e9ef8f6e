"""The OpenAPI document: whole, its examples sent, and nothing answered that it does not say."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import BaseRoute

from entrepot.server.api import examples
from tests.support.examples import Farm
from tests.support.interface import Api

_METHODS = ("get", "put", "post", "delete", "patch")
#: What is answered otherwise than well by right: the signature is made up, the upload has become a file by then, and
#: the site has what was made before.
_OTHERWISE = {
    ("get", "/api/v1/files/{file_id}/content"): 403,
    ("delete", "/api/v1/uploads/{upload_id}"): 404,
    ("delete", "/api/v1/sites/{place_id}"): 409,
}


@pytest.fixture
def whole(api: Api) -> Farm:
    return Farm(api)


def native(routes: list[BaseRoute]) -> Iterator[tuple[str, str]]:
    for route in routes:
        path: str = getattr(route, "path", "")
        if path.startswith("/api/v1/") and not path.endswith(("/", "openapi.json")):
            for method in getattr(route, "methods", None) or ():
                yield method.lower(), path.replace(":path}", "}").replace(":int}", "}")


@pytest.mark.turns
def test_others_are_answered_while_the_document_is_made(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def make(_app: FastAPI) -> dict[str, Any]:
        return {"in time": answered.wait(30)}

    async def ask() -> Any:
        transport = httpx.ASGITransport(api.client.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            making = asyncio.create_task(client.get("/api/v1/openapi.json"))
            await asyncio.sleep(0)
            assert (await client.get("/health/live")).status_code == 200
            answered.set()
            return (await making).json()

    monkeypatch.setattr("entrepot.server.api.document._made", make)
    assert asyncio.run(ask()) == {"in time": True}


@pytest.mark.turns
def test_every_native_route_is_in_the_document(api: Api) -> None:
    document = api.ask("GET", "/openapi.json")
    there = {(method, path) for path, item in document["paths"].items() for method in item}
    assert there == set(native(api.client.app.routes))  # type: ignore[attr-defined]
    for path, item in document["paths"].items():
        for method, operation in item.items():
            said = (method, path)
            assert operation["summary"], said
            assert operation["responses"]["default"]["content"].keys() == {"application/problem+json"}, said
            bodies = operation.get("requestBody", {}).get("content", {})
            assert not bodies or any("example" in content for content in bodies.values()), said
            for parameter in operation.get("parameters", ()):
                assert parameter["in"] != "path" or "example" in parameter, said
                assert parameter["in"] == "path" or parameter.get("description") or parameter["schema"], said


@pytest.mark.turns
def test_every_example_is_sent_and_answered_as_the_document_says(whole: Farm) -> None:
    document = whole.api.ask("GET", "/openapi.json")
    operations = {(method, path): one for path, item in document["paths"].items() for method, one in item.items()}
    order = {(method.lower(), f"/api/v1{path}"): at for at, (method, path) in enumerate(examples.EXAMPLES)}
    others = set(operations) - set(order)
    assert {method for method, _ in others} == {"get"}, "what changes something has an example"
    for stream in ("/api/v1/events/stream", "/api/v1/jobs/{job_id}/stream"):
        del operations["get", stream]  # which go on
    for method, path in sorted(operations, key=lambda one: (one[0] != "get", order.get(one, -1))):
        answer = whole.send(method, path, operations[method, path])
        documented = operations[method, path]["responses"]
        wanted = _OTHERWISE.get((method, path))
        assert answer.status_code == wanted or (str(answer.status_code) in documented and answer.status_code < 300), (
            method,
            path,
            answer.status_code,
            answer.text,
        )
        if answer.status_code == 201 and method == "post" and "id" in answer.json():
            assert answer.headers["location"].endswith(str(answer.json()["id"])), path
        if answer.status_code == 202 and "id" in answer.json():
            assert answer.headers["location"] == f"/api/v1/runs/{answer.json()['id']}"


@pytest.mark.turns
def test_what_can_be_read_answers_head_and_conditions(whole: Farm) -> None:
    document = whole.api.ask("GET", "/openapi.json")
    seen = 0
    for path, item in document["paths"].items():
        if "get" not in item or path.endswith(("/stream", "/content")):
            continue
        got, head = whole.send("get", path, item["get"]), whole.send("head", path, item["get"])
        assert (head.status_code, head.headers.get("content-type")) == (
            got.status_code, got.headers.get("content-type"),
        ), path  # fmt: skip
        if (tag := got.headers.get("etag")) is not None:
            seen += 1
            kept = whole.api.client.headers.copy()
            whole.api.client.headers["if-none-match"] = tag
            again = whole.send("get", path, item["get"])
            whole.api.client.headers = kept
            # What an answer is made at is in some of them.
            assert again.status_code == 304 or "/events" in path or "/limits" in path, (path, again.status_code)
            assert again.status_code != 304 or (again.content, again.headers["etag"]) == (b"", tag)
    assert seen > 40
