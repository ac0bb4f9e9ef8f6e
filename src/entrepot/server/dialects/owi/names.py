"""The words of this dialect, each beside the one that the rest of the server has for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from entrepot.errors import InvalidInput
from entrepot.rows.checks import Ambiguous, InvalidRows, Taken
from entrepot.rows.filters import FROM, TO
from entrepot.rows.lookups import LOOKUPS
from entrepot.rows.parts import BUILDING_BLOCK, MATERIAL, PARTS, SUBASSEMBLY, Part
from entrepot.server.endpoint import Call, Handler

Record = dict[str, Any]


@dataclass(frozen=True)
class Names:
    """What one kind of records is called on the wire, and here.

    Attributes
    ----------
    sent
        The fields that may be sent, by their words on the wire. Of several words for one, the first is what is shown
        and what errors name, and the first that is not null is what counts.
    asked
        What can be asked about beside these, as paths here.
    relations
        What fields refer to, by what they are called on the wire.
    whole
        Filters that look like a path and are none, with what they are here.
    """

    sent: Mapping[str, str]
    asked: Mapping[str, str] = field(default_factory=dict)
    relations: Mapping[str, "Names"] = field(default_factory=dict)
    whole: Mapping[str, str] = field(default_factory=dict)

    def received(self, payload: Any) -> Any:
        """Return what was sent in the words of the domain; what has none is left out, what is no object is as it is."""
        if not isinstance(payload, dict):
            return payload
        found: Record = {}
        for word, here in self.sent.items():
            if word in payload and found.get(here) is None:
                found[here] = payload[word]
        return found

    def shown(self, record: Mapping[str, Any]) -> Record:
        """Return a record in the words of the wire."""
        return {self.word(name): value for name, value in record.items()}

    def word(self, here: str) -> str:
        """Return what a field is called on the wire."""
        return next((word for word, name in self.sent.items() if name == here), here)

    def path(self, text: str) -> str:
        """Return a filter's path in the words of the domain.

        Raises
        ------
        InvalidInput
            The wire has no such filter.
        """
        return self.whole.get(text) or "__".join(filter(None, _steps(self, text.split("__"), text)))

    def spoken(self, handler: Handler) -> Handler:
        """Make what a handler finds invalid be told in the words of the wire."""

        def handle(call: Call) -> object:
            try:
                return handler(call)
            except InvalidRows as error:
                rows = {
                    at: {self.word(name): reasons for name, reasons in fields.items()}
                    for at, fields in error.rows.items()
                }
                raise InvalidRows(rows, error.count) from error
            except Taken as error:
                raise InvalidInput(fields=self._taken(error)) from error
            except Ambiguous as error:
                word = self.word("name")
                where = "The request has several rows" if error.sent else "There are multiple existing results"
                said = f"{where} for the same `{word}`: {', '.join(error.names)}."
                raise InvalidInput.field(word, said) from error
            except InvalidInput as error:
                if not error.fields:
                    raise
                raise error.renamed(self.word) from error

        return handle

    def _taken(self, error: Taken) -> dict[str, list[str]]:
        words = [self.word(name) for name in error.names]
        if len(words) > 1:
            return {"non_field_errors": [f"The fields {', '.join(words)} must make a unique set."]}
        return {words[0]: [f"A {error.kind} with this {words[0]} already exists."]}


def _steps(names: Names, steps: Sequence[str], text: str) -> list[str]:
    head, *rest = steps
    here = names.asked.get(head, names.sent.get(head))
    if here is None:
        raise InvalidInput.field(text, "Unknown filter.")
    if head in names.relations and rest and rest[0] not in LOOKUPS:
        return [here, *_steps(names.relations[head], rest, text)]
    return [here, *rest]


def _same(words: str) -> dict[str, str]:
    return {word: word for word in words.split()}


def _ids(words: Mapping[str, str]) -> dict[str, str]:
    """Return how the ids of what fields refer to are asked about."""
    return {f"{word}_id": f"{here}_id" for word, here in words.items()}


_ID = {"id": "id", "pk": "id"}
_TITLE = {"title": "name", **_same("description slug"), "additional_data": "extra"}
_OF_SITE = ("projectsite", "projectsite_id", "projectsite_name", "site", "site_id")

SITE = Names({"id": "id", **_TITLE, "active": "active"}, _ID)
LOCATION = Names(
    {"id": "id", **_TITLE, **_same("northing easting elevation"), **dict.fromkeys(_OF_SITE, "site")},
    {**_ID, "projectsite_id": "site_id", "site_id": "site_id", "projectsite_name": "site__name"},
    {"projectsite": SITE, "site": SITE},
)
# The original has projects between model definitions and sites; here a project is its site.
_PROJECT = Names(SITE.sent, {**_ID, "projectsite": "", "projectsite_id": "id"}, {"projectsite": SITE})
MODEL_DEFINITION = Names(
    {"id": "id", **_TITLE, **dict.fromkeys(("project", "project_id", *_OF_SITE), "site")},
    {**_ID, "project_id": "site_id", "site_id": "site_id"},
    {"project": _PROJECT, "site": _PROJECT},
)
_MODEL = {"model_definition": "model_definition", "location": "location"}
_MADE = "model_definition__site"
ANALYSIS = Names(
    {
        **_same("name model_definition model_definition_id location location_id source_type source description"),
        "user": "made_by",
        "timestamp": "made_at",
        "additional_data": "extra",
    },
    {**_ID, **_same("slug locked"), "title": "name", "project": _MADE},  # `title` is what older clients call it
    {"model_definition": MODEL_DEFINITION, "location": LOCATION, "project": _PROJECT},
)
_REFERENCES = {"analysis": "result_set", "site": "site", "location": "location"}
ROW = Names(
    {
        **_REFERENCES,
        **{
            f"{word}_col{number}": f"{here}{number}"
            for word, here in (("name", "name"), ("units", "unit"), ("value", "values"))
            for number in (1, 2, 3)
        },
        "short_description": "name",
        "description": "description",
        "related_object": "about",
        "additional_data": "extra",
    },
    {
        **_ID,
        **_ids(_REFERENCES),
        **_same("slug locked"),
        "model_definition": "result_set__model_definition",
        "model_definition_id": "result_set__model_definition__id",
        "project": f"result_set__{_MADE}",
        "timestamp": "result_set__made_at",
    },
    {
        "analysis": ANALYSIS,
        "site": SITE,
        "location": LOCATION,
        "model_definition": MODEL_DEFINITION,
        "project": _PROJECT,
    },
    {"additional_data__timestamp_from": FROM, "additional_data__timestamp_to": TO},
)

_LOCATION = ("asset_location", "asset", "location")


def _part(part: Part, words: Mapping[str, str] | None = None, **links: tuple[Sequence[str], Names]) -> Names:
    """Return the names of a kind of parts: those of its fields that differ, and for each link its words."""
    words = words or {}
    sent = {"id": "id", **{words.get(here, here): here for here in part.spec}}
    asked = dict(_ID)
    relations: dict[str, Names] = {}
    for here, (spellings, target) in links.items():
        sent |= {word: here for one in spellings for word in (one, f"{one}_id")}
        asked |= {f"{one}_id": f"{here}_id" for one in spellings}
        relations |= dict.fromkeys(spellings, target)
    return Names(sent, asked, relations)


def _parts() -> dict[str, Names]:
    titled = {"name": "title", "extra": "additional_data"}
    material = _part(MATERIAL, titled)
    subassembly = _part(
        SUBASSEMBLY,
        titled,
        location=(("asset", "asset_location", "location"), LOCATION),
        model_definition=(("model_definition",), MODEL_DEFINITION),
    )
    block = _part(
        BUILDING_BLOCK,
        titled,
        subassembly=(("sub_assembly", "subassembly"), subassembly),
        material=(("material",), material),
    )
    found = {"materials": material, "subassemblies": subassembly, "building-blocks": block}
    for kind, part in PARTS.items():
        if kind in ("signals", "derived-signals"):
            words = {"extra": "data_additional", "subassembly": "sub_assembly"}
            found[kind] = _part(part, words, site=(("site", "projectsite"), SITE), location=(_LOCATION, LOCATION))
        elif kind not in found:
            found[kind] = _part(part)
    return found


#: By the kind of parts.
PART_NAMES: Mapping[str, Names] = _parts()
