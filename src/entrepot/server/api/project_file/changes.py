"""What differs between a project and a file."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel

from entrepot.server.api.project_file.models import SHARED, Differing, ProjectFile

#: The kinds of things, in the order in which they are made; they are removed the other way round.
KINDS = (
    "site", "location", "model definition", "result set", "gate", "feeder", "importer", "channel", "analysis", "watch",
    "webhook",
)  # fmt: skip
#: The section of a file that says whether things of a kind are all that there are to be.
_SECTIONS = {
    "gate": "gates", "feeder": "gates", "importer": "importers", "channel": "importers", "analysis": "analyses",
    "watch": "watches",
}  # fmt: skip
#: The kind of a thing, and the names that lead to it.
Key = tuple[str, ...]
_SCRIPT_LINES = 2


@dataclass(frozen=True)
class Step:
    """A thing that is made, changed or removed.

    Attributes
    ----------
    path
        The names that lead to it: a channel's are its importer's and its raw series'.
    settings
        All that are wanted of it.
    old
        Of a thing that changes, the settings that do, as they are.
    """

    action: Literal["made", "changed", "removed"]
    kind: str
    path: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    old: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What people call it."""
        return "/".join(self.path)

    @property
    def key(self) -> Key:
        """Its kind, and the names that lead to it."""
        return (self.kind, *self.path)

    @property
    def new(self) -> dict[str, Any]:
        """The settings that change, as they are wanted."""
        return {name: self.settings[name] for name in self.old}

    def fields(self) -> dict[str, Differing]:
        """Return what changes, for people."""
        return {name: _differing(value, self.settings[name]) for name, value in self.old.items()}


def things_of(file: ProjectFile) -> dict[Key, dict[str, Any]]:
    """Return the settings of all things of a file, by their kinds and names."""
    return dict(_things(file))


def steps(current: ProjectFile, wanted: ProjectFile) -> list[Step]:
    """Return what makes a project what a file says: first what is removed, then what is made and changed."""
    old, new = things_of(current), things_of(wanted)
    removed = [Step("removed", key[0], key[1:]) for key in old.keys() - new.keys() if _is_whole(wanted, key[0])]
    removed.sort(key=lambda step: (-KINDS.index(step.kind), step.name))
    others = []
    for key in sorted(new, key=lambda key: KINDS.index(key[0])):
        if key not in old:
            others.append(Step("made", key[0], key[1:], new[key]))
        elif differs := {name: old[key][name] for name, value in new[key].items() if old[key][name] != value}:
            others.append(Step("changed", key[0], key[1:], new[key], differs))
    return removed + others


def keep_secrets(current: ProjectFile, wanted: ProjectFile) -> None:
    """Have credentials that are kept go by the name that the file has for them: under which they came is not known."""
    for name, gate in wanted.gates.items():
        known = current.gates[name].feeder if name in current.gates else None
        if gate.feeder is not None and known is not None and gate.feeder.secret and known.secret:
            known.secret = gate.feeder.secret


def _is_whole(wanted: ProjectFile, kind: str) -> bool:
    return kind not in SHARED and _SECTIONS[kind] in wanted.model_fields_set


def _things(file: ProjectFile) -> Iterator[tuple[Key, dict[str, Any]]]:
    for name, site in file.sites.items():
        yield ("site", name), _settings(site, "locations", "model_definitions")
        for title, location in site.locations.items():
            yield ("location", name, title), _settings(location)
        for title, model in site.model_definitions.items():
            yield ("model definition", name, title), _settings(model)
    for name, result_set in file.result_sets.items():
        yield ("result set", name), _settings(result_set)
    for name, gate in file.gates.items():
        yield ("gate", name), _settings(gate, "feeder")
        if gate.feeder is not None:
            yield ("feeder", name), _settings(gate.feeder)
    for name, importer in file.importers.items():
        yield ("importer", name), _settings(importer, "channels")
        for raw, channel in importer.channels.items():
            yield ("channel", name, raw), _settings(channel)
    for name, analysis in file.analyses.items():
        yield ("analysis", name), _settings(analysis)
    for name, watch in file.watches.items():
        yield ("watch", name), _settings(watch)
    for address, webhook in file.webhooks.items():
        yield ("webhook", address), _settings(webhook)


def _settings(thing: BaseModel, *without: str) -> dict[str, Any]:
    return thing.model_dump(mode="json", by_alias=True, exclude=set(without))


def _differing(before: Any, after: Any) -> Differing:
    texts = [text for text in (before, after) if isinstance(text, str)]
    if len(texts) == 2 and max(text.count("\n") for text in texts) >= _SCRIPT_LINES:
        delta = difflib.ndiff(texts[0].splitlines(), texts[1].splitlines())
        return Differing(lines=max(1, sum(line.startswith(("+ ", "- ")) for line in delta)))
    return Differing(before=before, after=after)
