"""Sites, locations and model definitions as the interface shows and takes them."""

from typing import Annotated, Any

import orjson
from pydantic import Field

from entrepot.server.api.nouns import NOT_KEPT, Kept, Name, Noun, Reference, Text


def _read(text: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {} if text is None else orjson.loads(text)
    return found


#: Whatever else is known of a thing, as JSON; verbs take it as it is, columns keep its text.
Extra = Annotated[
    dict[str, Any],
    Kept(("extra",), _read),
    Field(default_factory=dict, description="Whatever else is known."),
]
#: An id of rows and places, which are numbers within an organization.
Number = Annotated[str, Kept(("id",), str)]
#: The same, of what is made: places come with the numbers that scripts know them by.
NewNumber = Annotated[
    str | None,
    Kept(("id",)),
    Field(pattern=r"^[1-9][0-9]{0,8}$", description="The one that it had elsewhere; by default a fresh one."),
]


class PlaceChanges(Noun):
    """What is to change of a model definition, and of what else has a name."""

    name: Name = ""
    description: Text | None = None
    extra: Extra


class PlaceRequest(PlaceChanges):
    """What is new and has a name."""

    name: Name


class SiteChanges(PlaceChanges):
    """What is to change of a site."""

    active: bool = True


class SiteRequest(SiteChanges):
    """A new site."""

    id: NewNumber = None
    name: Name


class SiteShown(SiteChanges):
    """A site, such as a wind farm."""

    id: Number
    name: str
    description: str | None


class LocationChanges(PlaceChanges):
    """What is to change of a location."""

    northing: Annotated[float | None, Field(description="Latitude in degrees.")] = None
    easting: Annotated[float | None, Field(description="Longitude in degrees.")] = None
    elevation: Annotated[float | None, Field(description="Height above the sea in metres.")] = None


class LocationRequest(LocationChanges):
    """A new location."""

    id: NewNumber = None
    site: Annotated[str, NOT_KEPT, Field(description="Id or name.")]
    name: Name


class LocationShown(LocationChanges):
    """A place of a site, such as a turbine."""

    id: Number
    name: str
    site: Annotated[Reference | None, NOT_KEPT]


class ModelDefinitionRequest(PlaceRequest):
    """A new model definition."""

    id: NewNumber = None
    site: Annotated[str, NOT_KEPT, Field(description="Id or name.")]


class ModelDefinitionShown(PlaceRequest):
    """A model of a site for which result sets are made: as designed, as built."""

    id: Number
    site: Annotated[Reference | None, NOT_KEPT]
