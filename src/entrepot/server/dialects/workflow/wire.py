"""What requests and answers of both backends have in common."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

import entrepot
from entrepot.errors import InvalidInput
from entrepot.server.endpoint import Call, Endpoint
from entrepot.works import document as documents
from entrepot.works.document import Document

#: Whose works are, where a client names nobody.
_ORGS = ("chimefrb",)


def decoded(body: bytes) -> Any:
    """Return a body as JSON; None when it is empty, as it is in requests that only say that it is JSON."""
    return documents.loads(body) if body.strip() else None


def works(_request: Request, body: bytes) -> list[Document]:
    """Return the works in a body, each with the organization that its client takes where none is named."""
    given = documents.documents_of(decoded(body))
    for document in given:
        config = {} if document.get("config") is None else document["config"]
        if isinstance(config, dict) and config.get("orgs") is None:
            document["config"] = {**config, "orgs": list(_ORGS)}
    return given


def answer(value: Any) -> Response:
    """Return a JSON answer, integers of any size included."""
    return Response(documents.dumps(value), media_type="application/json")


@dataclass(frozen=True)
class Search:
    """What a view asks for."""

    query: Any
    projection: Any
    skip: int
    limit: int | None


def search(call: Call) -> Search:
    """Return what the body of a view asks for: a limit that is null, 0 or negative is none."""
    given = decoded(call.body)
    if not isinstance(given, dict):
        raise InvalidInput("The body must be an object with a query.")
    skip, limit = (_integer(given, name) for name in ("skip", "limit"))
    if skip < 0:
        raise InvalidInput.field("skip", "must not be negative")
    query = {} if given.get("query") is None else given["query"]
    return Search(query, given.get("projection"), skip, limit if limit > 0 else None)


def version_endpoints(prefix: str) -> list[Endpoint]:
    """Return the endpoints by which clients see whether a backend can be reached, and which it is."""

    def version(_call: Call) -> dict[str, str]:
        return {"version": entrepot.__version__}

    path = f"{prefix}/version"
    return [Endpoint(method, path, version, "works", "read", access="open") for method in ("HEAD", "GET")]


def _integer(given: dict[str, Any], name: str) -> int:
    value = given.get(name)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 2**63:
        raise InvalidInput.field(name, "must be an integer")
    return value
