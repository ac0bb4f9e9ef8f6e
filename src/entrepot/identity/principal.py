"""Who is asking: the one form in which every door presents a caller to the domain."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from entrepot.errors import Forbidden, InvalidInput, NotFound
from entrepot.identity.models import Role

Right = Literal["read", "write", "admin"]
#: The parts of the product that a key's scopes tell apart.
AREAS = ("series", "rows", "works", "files", "events", "identity")
_RIGHTS: tuple[Right, ...] = ("read", "write", "admin")
_RANK = {Role.READER: 0, Role.WRITER: 1, Role.ADMIN: 2}


@dataclass(frozen=True)
class Principal:
    """An authenticated caller.

    Attributes
    ----------
    user_id, login
        The user.
    organization_id
        The organization that the caller acts in where a request names none: the key's own, else the user's oldest.
    roles
        The user's role in each organization; for a key, in its organization alone.
    key_id
        The API key used, None for a password.
    scopes
        What the key is narrowed to, as ``area:right``; None when it is not.
    """

    user_id: str
    login: str
    organization_id: str
    roles: Mapping[str, Role]
    key_id: str | None = None
    scopes: frozenset[str] | None = None

    def can(self, right: Right, organization_id: str | None = None) -> bool:
        """Tell whether the caller has the right in the organization (by default, its own)."""
        role = self.roles.get(organization_id or self.organization_id)
        return role is not None and _RANK[role] >= _RIGHTS.index(right)

    def require(self, right: Right, organization_id: str | None = None, what: str = "") -> None:
        """Raise unless the caller has the right on something of the organization.

        Raises
        ------
        NotFound
            The caller is no member: what others own does not exist for it.
        Forbidden
            The caller is a member whose role is too small.
        """
        if (organization_id or self.organization_id) not in self.roles:
            raise NotFound(f"{what} not found." if what else None)
        if not self.can(right, organization_id):
            raise Forbidden(f"This needs the right to {right}; ask an administrator of your organization.")

    def require_scope(self, area: str, right: Right) -> None:
        """Raise Forbidden when the caller's key is narrowed to scopes that do not include this."""
        if self.scopes is None:
            return
        allowed = _RIGHTS[_RIGHTS.index(right) :]
        if not any(f"{area_}:{right_}" in self.scopes for area_ in (area, "*") for right_ in allowed):
            raise Forbidden(f"This key lacks the scope {area}:{right}.")


def parse_scopes(scopes: list[str] | None) -> list[str] | None:
    """Return the scopes, checked: each is ``area:right``, ``*:right`` being every area.

    Raises
    ------
    InvalidInput
        A scope is not of that form.
    """
    for scope in scopes or []:
        area, _, right = scope.partition(":")
        if area not in (*AREAS, "*") or right not in _RIGHTS:
            known = ", ".join(AREAS)
            raise InvalidInput.field(
                "scopes", f"{scope!r} is not area:right (areas: {known}, *; rights: read, write, admin)."
            )
    return scopes
