"""A work, as its owner holds it: made, deposited, withdrawn, reported."""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from entrepot.client.workflow.backend import workspace
from entrepot.client.workflow.context import HTTPContext
from entrepot.client.workflow.definitions import Config, Notify, built

_STATUSES = ("created", "queued", "running", "success", "failure")


def _is_pipeline(value: Any) -> bool:
    return (
        isinstance(value, str) and 1 <= len(value) <= 128 and all(letter.isalnum() or letter == "-" for letter in value)
    )


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "pipeline": (_is_pipeline, "must have 1 to 128 characters: letters, numbers and hyphens"),
    "site": (lambda value: isinstance(value, str), "must be a string"),
    "user": (lambda value: isinstance(value, str), "must be a string"),
    "status": (lambda value: value in _STATUSES, f"must be one of {list(_STATUSES)}"),
    "attempt": (lambda value: value >= 0, "must not be negative"),
    "timeout": (lambda value: 1 <= value <= 259_200, "must be from 1 to 259200 seconds"),
    "retries": (lambda value: value < 6, "must be less than 6"),
    "priority": (lambda value: 1 <= value <= 5, "must be from 1 to 5"),
}


@dataclass
class Work:
    """A unit of work.

    Raises
    ------
    ValueError
        A value is not valid, when the work is made or when an attribute is set; or both a function and a command are
        given; or the site is none of the workspace's.
    """

    pipeline: str
    site: str
    user: str
    function: str | None = None
    parameters: dict[str, Any] | None = None
    command: list[str] | None = None
    results: dict[str, Any] | None = None
    products: list[str] | None = None
    plots: list[str] | None = None
    tags: list[str] | None = None
    event: list[int] | None = None
    id: str | None = None
    creation: float | None = None
    start: float | None = None
    stop: float | None = None
    attempt: int = 0
    status: str = "created"
    timeout: int = 3600
    retries: int = 2
    priority: int = 3
    config: Config = field(default_factory=Config)
    notify: Notify = field(default_factory=Notify)
    #: Stay here: neither travels with the work.
    token: str | None = field(default=None, repr=False, compare=False)
    http: HTTPContext | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Check what concerns several fields."""
        if self.function and self.command:
            raise ValueError("Only either function or command can be provided.")
        if self.creation is None:
            self.creation = time.time()
        if self.config.strategy == "strict":
            sites = workspace().get("sites")
            if sites is not None and self.site not in sites:
                raise ValueError(f"site {self.site} not in workspace: {sites}.")

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, checked."""
        is_right, reason = _RULES.get(name, (None, ""))
        if is_right and not is_right(value):
            raise ValueError(f"{name} {reason}")
        kind = {"config": Config, "notify": Notify}.get(name)
        super().__setattr__(name, built(kind, value) if kind else value)

    @property
    def payload(self) -> dict[str, Any]:
        """The work as it travels."""
        payload = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("token", "http")}
        config = asdict(self.config)
        del config["strategy"]
        return {**payload, "config": config, "notify": asdict(self.notify)}

    @classmethod
    def from_json(cls, json: str) -> Self:
        """Return a work from its JSON."""
        return cls.from_dict(_loads(json))

    @classmethod
    def from_dict(cls, payload: dict[str, Any]) -> Self:
        """Return a work from its payload; keys that a work has not are passed over."""
        work: Self = built(cls, payload)
        return work

    @classmethod
    def withdraw(
        cls,
        pipeline: str | list[str],
        event: list[int] | None = None,
        site: str | None = None,
        priority: int | None = None,
        user: str | None = None,
        tags: list[str] | None = None,
        parent: list[str] | None = None,
        timeout: float = 15.0,
        token: str | None = None,
        http: HTTPContext | None = None,
    ) -> Self | None:
        """Withdraw the most urgent queued work that fits; None when there is none."""
        http = http or HTTPContext(timeout=timeout, token=token, backends=["buckets"])
        payload = http.buckets.withdraw(
            pipeline=pipeline, event=event, site=site, priority=priority, user=user, tags=tags, parent=parent
        )
        if not payload:
            return None
        work = cls.from_dict(payload)
        work.http = http
        return work

    def deposit(
        self,
        return_ids: bool = False,
        timeout: float = 15.0,
        token: str | None = None,
        http: HTTPContext | None = None,
    ) -> bool | list[str]:
        """Deposit the work in its bucket; return True, or its id in a list."""
        self.token = token or self.token
        self.http = http or self.http or HTTPContext(timeout=timeout, token=self.token, backends=["buckets"])
        return self.http.buckets.deposit(works=[self.payload], return_ids=return_ids)

    def update(self) -> bool:
        """Report the work to its bucket."""
        return self._context().buckets.update([self.payload])

    def delete(self) -> bool:
        """Delete the work from its bucket."""
        return self._context().buckets.delete_ids([str(self.id)])

    def _context(self) -> HTTPContext:
        if self.http is None:
            self.http = HTTPContext(token=self.token, backends=["buckets"])
        return self.http


_loads = json.loads
