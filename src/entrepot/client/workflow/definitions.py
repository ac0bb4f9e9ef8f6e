"""The parts of a work that say how it is handled."""

from dataclasses import dataclass
from typing import Any, ClassVar

from entrepot.client.workflow.fields import (
    Check,
    Field,
    Model,
    list_of,
    mapping,
    one_of,
    optional,
    text,
    truth,
)

_strategy = one_of("bypass", "copy", "delete", "move")


def _none() -> None:
    return None


@dataclass(init=False)
class Archive(Model):
    """What is done with what a work leaves: products, plots and logs are bypassed, copied, deleted or moved."""

    results: bool
    products: str
    plots: str
    logs: str

    _prefix: ClassVar = "WORKFLOW_CONFIG_ARCHIVE_"
    _fields: ClassVar = {
        "results": Field(truth, lambda: True),
        "products": Field(_strategy, lambda: "copy"),
        "plots": Field(_strategy, lambda: "copy"),
        "logs": Field(_strategy, lambda: "move"),
    }


@dataclass(init=False)
class Slack(Model):
    """Notifications by Slack."""

    channel_id: str | None
    member_ids: list[str] | None
    message: str | None
    results: bool | None
    products: bool | None
    plots: bool | None
    blocks: dict[str, Any] | None
    reply: dict[str, Any] | None

    _prefix: ClassVar = "WORKFLOW_NOTIFY_SLACK_"
    _is_closed: ClassVar = True
    _fields: ClassVar = {
        "channel_id": Field(optional(text), _none),
        "member_ids": Field(optional(list_of(text)), _none, plain=False),
        "message": Field(optional(text), _none),
        "results": Field(optional(truth), _none),
        "products": Field(optional(truth), _none),
        "plots": Field(optional(truth), _none),
        "blocks": Field(optional(mapping), _none, plain=False),
        "reply": Field(optional(mapping), _none, plain=False),
    }


def of(kind: type[Model]) -> Check:
    """Return the check of objects of a kind, and of dictionaries that describe one."""

    def checked(value: Any) -> Any:
        if isinstance(value, kind):
            return value
        if isinstance(value, dict):
            return kind(**value)
        raise ValueError(f"must be a {kind.__name__}, or a dictionary that describes one")

    return checked


@dataclass(init=False)
class Config(Model):
    """How a work lives: what is archived, its parent pipeline, who may see it."""

    archive: Archive
    metrics: bool
    parent: str | None
    orgs: list[str]
    teams: list[str] | None
    #: ``strict``: a work's site must be one of the workspace's; ``relaxed``: any. Stays here.
    strategy: str

    _prefix: ClassVar = "WORKFLOW_CONFIG_"
    _fields: ClassVar = {
        "archive": Field(of(Archive), Archive, plain=False),
        "metrics": Field(truth, lambda: False),
        "parent": Field(optional(text), _none),
        "orgs": Field(list_of(text), lambda: ["chimefrb"], plain=False),
        "teams": Field(optional(list_of(text)), _none, plain=False),
        "strategy": Field(one_of("strict", "relaxed"), lambda: "strict"),
    }


@dataclass(init=False)
class Notify(Model):
    """Who is told."""

    slack: Slack

    _fields: ClassVar = {"slack": Field(of(Slack), Slack)}
