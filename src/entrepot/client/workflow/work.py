"""A work, as its owner holds it: made, deposited, withdrawn, reported."""

import json
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Self

from entrepot.client.workflow.backend import WORKSPACE, workspace
from entrepot.client.workflow.context import HTTPContext
from entrepot.client.workflow.definitions import Config, Notify, of
from entrepot.client.workflow.exceptions import invalid
from entrepot.client.workflow.fields import (
    Field,
    Model,
    integer,
    list_of,
    mapping,
    number,
    one_of,
    optional,
    text,
    within,
)

_LONGEST_NAME = 128
_LONGEST_TIMEOUT = 259_200


def _pipeline(value: Any) -> str:
    name = text(value)
    if not 1 <= len(name) <= _LONGEST_NAME or not all(letter.isalnum() or letter == "-" for letter in name):
        raise ValueError(f"must have 1 to {_LONGEST_NAME} characters: letters, numbers and hyphens")
    return name


def _creation(value: Any) -> float:
    return time.time() if value is None else number(value)


def _none() -> None:
    return None


_texts, _instant = optional(list_of(text)), Field(optional(number), _none)
_LOCAL = ("workspace", "token", "http")


@dataclass(init=False)
class Work(Model):
    """A unit of work.

    What is not given is taken from the environment, e.g. the variable ``WORKFLOW_PRIORITY``.

    Raises
    ------
    ValueError
        A value is not valid, when the work is made or when an attribute is set; or both a function and a command are
        given; or the site is none of the workspace's. Where pydantic is installed it is a ``ValidationError``.
    """

    pipeline: str
    site: str
    user: str
    function: str | None
    parameters: dict[str, Any] | None
    command: list[str] | None
    results: dict[str, Any] | None
    products: list[str] | None
    plots: list[str] | None
    tags: list[str] | None
    event: list[int] | None
    id: str | None
    creation: float | None
    start: float | None
    stop: float | None
    attempt: int
    status: str
    timeout: int
    retries: int
    priority: int
    config: Config
    notify: Notify
    #: Stay here: none of them travels with the work.
    workspace: str | Path | None = field(default=None, repr=False, compare=False)
    token: str | None = field(default=None, repr=False, compare=False)
    http: HTTPContext | None = field(default=None, repr=False, compare=False)

    _prefix: ClassVar = "WORKFLOW_"
    _fields: ClassVar = {
        "pipeline": Field(_pipeline),
        "site": Field(text),
        "user": Field(text),
        "function": Field(optional(text), _none),
        "parameters": Field(optional(mapping), _none, plain=False),
        "command": Field(_texts, _none, plain=False),
        "results": Field(optional(mapping), _none, plain=False),
        "products": Field(_texts, _none, plain=False),
        "plots": Field(_texts, _none, plain=False),
        "tags": Field(_texts, _none, plain=False),
        "event": Field(optional(list_of(integer)), _none, plain=False),
        "id": Field(optional(text), _none),
        "creation": Field(_creation, time.time),
        "start": _instant,
        "stop": _instant,
        "attempt": Field(within(integer, 0), lambda: 0),
        "status": Field(one_of("created", "queued", "running", "success", "failure"), lambda: "created"),
        "timeout": Field(within(integer, 1, _LONGEST_TIMEOUT), lambda: 3600),
        "retries": Field(within(integer, None, 5), lambda: 2),
        "priority": Field(within(integer, 1, 5), lambda: 3),
        "config": Field(of(Config), Config, plain=False),
        "notify": Field(of(Notify), Notify, plain=False),
    }

    def __init__(self, **given: Any) -> None:
        self.workspace, self.token, self.http = (given.get(name) for name in _LOCAL)
        super().__init__(**given)
        self._check_whole()

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute, checked by itself and with the others; one that is refused stays as it was."""
        before = self.__dict__.get(name)
        super().__setattr__(name, value)
        if name in self._fields:
            try:
                self._check_whole()
            except ValueError:
                self.__dict__[name] = before
                raise

    def _check_whole(self) -> None:
        if self.function and self.command:
            raise invalid("Work", {"command": ("Only either function or command can be provided.", self.command)})
        path = Path(self.workspace) if self.workspace else None
        if path is not None and not path.is_file():
            raise invalid("Work", {"workspace": ("Path does not point to a file", str(path))})
        if self.config.strategy == "strict" and (path or WORKSPACE).is_file():
            sites = workspace(path).get("sites", [])
            if self.site not in (sites or []):
                raise invalid("Work", {"site": (f"site {self.site} not in workspace: {sites}.", self.site)})

    @property
    def payload(self) -> dict[str, Any]:
        """The work as it travels."""
        payload = {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _LOCAL}
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
        return cls(**payload)

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
