"""Organizations that the caller belongs to; to make one, and to name it, is the operator's of the server."""

from typing import Annotated

from sqlalchemy import select

from entrepot.identity import Organization, Principal, projects
from entrepot.server.api.nouns import NOT_KEPT, Named, Noun, Page, Sought, Text, called, listed, worded
from entrepot.server.api.routing import NativeRouter, Unit

router = NativeRouter(tags=["organizations"])


class OrganizationChanges(Noun):
    """What is to change of an organization."""

    description: Text = ""


class OrganizationShown(Noun):
    """Those who share members, projects and limits."""

    id: str
    name: str
    description: str
    role: Annotated[str, NOT_KEPT]


@router.serve("GET", "/organizations", area="identity", right="read")
def list_organizations(unit: Unit, asked: Sought, name: Named = None) -> Page[OrganizationShown]:
    """List the caller's organizations by name, with the caller's role in each."""
    unit.principal.require("read")
    query = select(Organization).where(Organization.id.in_(list(unit.principal.roles)))
    query = query.where(*worded(asked.q, Organization.name))
    if name is not None:
        query = query.where(called(Organization.name, name))
    order = (Organization.name, Organization.id)
    return listed(unit, query, order, asked, lambda rows: [_shown(unit.principal, one) for one in rows])


@router.serve("GET", "/organizations/{organization_id}", area="identity", right="read")
def get_organization(unit: Unit, organization_id: str) -> OrganizationShown:
    """Return one of the caller's organizations."""
    return _shown(unit.principal, projects.get_organization(unit.session, unit.principal, organization_id))


@router.serve("PATCH", "/organizations/{organization_id}", area="identity", right="admin")
def change_organization(unit: Unit, organization_id: str, given: OrganizationChanges) -> OrganizationShown:
    """Change what an organization says of itself; for its administrators."""
    unit.principal.require_current()
    found = projects.get_organization(unit.session, unit.principal, organization_id, "admin")
    if "description" in given.model_fields_set:
        found.description = given.description
    return _shown(unit.principal, found)


def _shown(principal: Principal, organization: Organization) -> OrganizationShown:
    return OrganizationShown.showing(organization, role=str(principal.roles[organization.id]))
