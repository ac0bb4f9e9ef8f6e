"""Keys, what they may do, and the organisation."""

from datetime import timedelta
from typing import Any

from entrepot.errors import InvalidInput, NotFound
from entrepot.events import webhooks
from entrepot.files import storages
from entrepot.identity import ApiKey, keys, projects
from entrepot.requests import permissions
from entrepot.requests.models import Permissions
from entrepot.server.auth import token_of
from entrepot.server.dialects.ricloud import configs, names, parse, render
from entrepot.server.dialects.ricloud.listing import Listing, Record, envelope
from entrepot.server.endpoint import Call, Endpoint

#: What an organization's keys use where they name nothing else: the documented name, and the one that keys have.
_DEFAULTS = {"storage_config_default": "storage_config", "webhook_config_default": "webhook_config"}

_PERMISSIONS = Listing(
    "/permissions",
    Permissions,
    render.each(render.permissions),
    filters=("key",),
)


def _current(call: Call) -> Record:
    if call.principal.key_id is None:
        raise NotFound("You came with a password, not with a key.")
    # Whoever asks with a token has it: this tells nobody anything, and clients configure receivers from the answer.
    return render.key(keys.get_key(call.session, call.principal, call.principal.key_id), token_of(call.request))


def _list(call: Call) -> Record:
    for name in call.query:
        raise parse.AsSent.field(name[:100], "There is no such parameter.")
    return envelope([render.key(key) for key in keys.list_keys(call.session, call.principal)], "/keys")


def _get(call: Call) -> Record:
    return render.key(keys.get_key(call.session, call.principal, call.path["id"]))


def _create(call: Call) -> Record:
    given = parse.fields(call, "storage_config", "webhook_config")
    # A key is made as wide as the one that asks for it, never wider.
    key, token = keys.create_own_key(call.session, call.principal, "ricloud")
    _configure(call, key, given)
    return render.key(key, token)


def _update(call: Call) -> Record:
    key = keys.get_own_key(call.session, call.principal, call.path["id"])
    _configure(call, key, parse.fields(call, "storage_config", "webhook_config"))
    return render.key(key)


def _configure(call: Call, key: ApiKey, given: dict[str, Any]) -> None:
    checks = {"storage_config": configs.check_storage, "webhook_config": configs.check_webhook}
    checked = {name: checks[name](call, value) for name, value in given.items()}
    keys.configure(call.session, key, names.received(checked))


def _rotate(call: Call) -> Record:
    parse.fields(call)
    key = keys.get_own_key(call.session, call.principal, call.path["id"])
    grace = timedelta(seconds=call.services.settings.key_grace_seconds)
    return render.key(key, keys.rotate_key(call.session, key, grace))


def _organisation(call: Call) -> Record:
    record = projects.get_organization(call.session, call.principal, call.principal.organization_id)
    storage, webhook = (find(call.session, record.id) for find in (storages.default_of, webhooks.default_of))
    return render.organisation(record, *configs.nested(call), storage, webhook)


def _update_organisation(call: Call) -> Record:
    given = _defaults(parse.fields(call, *_DEFAULTS, *_DEFAULTS.values()))
    if "storage_config_default" in given:
        found = configs.check_storage(call, given["storage_config_default"])
        storages.set_default(call.session, call.principal, found)
    if "webhook_config_default" in given:
        found = configs.check_webhook(call, given["webhook_config_default"])
        webhooks.set_default(call.session, call.principal, found)
    return _organisation(call)


def _defaults(given: dict[str, Any]) -> dict[str, Any]:
    """Return the defaults by their documented names; each has a shorter one."""
    for name, short in _DEFAULTS.items():
        if name in given and given.get(short, given[name]) != given[name]:
            raise InvalidInput.field(short, f"It says something else than {name}.")
    return {name: given.get(name, given.get(short)) for name, short in _DEFAULTS.items() if {name, short} & set(given)}


def _get_permissions(call: Call) -> Record:
    if call.path["id"] == call.principal.organization_id:
        organization = projects.get_organization(call.session, call.principal, call.path["id"])
        return render.base_permissions(organization)
    return render.permissions(permissions.get_permissions(call.session, call.principal, call.path["id"]))


def _create_permissions(call: Call) -> Record:
    given = parse.fields(call, "scopes", required=("key",))
    key_id, scopes = parse.resource_id("key", given["key"]), _scopes(given["scopes"]) if "scopes" in given else None
    return render.permissions(permissions.create_permissions(call.session, call.principal, key_id, scopes))


def _update_permissions(call: Call) -> Record:
    record = permissions.get_permissions(call.session, call.principal, call.path["id"])
    scopes = _scopes(parse.fields(call, required=("scopes",))["scopes"])
    permissions.change_permissions(call.session, call.principal, record, scopes)
    return render.permissions(record)


def _scopes(given: Any) -> list[str]:
    if isinstance(given, dict) and not any(given.values()):
        given = list(given)  # the documented form, whose values are limits
    if not isinstance(given, list) or not all(isinstance(scope, str) for scope in given):
        raise InvalidInput.field("scopes", "A list of texts, or an object of them whose limits are empty.")
    return given


ENDPOINTS = [
    Endpoint("GET", "/key", _current, "identity", "read", access="own"),
    Endpoint("GET", "/keys", _list, "identity", "read", access="own"),
    Endpoint("GET", "/keys/current", _current, "identity", "read", access="own"),
    Endpoint("GET", "/keys/{id}", _get, "identity", "read", access="own"),
    Endpoint("POST", "/keys", _create, "identity", "write", access="own", status=201),
    Endpoint("POST", "/keys/{id}", _update, "identity", "write", access="own"),
    Endpoint("POST", "/keys/{id}/rotate", _rotate, "identity", "write", access="own"),
    Endpoint("GET", "/organisation", _organisation, "identity", "read"),
    Endpoint("POST", "/organisation", _update_organisation, "identity", "admin"),
    Endpoint("GET", "/permissions", _PERMISSIONS.answer, "identity", "read"),
    Endpoint("POST", "/permissions", _create_permissions, "identity", "admin", status=201),
    Endpoint("GET", "/permissions/{id}", _get_permissions, "identity", "read"),
    Endpoint("POST", "/permissions/{id}", _update_permissions, "identity", "admin"),
]
