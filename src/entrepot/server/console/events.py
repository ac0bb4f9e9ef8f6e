"""What happened, the latest first."""

import orjson
from sqlalchemy import select
from starlette.responses import Response

from entrepot.events.models import Event
from entrepot.server.console.listing import Field, Listing, instant, part
from entrepot.server.console.page import Page
from entrepot.server.endpoint import Call


def _list(call: Call) -> Response:
    type_, object_id = call.query.get("type", "").strip(), call.query.get("object", "").strip()
    query = select(Event).where(call.principal.within(Event))
    if type_:
        name, _, action = type_.partition(".")
        query = query.where(Event.type == name, *([Event.action == action] if action else []))
    if object_id:
        query = query.where(Event.object_id == object_id)
    offset, limit = part(call)
    found = call.session.scalars(query.order_by(Event.position.desc()).offset(offset).limit(limit))
    rows = [
        (instant(each.created_at), each.type, each.action, each.object_id, orjson.dumps(each.data).decode()[:200])
        for each in found
    ]
    fields = (Field("type", "Type, or type.action", type_), Field("object", "Id of what it happened to", object_id))
    return Listing("Events", ("When", "Type", "Action", "Id", "Data"), rows, fields).shown(call)


PAGES = (Page("GET", "/console/events", _list, "events", "read"),)
