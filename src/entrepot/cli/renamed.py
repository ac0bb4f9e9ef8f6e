"""Commands that have another name now: the old one works until 1.0, and says the new one on standard error."""

from typing import Any

import typer
from typer.core import TyperGroup

#: By the old words, the new ones. A group that has another name keeps, under the old one, the old names of its verbs.
NEW_WORDS = {
    "gate": "gates", "feeder": "feeders", "importer": "importers", "analysis": "analyses", "webhook": "webhooks",
    "storage": "storages", "notices": "notifications", "user": "users", "org": "organizations", "token": "keys",
    "key": "secret-key", "work": "works run", "publish": "files publish", "publish-runs": "analyses publish",
    "polls": "requests", "run": "runs", "runs importer": "importers run", "runs cleaner": "cleaners run",
    "runs analysis": "analyses run", "gates ls": "gates list", "gates put": "gates upload",
    "gates quarantine ls": "gates quarantine list", "gates quarantine rm": "gates quarantine delete",
    "gates bans": "bans list", "gates unban": "bans delete", "feeders ls": "feeders list",
    "importers ls": "importers list", "webhooks ls": "webhooks list", "webhooks rm": "webhooks delete",
    "storages ls": "storages list", "storages add": "storages create", "storages rm": "storages delete",
    "notifications ls": "notifications list", "notifications watch": "watches set",
    "notifications watches": "watches list", "notifications unwatch": "watches delete", "series ls": "series list",
    "rows ls": "rows list", "works ls": "works list", "works rm": "works delete",
    "users add": "users create", "users remove": "users delete",
    "keys revoke": "keys delete", "bans lift": "bans delete", "rows attach": "parts attach",
    "rows fetch": "parts fetch", "rows detach": "parts detach",
}  # fmt: skip


class Renaming(TyperGroup):
    """A group of commands that knows the old names of what is in it."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command of this name, or the one that had it."""
        here = _words(ctx)
        new = NEW_WORDS.get(f"{here} {cmd_name}".strip())
        if new is None or (found := _found(ctx, new)) is None:
            return super().get_command(ctx, cmd_name)
        if not ctx.resilient_parsing:
            typer.echo(f"`entrepot {f'{here} {cmd_name}'.strip()}` is `entrepot {new}` now", err=True)
        return found


def say_new(ctx: Any, words: str) -> None:
    """Say on standard error what an old command is now."""
    typer.echo(f"`entrepot {_words(ctx)}` is `entrepot {words}` now", err=True)


def _words(ctx: Any) -> str:
    """Return the words that lead to a group, as they are now."""
    words: list[str] = []
    while ctx.parent is not None:
        words.insert(0, str(ctx.command.name or ctx.info_name))
        ctx = ctx.parent
    return " ".join(words)


def _found(ctx: Any, words: str) -> Any:
    """Return the command that words lead to, from the top."""
    while ctx.parent is not None:
        ctx = ctx.parent
    command: Any = ctx.command
    for word in words.split():
        command = command.commands.get(word) if hasattr(command, "commands") else None
        if command is None:
            return None
    return command
