"""Storage and webhook configs."""

from collections.abc import Sequence
from typing import Any

from entrepot.errors import InvalidInput, NotFound
from entrepot.events import webhooks
from entrepot.events.models import Webhook
from entrepot.files import storages, trial
from entrepot.files.models import Storage
from entrepot.identity import records
from entrepot.requests import trials
from entrepot.server.dialects.ricloud import events, names, parse, render
from entrepot.server.dialects.ricloud.listing import MOST, Listing, Record
from entrepot.server.endpoint import Call, Endpoint

_STORAGES = Listing(
    "/configs/storage",
    Storage,
    render.each(render.storage_config),
    filters=("url", "type", "state"),
    known={"state": storages.STATUSES},
)
_WEBHOOKS = Listing(
    "/configs/webhook",
    Webhook,
    render.each(render.webhook_config),
    filters=("url", "state"),
    known={"state": webhooks.STATUSES},
)


#: Webhooks that speak as this dialect does.
_OURS = {"style": [events.STYLE]}


def _create_storage(call: Call) -> Record:
    given = parse.fields(call, "credentials", "signed_urls_enabled", "signed_urls_expiry", required=("url",))
    services = call.services
    storage = storages.create_storage(
        call.session, call.principal, services.settings, services.vault, **_storage_values(given)
    )
    trial.begin(call.session, storage, call.principal.key_id)
    return render.storage_config(storage)


def _storage_values(given: dict[str, Any]) -> dict[str, Any]:
    checks: dict[str, Any] = {
        "url": lambda value: parse.text("url", value),
        "credentials": lambda value: None if value is None else parse.mapping("credentials", value),
        "signed_urls_enabled": lambda value: parse.boolean("signed_urls_enabled", value),
        "signed_urls_expiry": lambda value: None if value is None else parse.number("signed_urls_expiry", value),
        "state": lambda value: parse.text("state", value),
    }
    return names.received({name: checks[name](value) for name, value in given.items()})


def _get_storage(call: Call) -> Record:
    return render.storage_config(storages.get_storage(call.session, call.principal, call.path["id"]))


def _update_storage(call: Call) -> Record:
    storage = storages.get_storage(call.session, call.principal, call.path["id"], "admin")
    changes = parse.fields(call, "url", "credentials", "signed_urls_enabled", "signed_urls_expiry", "state")
    services, values = call.services, _storage_values(changes)
    storages.change_storage(call.session, call.principal, services.settings, services.vault, storage, values)
    if storage.status == "new":
        trial.begin(call.session, storage, call.principal.key_id)
    return render.storage_config(storage)


def _delete_storage(call: Call) -> Record:
    storage = storages.get_storage(call.session, call.principal, call.path["id"], "admin")
    return render.storage_config(storages.deactivate_storage(call.session, call.principal, storage))


def _list_webhooks(call: Call) -> Record:
    return _WEBHOOKS.answer(call, _OURS)


def _create_webhook(call: Call) -> Record:
    url = parse.text("url", parse.fields(call, required=("url",))["url"])
    webhook, secret = webhooks.create_webhook(
        call.session, call.principal, call.services.settings, call.services.vault, url=url, style=events.STYLE
    )
    trials.begin_webhook(call.session, webhook, call.principal.key_id)
    return render.webhook_config(webhook, secret)


def _webhook(call: Call, right: Any = "read") -> Webhook:
    return webhooks.get_webhook(call.session, call.principal, call.path["id"], right)


def _get_webhook(call: Call) -> Record:
    return render.webhook_config(_webhook(call))


def _update_webhook(call: Call) -> Record:
    webhook = _webhook(call, "admin")
    changes = names.received(parse.fields(call, "url", "state"))
    webhooks.change_webhook(call.session, call.principal, call.services.settings, webhook, changes)
    return render.webhook_config(webhook)


def _delete_webhook(call: Call) -> Record:
    webhook = _webhook(call, "admin")
    changes = {"status": "deactivated"}
    webhooks.change_webhook(call.session, call.principal, call.services.settings, webhook, changes)
    return render.webhook_config(webhook)


def nested(call: Call) -> tuple[list[Record], list[Record]]:
    """Return the storage and the webhook configs of the caller's organization, as far as its key may see any."""
    places = _mine(call, "files", Storage, {})
    receivers = _mine(call, "events", Webhook, _OURS)
    return list(map(render.storage_config, places)), list(map(render.webhook_config, receivers))


def _mine(call: Call, area: str, model: Any, values: Any) -> Sequence[Any]:
    if not call.principal.reach.allows(area, "read"):
        return []
    return records.page(call.session, call.principal, model, records.Wanted(values, limit=MOST)).records


def check_storage(call: Call, value: Any) -> str | None:
    """Return the id of a storage config of the caller's organization; null is none."""
    return _checked(call, "storage_config", value, storages.get_storage)


def check_webhook(call: Call, value: Any) -> str | None:
    """Return the id of a webhook config of the caller's organization; null is none."""
    return _checked(call, "webhook_config", value, webhooks.get_webhook)


def _checked(call: Call, name: str, value: Any, get: Any) -> str | None:
    if value is None:
        return None
    try:
        found = get(call.session, call.principal, parse.resource_id(name, value))
    except NotFound:
        found = None
    if found is None or found.organization_id != call.principal.organization_id:
        raise InvalidInput.field(name, "There is no such configuration.")
    return str(found.id)


ENDPOINTS = [
    Endpoint("GET", "/configs/storage", _STORAGES.answer, "files", "read"),
    Endpoint("POST", "/configs/storage", _create_storage, "files", "admin", status=201),
    Endpoint("GET", "/configs/storage/{id}", _get_storage, "files", "read"),
    Endpoint("POST", "/configs/storage/{id}", _update_storage, "files", "admin"),
    Endpoint("DELETE", "/configs/storage/{id}", _delete_storage, "files", "admin"),
    Endpoint("GET", "/configs/webhook", _list_webhooks, "events", "read"),
    Endpoint("POST", "/configs/webhook", _create_webhook, "events", "admin", status=201),
    Endpoint("GET", "/configs/webhook/{id}", _get_webhook, "events", "read"),
    Endpoint("POST", "/configs/webhook/{id}", _update_webhook, "events", "admin"),
    Endpoint("DELETE", "/configs/webhook/{id}", _delete_webhook, "events", "admin"),
]
