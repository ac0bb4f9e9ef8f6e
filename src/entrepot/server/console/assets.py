"""Scripts and styles of the pages, which never change under their names."""

from typing import Any

from starlette.responses import Response

from entrepot.errors import NotFound
from entrepot.server.console import bundle
from entrepot.server.console.page import Page
from entrepot.server.endpoint import Call

_MEDIA = {"js": "text/javascript", "css": "text/css"}
_HEADERS = {
    "cache-control": "public, max-age=31536000, immutable",
    "vary": "accept-encoding",
    "x-content-type-options": "nosniff",
}


def _serve(call: Call) -> Response:
    name: Any = call.path["name"]
    if f"{bundle.STATIC}/{name}" not in bundle.addresses().values():
        raise NotFound("There is no file of this name.")
    plain, packed = bundle.content(name)
    zipped = "gzip" in call.request.headers.get("accept-encoding", "")
    headers = _HEADERS | ({"content-encoding": "gzip"} if zipped else {})
    return Response(packed if zipped else plain, media_type=_MEDIA[name.rpartition(".")[2]], headers=headers)


PAGES = (Page("GET", f"{bundle.STATIC}/{{name}}", _serve, "identity", "read", access="open"),)
