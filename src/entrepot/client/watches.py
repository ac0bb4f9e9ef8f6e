# Made of aio/watches.py by `make sync-face`: change that one.
"""Watches: what must not happen unnoticed; and the notifications that tell of it."""

from typing import Any

from entrepot.client.things import Collection, Thing


class Watch(Thing):
    """How old the last point of a series may be before somebody is told."""

    kinds = "watches"

    @property
    def name(self) -> str:
        """What is watched."""
        return str(self.record["series"] or self.record["of"]["name"])


class Watches(Collection[Watch]):
    """What is watched for silence in a project."""

    def ensure(self, of: Thing | str, /, **settings: Any) -> Watch:
        """Watch what an importer, a cleaner or an analysis makes: all of it, or one ``series``.

        Parameters
        ----------
        settings
            ``silent_for``: how old the last point may be, such as ``6h``; None: it may be silent.
        """
        given = {"of": of if isinstance(of, str) else of.id, **settings}
        return Watch(self._connection, self._connection.json("POST", "/api/v1/watches", body=given))

    create = ensure


class Notification(Thing):
    """What somebody should know or do, told once, until it is resolved."""

    kinds = "notifications"

    def resolve(self) -> None:
        """Say that it is resolved."""
        self.change(resolved=True)
