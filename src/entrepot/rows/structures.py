"""What building blocks are part of, and what they are made of: read along with them, never stored twice."""

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from entrepot.identity import Principal
from entrepot.rows.filters import one_of
from entrepot.rows.models import BuildingBlock, Location, Material, Site, Subassembly


def around(session: Session, principal: Principal, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return the names of site, location and subassembly of building blocks by id, and their materials' fields."""
    principal.require("read")
    own = principal.organization_id
    names = Site.name.label("site"), Location.name.label("location"), Subassembly.fields.label("subassembly")
    query = select(BuildingBlock.id, *names, Material.fields.label("material"))
    for model, key in (
        (Subassembly, BuildingBlock.subassembly_id == Subassembly.id),
        (Location, Subassembly.location_id == Location.id),
        (Site, Location.site_id == Site.id),
    ):
        query = query.join(model, (model.organization_id == own) & key)
    query = query.outerjoin(Material, (Material.organization_id == own) & (BuildingBlock.material_id == Material.id))
    query = query.where(BuildingBlock.organization_id == own, one_of(BuildingBlock.id, ids))
    found = {}
    for row in session.execute(query):
        found[row.id] = {
            "site": row.site,
            "location": row.location,
            "subassembly": orjson.loads(row.subassembly)["name"],
            "material": orjson.loads(row.material) if row.material is not None else {},
        }
    return found
