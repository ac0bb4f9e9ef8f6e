"""What a worker can take: the model of a work that the published client has, its coercions included.

A deposit that this model refuses would be withdrawn by a worker that cannot read it, and stay ``running``.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictStr, TypeAdapter, ValidationError, field_validator

from entrepot.errors import InvalidInput

Document = dict[str, Any]
_Strategy = Literal["bypass", "copy", "delete", "move"]

#: What configures the client that reads a work, in place of being the work's: it would have a worker talk to another
#: server, with its own key.
_CLIENTS_OWN = frozenset({
    "workspace", "http", "WORKFLOW_HTTP_TOKEN", "WORKFLOW_TOKEN", "GITHUB_TOKEN", "GITHUB_PAT",
})  # fmt: skip
_SETTINGS = (
    "__pydantic_self__", "_case_sensitive", "_nested_model_default_partial_update", "_env_", "_cli_", "_secrets_dir",
    "_build_sources",
)  # fmt: skip


class _Archive(BaseModel):
    results: bool = True
    products: _Strategy = "copy"
    plots: _Strategy = "copy"
    logs: _Strategy = "move"


class _Config(BaseModel):
    archive: _Archive = _Archive()
    metrics: bool = False
    parent: str | None = None
    orgs: list[str] = []
    teams: list[str] | None = None
    strategy: Literal["strict", "relaxed"] = "strict"


class _Slack(BaseModel):
    model_config = ConfigDict(extra="forbid")

    channel_id: StrictStr | None = None
    member_ids: list[StrictStr] | None = None
    message: StrictStr | None = None
    results: bool | None = None
    products: bool | None = None
    plots: bool | None = None
    blocks: dict[str, Any] | None = None
    reply: dict[str, Any] | None = None


class _Notify(BaseModel):
    slack: _Slack = _Slack()


class _Work(BaseModel):
    pipeline: Annotated[str, Field(min_length=1, max_length=128)]
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
    creation: float
    attempt: Annotated[int, Field(ge=0)]
    timeout: Annotated[int, Field(ge=1, le=259_200)]
    retries: Annotated[int, Field(lt=6)]
    priority: Annotated[int, Field(ge=1, le=5)]
    config: _Config
    notify: _Notify

    @field_validator("pipeline")
    @classmethod
    def _letters_digits_hyphens(cls, pipeline: str) -> str:
        if not pipeline.replace("-", "0").isalnum():
            raise ValueError("must have 1 to 128 characters: letters, digits and hyphens")
        return pipeline


_MODEL = TypeAdapter(_Work)
_NUMBERS = ("creation", "attempt", "timeout", "retries", "priority")


def runnable(document: Document) -> Document:
    """Return a completed document whose numbers and truth values are such, as the model reads them.

    Raises
    ------
    InvalidInput
        No worker could take it; the field is named.
    """
    _refuse_settings(document)
    try:
        read = _MODEL.validate_python(document)
    except ValidationError as error:
        raise _named(error) from None
    if document.get("function") and document.get("command"):
        raise InvalidInput.field("function", "only either function or command can be given")
    new = dict(document)
    for name in _NUMBERS:
        new[name] = _number(document[name], getattr(read, name))
    if read.event is not None:
        new["event"] = [_number(given, one) for given, one in zip(document["event"], read.event, strict=True)]
    archive = {**document["config"]["archive"], "results": read.config.archive.results}
    new["config"] = {**document["config"], "metrics": read.config.metrics, "archive": archive}
    slack = document["notify"]["slack"]
    flags = {name: getattr(read.notify.slack, name) for name in ("results", "products", "plots") if name in slack}
    new["notify"] = {**document["notify"], "slack": {**slack, **flags}}
    return new


def _number(given: Any, read: float) -> float:
    """Return a number as it was given, unless it was given as something else: text, or a truth value."""
    return given if isinstance(given, int | float) and not isinstance(given, bool) else read


def _refuse_settings(document: Document) -> None:
    config, notify = document.get("config"), document.get("notify")
    inner = [config, config.get("archive") if isinstance(config, dict) else None]
    inner.append(notify.get("slack") if isinstance(notify, dict) else None)
    for place in (document, *inner):
        if not isinstance(place, dict):
            continue
        own: set[str] = place.keys() & _CLIENTS_OWN if place is document else set()
        if own or "\n_" in "\n" + "\n".join(place):
            for name in place:
                if name in own or name.startswith(_SETTINGS):
                    raise InvalidInput.field(name, "configures the worker that reads it, and is no part of a work")


def _named(error: ValidationError) -> InvalidInput:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    names = [part for part in first["loc"] if isinstance(part, str)]
    place = "".join(f", element {part}" for part in first["loc"] if isinstance(part, int))
    reason = first["msg"].removeprefix("Value error, ")
    missing = first["type"] == "missing"
    return InvalidInput.field(
        ".".join(names) or "work", "is required" if missing else f"cannot be taken{place}: {reason}"
    )
