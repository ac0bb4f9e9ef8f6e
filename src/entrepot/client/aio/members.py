"""Members: the users of the caller's organization, with their roles."""

from entrepot.client.aio.things import Thing


class Member(Thing):
    """A user with a role in the organization: ``reader``, ``writer`` or ``admin``."""

    kinds = "members"

    @property
    def name(self) -> str:
        """What the user signs in with."""
        return str(self.record["login"])
