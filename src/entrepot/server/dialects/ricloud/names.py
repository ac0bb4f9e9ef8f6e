"""The words of this dialect, each beside the one that the rest of the server has for it; all others are the same."""

from collections.abc import Iterable, Mapping
from typing import Any

_THINGS: Mapping[str, str] = {
    "storage_config": "storage",
    "webhook_config": "webhook",
    "poll": "request",
    "task": "step",
}
_REFERENCES = ("user", "source", "session", "subscription", "key", "parent", "target")
_HERE: Mapping[str, str] = {
    **_THINGS,
    **{word: f"{word}_id" for word in _REFERENCES},
    "poll": "request_id",
    "task": "step_id",
    "organisation": "organization_id",
    "state": "status",
    "signed_urls_enabled": "signed",
    "signed_urls_expiry": "signed_for",
    "checksum": "md5",
    "date_created": "created_at",
    "date_started": "started_at",
    "date_completed": "ended_at",
    "date_consumed": "consumed_at",
    "date_deleted": "expired_at",
    "date_expired": "expired_at",
    "date_start": "starts_at",
    "date_end": "ends_at",
}
_WORDS = {name: word for word, name in _HERE.items()}
#: How polls stand: clients know of no other end than this.
_POLLS: Mapping[str, str] = {"failed": "completed", "cancelled": "completed"}
_KINDS = {name: word for word, name in _THINGS.items()}


def here(word: str) -> str:
    """Return what the domain calls a field or a parameter."""
    return _HERE.get(word, word)


def word(name: str) -> str:
    """Return what a field of the domain is called on the wire."""
    return _WORDS.get(name, name)


def received(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was sent, checked, in the words of the domain."""
    return {here(name): value for name, value in given.items()}


def kind_here(text: str) -> str:
    """Return what the domain calls what a task does or an event is about: a thing, perhaps with an action."""
    thing, dot, action = text.partition(".")
    return f"{_THINGS.get(thing, thing)}{dot}{action}"


def kind_word(text: str) -> str:
    """Return what a task does, or an event is about, in the words of the wire."""
    thing, dot, action = text.partition(".")
    return f"{_KINDS.get(thing, thing)}{dot}{action}"


def poll_state(status: str) -> str:
    """Return how a poll stands, in the words of the wire."""
    return _POLLS.get(status, status)


def poll_statuses(states: Iterable[str]) -> list[str]:
    """Return what the domain calls states of polls."""
    wanted = set(states)
    return [*wanted, *(status for status, state in _POLLS.items() if state in wanted)]
