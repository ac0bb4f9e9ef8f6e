"""The parts of a work that say how it is handled."""

from dataclasses import dataclass, field
from typing import Any

_STRATEGIES = ("bypass", "copy", "delete", "move")


@dataclass
class Archive:
    """What is done with what a work leaves: products, plots and logs are bypassed, copied, deleted or moved."""

    results: bool = True
    products: str = "copy"
    plots: str = "copy"
    logs: str = "move"

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, which must be one of the strategies."""
        if name != "results" and value not in _STRATEGIES:
            raise ValueError(f"{name}: archive strategy must be one of {list(_STRATEGIES)}")
        super().__setattr__(name, value)


@dataclass
class Config:
    """How a work lives: what is archived, its parent pipeline, who may see it."""

    archive: Archive = field(default_factory=Archive)
    metrics: bool = False
    parent: str | None = None
    orgs: list[str] = field(default_factory=lambda: ["chimefrb"])
    teams: list[str] | None = None
    #: ``strict``: a work's site must be one of the workspace's; ``relaxed``: any. Stays here.
    strategy: str = "strict"

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; dictionaries become what they describe."""
        super().__setattr__(name, built(Archive, value) if name == "archive" else value)


@dataclass
class Slack:
    """Notifications by Slack."""

    channel_id: str | None = None
    member_ids: list[str] | None = None
    message: str | None = None
    results: bool | None = None
    products: bool | None = None
    plots: bool | None = None
    blocks: dict[str, Any] | None = None
    reply: dict[str, Any] | None = None


@dataclass
class Notify:
    """Who is told."""

    slack: Slack = field(default_factory=Slack)

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; dictionaries become what they describe."""
        super().__setattr__(name, built(Slack, value))


def built(kind: type[Any], value: Any) -> Any:
    """Return an object of a kind; a dictionary gives its attributes, of which those it has not are passed over."""
    if not isinstance(value, dict):
        return value
    known = {name: given for name, given in value.items() if name in kind.__dataclass_fields__}
    return kind(**known)
