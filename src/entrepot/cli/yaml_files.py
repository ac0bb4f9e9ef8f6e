"""Files of projects: YAML with scripts beside it, read with care and written with comments."""

from pathlib import Path
from typing import Any

import yaml

from entrepot.errors import InvalidInput

#: Settings that hold Python: a path of a file beside, or a block.
SCRIPTS = ("parse", "script", "convert", "keep", "keep_rate", "custom")
#: More than any project has; aliases of aliases soon have more.
_MOST_NODES = 2_000_000
_HEAD = """\
# The project {name}. `entrepot plan {file}` tells what a change here would do, `entrepot apply {file}` does it.
# A section that is left out is let be; what is left out of a section that is there is removed.
"""
_COMMENTS = {
    "time_zone": "the clock of channels and analyses that name none",
    "sites": "of the organization: made and changed here, never removed",
    "result_sets": "where rows are kept",
    "gates": "where files come in",
    "importers": "what reads files into raw series, and channels, which make regular series of these",
    "analyses": "what computes series and rows out of series",
    "watches": "what must not happen unnoticed",
    "webhooks": "what is told of events, of all projects of the organization: made and changed here, never removed",
}


_ONE = {"importers": "importer", "analyses": "analysis", "gates": "feeder"}


class _Loader(yaml.SafeLoader):  # type: ignore[misc] # it comes without types
    """Refuses names that are given twice, of which YAML itself takes the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        own = [key.value for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
        for name in own:
            if own.count(name) > 1:
                raise InvalidInput(f"line {node.start_mark.line + 1}: {name!r} is there twice.")
        made: dict[Any, Any] = super().construct_mapping(node, deep)
        return made


class _Dumper(yaml.SafeDumper):  # type: ignore[misc] # it comes without types
    """Writes scripts as blocks."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def load(file: Path) -> Any:
    """Return what a YAML file holds.

    Raises
    ------
    InvalidInput
        It is no YAML, has a name twice, or becomes too large.
    """
    try:
        found = yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - it is a safe one
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{file}: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise InvalidInput(f"{file} is nested too deeply.") from None
    if _size(found, {}) > _MOST_NODES:
        raise InvalidInput(f"{file} becomes too large by its aliases.")
    return found


def read(file: Path) -> dict[str, Any]:
    """Return a project's file with its scripts in it."""
    found = load(file)
    if not isinstance(found, dict):
        raise InvalidInput(f"{file} holds no project.")
    named: dict[str, Any] = _plain(_with_scripts(found, file.resolve().parent))
    return named


def written(file: dict[str, Any]) -> str:
    """Return a project's file as YAML: what has its default is left out, sections have a comment."""
    kept = _shortened(file)
    parts = [_HEAD.format(name=file["project"], file="farm.yaml")]
    for name, value in kept.items():
        comment = f"\n# {_COMMENTS[name]}\n" if name in _COMMENTS else ""
        parts.append(comment + yaml.dump({name: value}, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120))
    return "".join(parts)


def write(file: dict[str, Any], folder: Path) -> list[Path]:
    """Write a project's file into a folder, with its scripts beside it; return the paths of what was written."""
    scripts: dict[str, str] = {}
    beside = {
        name: value if not isinstance(value, dict) else _beside(name, value, scripts) for name, value in file.items()
    }
    made = []
    for name, text in {**scripts, "farm.yaml": written(beside)}.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        made.append(target)
    return made


def _beside(section: str, things: dict[str, Any], scripts: dict[str, str]) -> dict[str, Any]:
    """Return a section with the paths of scripts in place of their texts, which are noted."""

    def moved(name: str, value: Any, place: str) -> Any:
        if isinstance(value, dict):
            return {key: moved(key, each, place if key in SCRIPTS else f"{place} {key}") for key, each in value.items()}
        if name in SCRIPTS and isinstance(value, str) and value:
            what = "" if name in ("parse", "script") else f"_{name}"
            stem = "".join(letter if letter.isalnum() else "_" for letter in place.strip()) + what
            path = f"scripts/{_free(stem, scripts)}.py"
            scripts[path] = value
            return path
        return value

    return {name: moved(name, value, f"{_ONE.get(section, section)} {name}") for name, value in things.items()}


def _free(stem: str, taken: dict[str, str]) -> str:
    number, name = 1, stem
    while f"scripts/{name}.py" in taken:
        number += 1
        name = f"{stem}_{number}"
    return name


def _with_scripts(value: Any, folder: Path, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _with_scripts(each, folder, str(key)) for key, each in value.items()}
    if name in SCRIPTS and isinstance(value, str) and value.endswith(".py") and "\n" not in value:
        path = (folder / value).resolve()
        if not path.is_relative_to(folder):
            raise InvalidInput(f"{name}: {value} is not beside the file.")
        return path.read_text(encoding="utf-8")
    return value


def _shortened(value: Any) -> Any:
    """Return a file without what is empty; what else has its default is said, as it may be another one elsewhere."""
    if isinstance(value, dict):
        kept = {name: _shortened(each) for name, each in value.items()}
        return {name: each for name, each in kept.items() if each not in (None, "", [], {}) or value[name] == {}}
    if isinstance(value, list):
        return [_shortened(each) for each in value]
    return value


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: YAML reads some texts as dates, and names may be numbers."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def _size(value: Any, known: dict[int, float]) -> float:
    """Return how many values there are once aliases are written out; a circle has no end."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        known[id(value)] = float("inf")
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_size(each, known) for each in inner)
    return known[id(value)]
