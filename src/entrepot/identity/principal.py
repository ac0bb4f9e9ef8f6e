"""Who is asking: the one form in which every door presents a caller to the domain, and the one place of its rights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import ColumnElement, and_

from entrepot.errors import Forbidden, NotFound
from entrepot.identity.models import Project, Role
from entrepot.identity.reach import RIGHTS, WHOLE, Reach, Right

_RANK = {Role.READER: 0, Role.WRITER: 1, Role.ADMIN: 2}
_BOUND = "This key is bound to projects, and this belongs to none of them but to the organization."


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
        The user's role in each organization that the caller reaches as a whole; for a key, in its organization alone,
        and for a key that is bound to projects or series, in none.
    key_id
        The API key used, None for a password.
    reach
        What the key is narrowed to.
    bound
        For a key that is bound: the user's role by the id of each project or series.
    is_old
        Whether the caller came with the token that its key had before it was rotated.
    """

    user_id: str
    login: str
    organization_id: str
    roles: Mapping[str, Role]
    key_id: str | None = None
    reach: Reach = WHOLE
    bound: Mapping[str, Role] = field(default_factory=dict)
    is_old: bool = False

    def can(
        self,
        right: Right,
        organization_id: str | None = None,
        project_id: str | None = None,
        series_id: str | None = None,
    ) -> bool:
        """Tell whether the caller has the right on what this organization (by default, its own) has in this project."""
        role = self._role(organization_id, project_id, series_id)
        return role is not None and _RANK[role] >= RIGHTS.index(right)

    def can_somewhere(self, right: Right) -> bool:
        """Tell whether there may be anything on which the caller has the right."""
        return any(_RANK[role] >= RIGHTS.index(right) for roles in (self.roles, self.bound) for role in roles.values())

    def require(
        self,
        right: Right,
        organization_id: str | None = None,
        what: str = "",
        project_id: str | None = None,
        series_id: str | None = None,
    ) -> None:
        """Raise unless the caller has the right on something of the organization.

        Parameters
        ----------
        organization_id
            Whose it is; by default, the organization that the caller acts in is meant as a whole.
        project_id, series_id
            The project that it belongs to, if any, and the series that it is. A key that is bound to others does not
            reach it; leaving this out keeps all such keys away.

        Raises
        ------
        NotFound
            The caller is no member, or its key is bound to others: what is out of reach does not exist.
        Forbidden
            The caller is a member whose role is too small.
        """
        if self._role(organization_id, project_id, series_id) is None:
            if self.bound and organization_id is None and project_id is None:
                raise Forbidden(_BOUND)
            raise NotFound(f"{what} not found." if what else None)
        if not self.can(right, organization_id, project_id, series_id):
            raise Forbidden(f"This needs the right to {right}; ask an administrator of your organization.")

    def require_acting(self, right: Right) -> None:
        """Raise unless the caller has the right where it acts: in its organization, or in what its key is bound to."""
        if not (self.bound and self.can_somewhere(right)):
            self.require(right)

    def require_scope(self, area: str, right: Right, narrow: str | None = None) -> None:
        """Raise Forbidden when the caller's key is narrowed to scopes that do not include this."""
        if not self.reach.allows(area, right, narrow):
            raise Forbidden(f"This key lacks the scope {area}:{right}{f' (or {narrow})' if narrow else ''}.")

    def require_current(self) -> None:
        """Raise Forbidden when the caller came with the old token of a key: it works, but not on keys and accounts."""
        if self.is_old:
            raise Forbidden("This token was rotated: only the new one changes keys and accounts.")

    def require_lasting(self) -> None:
        """Raise Forbidden when a password that the caller learns would outlast its key, or be used from elsewhere."""
        if self.is_old or self.reach.expires_at is not None or self.reach.networks is not None:
            raise Forbidden("This key ends, or is bound to networks, and an FTP password is not: ask with another.")

    def require_address(self, address: str | None) -> None:
        """Raise Forbidden when the caller's key is bound to networks, and the request comes from none of them."""
        if not self.reach.includes_address(address):
            raise Forbidden(f"This key works from its own networks only, and {address or 'this caller'} is in none.")

    def within(self, model: Any) -> ColumnElement[bool]:
        """Return the condition that rows of a table are within the caller's reach, in all its organizations.

        Raises
        ------
        Forbidden
            The caller's key is bound to projects, and rows of this table belong to organizations.
        """
        if self.bound:
            return and_(*self.confined(model))
        return model.organization_id.in_(list(self.roles))  # type: ignore[no-any-return]

    def own(self, model: Any) -> ColumnElement[bool]:
        """Return the condition that rows belong to the organization in which the caller acts, within its reach.

        Raises
        ------
        NotFound
            The caller is no member.
        Forbidden
            The caller's key is bound to projects, and rows of this table belong to organizations.
        """
        self.require_acting("read")
        return and_(model.organization_id == self.organization_id, *self.confined(model))

    def confined(self, model: Any) -> list[ColumnElement[bool]]:
        """Return what a key that is bound to projects adds to the conditions of a query: nothing for others.

        Raises
        ------
        Forbidden
            The caller's key is bound to projects, and rows of this table belong to organizations.
        """
        if not self.bound:
            return []
        column = Project.id if model is Project else getattr(model, "project_id", None)
        if column is None:
            raise Forbidden(_BOUND)
        return [column.in_(list(self.bound))]

    def _role(self, organization_id: str | None, project_id: str | None, series_id: str | None) -> Role | None:
        if not self.bound:
            return self.roles.get(organization_id or self.organization_id)
        if organization_id not in (None, self.organization_id):
            return None
        return self.bound.get(project_id or "") or self.bound.get(series_id or "")
