"""Results: published files."""

from collections.abc import Sequence

from entrepot.errors import InvalidInput
from entrepot.files import lifecycle
from entrepot.files.models import PublishedFile
from entrepot.server.dialects.ricloud import parse, render
from entrepot.server.dialects.ricloud.listing import Listing, Record, envelope
from entrepot.server.endpoint import Call, Endpoint


def records(call: Call, files: Sequence[PublishedFile]) -> list[Record]:
    """Render files for a caller."""
    return render.results(call.session, files, render.signer(call))


_LISTING = Listing(
    "/results",
    PublishedFile,
    records,
    filters=("poll", "task", "identifier", "checksum", "state"),
    known={"state": lifecycle.STATUSES},
    instants=("date_created", "date_consumed", "date_deleted"),
)


def _list(call: Call) -> Record:
    # Whoever asks by the date of something wants to see those to which it happened.
    shown = ["available"]
    if any(name.startswith("date_consumed") for name in call.query):
        shown.append("consumed")
    if any(name.startswith("date_deleted") for name in call.query):
        shown.append("expired")
    return _LISTING.answer(call, {"status": shown})


def _get(call: Call) -> Record:
    return records(call, [lifecycle.get_file(call.session, call.principal, call.path["id"])])[0]


def _acknowledge(call: Call) -> Record:
    parse.fields(call)
    file = lifecycle.get_file(call.session, call.principal, call.path["id"], "write")
    lifecycle.acknowledge(call.session, call.principal, file)
    return records(call, [file])[0]


def _acknowledge_many(call: Call) -> Record:
    ids = parse.fields(call, "ids").get("ids")
    if not isinstance(ids, list) or not all(isinstance(one, str) for one in ids):
        raise InvalidInput("One or more parameters are invalid.", {"ids": ["A list of result ids is required."]})
    known = [one for one in ids if "\0" not in one]
    found = lifecycle.acknowledge_many(call.session, call.principal, known)
    return envelope(records(call, found), "/results/ack")


ENDPOINTS = [
    Endpoint("GET", "/results", _list, "files", "read"),
    Endpoint("POST", "/results/ack", _acknowledge_many, "files", "write", body="large"),
    Endpoint("GET", "/results/{id}", _get, "files", "read"),
    Endpoint("POST", "/results/{id}/ack", _acknowledge, "files", "write"),
]
