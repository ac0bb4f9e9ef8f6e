"""Keys, what they may do, and the organisation."""

from datetime import timedelta
from typing import Any

from sqlalchemy import select, update

from entrepot.errors import InvalidInput, NotFound
from entrepot.events.models import Webhook
from entrepot.files.configs import default_of, defaults_of
from entrepot.files.models import Permissions
from entrepot.identity import ApiKey, Organization, keys
from entrepot.server.auth import token_of
from entrepot.server.dialects.ricloud import configs, parse, render
from entrepot.server.dialects.ricloud.listing import Listing, Record, envelope
from entrepot.server.endpoint import Call, Endpoint

#: What an organization's keys use where they name nothing else: the documented name, and the one that keys have.
_DEFAULTS = {"storage_config_default": "storage_config", "webhook_config_default": "webhook_config"}

_PERMISSIONS = Listing(
    "/permissions",
    Permissions,
    render.each(render.permissions),
    filters={"key": Permissions.key_id},
    instants={"date_created": Permissions.created},
)


def _current(call: Call) -> Record:
    if call.principal.key_id is None:
        raise NotFound("You came with a password, not with a key.")
    # Whoever asks with a token has it: this tells nobody anything, and clients configure receivers from the answer.
    return render.key(keys.get_key(call.session, call.principal, call.principal.key_id), token_of(call.request))


def _list(call: Call) -> Record:
    for name in call.query:
        raise InvalidInput.field(name[:100], "There is no such parameter.")
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
    key.config = key.config | {name: checks[name](call, value) for name, value in given.items()}
    call.session.flush()


def _rotate(call: Call) -> Record:
    parse.fields(call)
    key = keys.get_own_key(call.session, call.principal, call.path["id"])
    grace = timedelta(seconds=call.services.settings.key_grace_seconds)
    return render.key(key, keys.rotate_key(call.session, key, grace))


def _organisation(call: Call) -> Record:
    call.principal.require("read")
    record = call.session.get_one(Organization, call.principal.organization_id)
    webhook = select(Webhook.id).where(Webhook.organization_id == record.id, Webhook.is_default).limit(1)
    return render.organisation(
        record, *configs.nested(call), default_of(call.session, record.id), call.session.scalar(webhook)
    )


def _update_organisation(call: Call) -> Record:
    call.principal.require("admin")
    given = _defaults(parse.fields(call, *_DEFAULTS, *_DEFAULTS.values()))
    organization_id = call.principal.organization_id
    if "storage_config_default" in given:
        found = configs.check_storage(call, given["storage_config_default"])
        defaults_of(call.session, organization_id).storage_config_id = found
    if "webhook_config_default" in given:
        webhook_id = configs.check_webhook(call, given["webhook_config_default"])
        mine = update(Webhook).where(Webhook.organization_id == organization_id)
        call.session.execute(mine.values(is_default=False))
        call.session.execute(mine.where(Webhook.id == webhook_id).values(is_default=True))
    call.session.flush()
    return _organisation(call)


def _defaults(given: dict[str, Any]) -> dict[str, Any]:
    """Return the defaults by their documented names; each has a shorter one."""
    for name, short in _DEFAULTS.items():
        if name in given and given.get(short, given[name]) != given[name]:
            raise InvalidInput.field(short, f"It says something else than {name}.")
    return {name: given.get(name, given.get(short)) for name, short in _DEFAULTS.items() if {name, short} & set(given)}


def _permissions(call: Call) -> Permissions:
    found = call.session.scalar(select(Permissions).where(Permissions.id == call.path["id"]))
    if found is None:
        raise NotFound("Permissions not found.")
    call.principal.require("read", found.organization_id, "Permissions")
    return found


def _get_permissions(call: Call) -> Record:
    if call.path["id"] == call.principal.organization_id:
        call.principal.require("read")
        return render.base_permissions(call.session.get_one(Organization, call.principal.organization_id))
    return render.permissions(_permissions(call))


def _create_permissions(call: Call) -> Record:
    given = parse.fields(call, "scopes", required=("key",))
    key = keys.get_own_key(call.session, call.principal, parse.resource_id("key", given["key"]))
    record = Permissions(organization_id=key.organization_id, key_id=key.id)
    _grant(call, record, key, given)
    call.session.add(record)
    call.session.flush()
    return render.permissions(record)


def _update_permissions(call: Call) -> Record:
    record = _permissions(call)
    given = parse.fields(call, required=("scopes",))
    _grant(call, record, keys.get_own_key(call.session, call.principal, record.key_id or ""), given)
    call.session.flush()
    return render.permissions(record)


def _grant(call: Call, record: Permissions, key: ApiKey, given: dict[str, Any]) -> None:
    """Give a key its scopes, as the record says them; only its own user can, and none that are wider than it has."""
    call.principal.require("admin", key.organization_id, "Key")
    scopes = given.get("scopes", key.scopes or ["*:admin"])
    if isinstance(scopes, dict) and not any(scopes.values()):
        scopes = list(scopes)  # the documented form, whose values are limits
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise InvalidInput.field("scopes", "A list of texts, or an object of them whose limits are empty.")
    keys.change_scopes(call.session, call.principal, key, scopes)
    record.scopes = scopes


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
