"""Documents that are what a worker takes as they stand, told at a glance: most are, and to read one anew costs more."""

from typing import Any

from pydantic_core import SchemaValidator, ValidationError, core_schema
from pydantic_core.core_schema import CoreSchema

from entrepot.works.query.searchable import is_storable

_EXACT = 2**53
_STATUSES = ["created", "queued", "running", "success", "failure"]
_STRATEGY = core_schema.literal_schema(["bypass", "copy", "delete", "move"])
_TRUTH = core_schema.bool_schema(strict=True)
_STRING = core_schema.str_schema(strict=True)
# As doubles, whole numbers a little beyond the bound would be on it.
_NUMBER = core_schema.float_schema(strict=True, allow_inf_nan=False, gt=-_EXACT, lt=_EXACT)
_OBJECT = core_schema.dict_schema(_STRING)


def _or_null(schema: CoreSchema) -> CoreSchema:
    return core_schema.nullable_schema(schema)


def _strings() -> CoreSchema:
    return core_schema.list_schema(_STRING, strict=True)


def _integer(least: int, most: int) -> CoreSchema:
    return core_schema.int_schema(strict=True, ge=least, le=most)


def _only(required: dict[str, CoreSchema], optional: dict[str, CoreSchema] | None = None) -> CoreSchema:
    fields = {name: core_schema.typed_dict_field(schema, required=True) for name, schema in required.items()}
    fields |= {name: core_schema.typed_dict_field(one, required=False) for name, one in (optional or {}).items()}
    return core_schema.typed_dict_schema(fields, strict=True, extra_behavior="forbid")


_CONFIG = _only(
    {
        "archive": _only({"results": _TRUTH, "products": _STRATEGY, "plots": _STRATEGY, "logs": _STRATEGY}),
        "metrics": _TRUTH,
        "parent": _or_null(_STRING),
        "orgs": _strings(),
        "teams": _or_null(_strings()),
    },
    {"strategy": core_schema.literal_schema(["strict", "relaxed"])},
)
_SLACK = _only(
    {},
    {
        "channel_id": _or_null(_STRING),
        "member_ids": _or_null(_strings()),
        "message": _or_null(_STRING),
        **{name: _or_null(_TRUTH) for name in ("results", "products", "plots")},
        "blocks": _or_null(_OBJECT),
        "reply": _or_null(_OBJECT),
    },
)
_VALIDATOR = SchemaValidator(
    _only(
        {
            "pipeline": core_schema.str_schema(strict=True, pattern="^[A-Za-z0-9-]{1,128}$"),
            "site": _STRING,
            "user": _STRING,
            "function": _or_null(_STRING),
            "parameters": _or_null(_OBJECT),
            "command": _or_null(_strings()),
            "results": _or_null(_OBJECT),
            **{name: _or_null(_strings()) for name in ("products", "plots", "tags")},
            "event": _or_null(core_schema.list_schema(_integer(-_EXACT, _EXACT), strict=True)),
            "id": _or_null(_STRING),
            "creation": _NUMBER,
            "start": _or_null(_NUMBER),
            "stop": _or_null(_NUMBER),
            "attempt": _integer(0, _EXACT),
            "status": core_schema.literal_schema(_STATUSES),
            "timeout": _integer(1, 259_200),
            "retries": _integer(-_EXACT, 5),
            "priority": _integer(1, 5),
            "config": _CONFIG,
            "notify": _only({"slack": _SLACK}),
        },
        {"inputs": core_schema.any_schema()},
    )
)


def is_plain(document: dict[str, Any]) -> bool:
    """Tell whether a completed document is one that `runnable` leaves as it is, and that is checked with it.

    Of others nothing is said: they may be as good, or say what is at fault, when they are looked at closely.
    """
    try:
        _VALIDATOR.validate_python(document)
    except ValidationError:
        return False
    if document["function"] and document["command"]:
        return False
    parent = document["config"]["parent"]
    return is_storable(document["site"]) and is_storable(document["user"]) and (parent is None or is_storable(parent))
