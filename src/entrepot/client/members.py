# Made of aio/members.py by `make sync-face`: change that one.
"""Members: the users of the caller's organization, with their roles."""

from entrepot.client.things import Thing


class Member(Thing):
    """A user with a role in the organization: ``reader``, ``writer`` or ``admin``."""

    kinds = "members"

    @property
    def name(self) -> str:
        """What the user signs in with."""
        return str(self.record["login"])
