"""The shape that all resources share: five verbs, actions, and a clear answer where one makes no sense."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from entrepot.errors import InvalidInput, NotFound
from entrepot.identity import Right
from entrepot.pipeline import configuration
from entrepot.pipeline.configuration import RecordT
from entrepot.server.bodies import Size
from entrepot.server.dialects.ovbp import errors, parse
from entrepot.server.endpoint import Call, Endpoint, Handler, Json

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Action:
    """Something other than the five verbs that can be asked of a resource, or of one record of it.

    Attributes
    ----------
    name
        Last part of its path.
    methods
        The methods that it answers to, all alike.
    handler
        What answers.
    detail
        Whether it is asked of one record.
    right
        What the caller needs.
    status
        Status of an answer that is not a Response itself.
    write
        Whether the unit of work may write; by default where the right is to write.
    body
        How large a body may be, by its kind; by default there is none to GET, and a small one else.
    """

    name: str
    methods: tuple[str, ...]
    handler: Handler
    detail: bool = True
    right: Right = "write"
    status: int = 200
    write: bool | None = None
    body: Size | None = None


@dataclass(frozen=True)
class Resource:
    """A kind of record.

    Attributes
    ----------
    path
        Its two segments.
    listed
        Returns the records of a page.
    retrieve
        Returns one record, detailed.
    create, update
        Return the record, flat. An update returns at least every key that was sent; that is seen to here.
    spec
        What creation and update read of a body; here, for the fields that stay as they were created.
    delete
        Deletes one record.
    actions
        What else there is.
    reading_writes
        Whether reading makes what is missing, and needs a unit of work that may write.
    """

    path: str
    listed: Callable[[Call], list[Any]]
    retrieve: Handler
    create: Handler | None = None
    update: Callable[[Call], dict[str, Any]] | None = None
    delete: Handler | None = None
    actions: tuple[Action, ...] = ()
    spec: parse.Spec = field(default_factory=dict)
    reading_writes: bool = False

    def routes(self) -> list[Route]:
        """Return the resource's routes: actions of the list first, for ids have the same place in a path."""
        collection, record = f"/{self.path}/", f"/{self.path}/{{id}}/"
        found = [route for action in self.actions if not action.detail for route in _action(collection, action)]
        reads: Mapping[str, Any] = {"right": "read", "write": self.reading_writes}
        found += _serve(collection, "GET", lambda call: {"data": self.listed(call)}, **reads)
        if self.create:
            found += _serve(collection, "POST", self._create, status=201, body="large")
        found += _refuse(collection, "GET", *(["POST"] if self.create else []))
        found += _serve(record, "GET", self.retrieve, **reads)
        if self.update:
            for method in ("PATCH", "PUT"):
                found += _serve(record, method, self._update, body="large")
        if self.delete:
            found += _serve(record, "DELETE", self._delete)
        found += _refuse(
            record, "GET", *(["PATCH", "PUT"] if self.update else []), *(["DELETE"] if self.delete else [])
        )
        return found + [route for action in self.actions if action.detail for route in _action(record, action)]

    def _create(self, call: Call) -> Any:
        assert self.create
        with parse.naming(self.spec):
            return self.create(call)

    def _update(self, call: Call) -> dict[str, Any]:
        assert self.update
        with parse.naming(self.spec):
            record = self.update(call)
        sent = call.fields
        for name, known in self.spec.items():
            if known.fixed and name in sent and _id(record.get(name)) != _id(sent[name]):
                raise InvalidInput.field(name, "This cannot be changed.")
        # Clients look up every key that they sent in the answer.
        return record | {name: value for name, value in sent.items() if name not in record}

    def _delete(self, call: Call) -> Response:
        assert self.delete
        self.delete(call)
        return Response(status_code=204)


def found(
    call: Call,
    model: type[RecordT],
    /,
    *load: str,
    equal: Mapping[str, Any] | None = None,
    **columns: str,
) -> list[RecordT]:
    """Return the records that a list asks for.

    Parameters
    ----------
    model
        What is listed.
    load
        Attributes with related records that are going to be looked at.
    equal
        More that the records have in common.
    columns
        For each column by which the list can be filtered, the parameter's name.
    """
    page, asked = parse.page(call.query), parse.filters(call.query, **columns)
    return configuration.listed(
        call.session, call.principal, model, {**asked, **(equal or {})}, offset=page.offset, limit=page.limit, load=load
    )


def one(call: Call, model: type[RecordT], right: Right = "read") -> RecordT:
    """Return the record that the path names."""
    return configuration.get(call.session, call.principal, model, call.path["id"], right)


def unknown() -> list[Route]:
    """Return the routes of every other path: there is nothing there."""

    def nothing(_: Call) -> None:
        raise NotFound

    return [
        route
        for method in _METHODS
        for route in _serve("/{path:path}", method, nothing, right="read", write=False, body="none")
    ]


def _id(value: Any) -> Any:
    return value.get("id") if isinstance(value, dict) else value


def _action(base: str, action: Action) -> list[Route]:
    path = f"{base}{action.name}/"
    write = action.right == "write" if action.write is None else action.write
    options: Mapping[str, Any] = {"right": action.right, "write": write, "status": action.status, "body": action.body}
    found = [route for method in action.methods for route in _serve(path, method, action.handler, **options)]
    return found + _refuse(path, *action.methods)


def _refuse(path: str, *allowed: str) -> list[Route]:
    """Return the routes of the methods that a path does not have."""

    def refuse(call: Call) -> Response:
        message = f'Method "{call.request.method}" not allowed.'
        return Json({"detail": message}, 405, headers={"allow": ", ".join(allowed)})

    others = [method for method in _METHODS if method not in allowed]
    return [
        route for method in others for route in _serve(path, method, refuse, right="read", write=False, body="none")
    ]


def _serve(path: str, method: str, handler: Handler, **options: Any) -> list[Route]:
    return Endpoint(method, path, handler, area="series", **{"right": "write", **options}).routes(errors.render)
