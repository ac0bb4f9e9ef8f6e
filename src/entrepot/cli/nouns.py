"""The verbs that all things answer: list, show, create, set, delete."""

import json as jsons
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrepot.cli.common import AsJson, show, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url, port
from entrepot.cli.paths import NOUNS, Noun, find, scope
from entrepot.cli.renamed import Renaming
from entrepot.errors import InvalidInput

if TYPE_CHECKING:
    from entrepot.client.native import Client

Record = dict[str, Any]
ProjectOption = Annotated[
    str | None, typer.Option("--project", "-p", envvar="ENTREPOT_PROJECT", help="Its project, where a path names none.")
]
Settings = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME=VALUE...", help="Settings: texts, JSON, or `@file` for what a file holds."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
_VERBS = ("list", "show", "create", "set", "delete")


def noun_group(kinds: str, summary: str, verbs: tuple[str, ...] = _VERBS) -> typer.Typer:
    """Return the commands of a kind of things, which others may be added to."""
    app, noun = typer.Typer(cls=Renaming, no_args_is_help=True, help=summary), NOUNS[kinds]
    add_verbs(app, noun, verbs)
    return app


def add_verbs(app: typer.Typer, noun: Noun, verbs: tuple[str, ...] = _VERBS) -> None:
    """Add the verbs that all things answer to the commands of a kind."""
    makers = {"list": _list, "show": _show, "create": _create, "set": _set, "delete": _delete}
    example = "farm/scada" if noun.within else "farm"
    for verb in verbs:
        command = makers[verb](noun)
        said = f"{command.__doc__}\n\nExample: `entrepot {noun.kinds} {verb}{_EXAMPLES[verb].format(path=example)}`"
        app.command(verb, help=said)(command)


_EXAMPLES = {
    "list": " --json", "show": " {path}", "create": " {path} description=new", "set": " {path} description=better",
    "delete": " {path} --yes",
}  # fmt: skip


def settings_of(given: list[str] | None) -> Record:
    """Return settings as they are sent; raises InvalidInput for one without a name."""
    settings: Record = {}
    for one in given or ():
        name, equals, text = one.partition("=")
        if not equals or not name:
            raise InvalidInput.field("settings", f"Write NAME=VALUE, unlike {one!r}.")
        settings[name.replace("-", "_")] = _value(text)
    return settings


def _value(text: str) -> Any:
    if text.startswith("@"):
        return Path(text[1:]).read_text(encoding="utf-8")
    try:
        value = jsons.loads(text)
    except ValueError:
        return text
    # Numbers go as they were typed: a name may look like one, and the server knows which is which.
    return text if isinstance(value, int | float) and not isinstance(value, bool) else value


def shown(record: Record, names: tuple[str, ...]) -> Record:
    """Return what of a record a line of a table has."""
    from entrepot.client.printing import said

    return {name.replace("_", " "): said(record.get(name)) for name in names}


def made_one(client: "Client", noun: Noun, path: str, settings: list[str] | None, project: str | None = None) -> Record:
    """Make a thing of this path, with these settings."""
    above, _, name = path.rpartition("/") if noun.within else ("", "", path)
    within = scope(client, noun, above or (project if noun.within == "projects" else None))
    body = {**within, noun.key: name, **settings_of(settings)}
    made: Record = client.connection.json("POST", f"/api/v1/{noun.kinds}", body=body, once=True)
    return made


def _list(noun: Noun) -> Any:
    def command(
        token: Token,
        path: Annotated[str | None, typer.Argument(metavar="[PATH]", help="What they belong to.")] = None,
        url: Url = DEFAULT_URL,
        project: ProjectOption = None,
        json: AsJson = False,
    ) -> None:
        with port(url, token) as client:
            within = scope(client, noun, path or (project if noun.within == "projects" else None))
            found = list(client.connection.pages(f"/api/v1/{noun.kinds}", **within))
        show(found if json else [shown(one, noun.columns) for one in found], json)

    command.__doc__ = f"List the {noun.kinds.replace('-', ' ')} that you may read."
    return command


def _show(noun: Noun) -> Any:
    def command(
        token: Token,
        path: Annotated[str, typer.Argument(help="Its path or id.")],
        url: Url = DEFAULT_URL,
        project: ProjectOption = None,
        json: AsJson = False,
    ) -> None:
        with port(url, token) as client:
            found = find(client, noun, path, project)
        show_one(found if json else shown(found, tuple(found)), json)

    command.__doc__ = f"Show one {noun.one}, with all its settings."
    return command


def _create(noun: Noun) -> Any:
    def command(
        token: Token,
        path: Annotated[str, typer.Argument(help="Its name, after that of what it belongs to: `farm/scada`.")],
        settings: Settings = None,
        url: Url = DEFAULT_URL,
        project: ProjectOption = None,
        json: AsJson = False,
    ) -> None:
        with port(url, token) as client:
            made = made_one(client, noun, path, settings, project)
        show_one(made if json else shown(made, ("id", *noun.columns)), json)

    command.__doc__ = f"Make one {noun.one}."
    return command


def _set(noun: Noun) -> Any:
    def command(
        token: Token,
        path: Annotated[str, typer.Argument(help="Its path or id.")],
        settings: Settings = None,
        url: Url = DEFAULT_URL,
        project: ProjectOption = None,
        json: AsJson = False,
    ) -> None:
        changes = settings_of(settings)
        with port(url, token) as client:
            found = find(client, noun, path, project)
            headers = {"if-match": f'"{found["version"]}"'} if "version" in found else {}
            address = f"/api/v1/{noun.kinds}/{found['id']}"
            changed = client.connection.json("PATCH", address, body=changes, headers=headers)
        show_one(changed if json else shown(changed, (noun.key, *changes)), json)

    command.__doc__ = f"Change settings of one {noun.one}."
    return command


def _delete(noun: Noun) -> Any:
    def command(
        token: Token,
        path: Annotated[str, typer.Argument(help="Its path or id.")],
        yes: Yes = False,
        url: Url = DEFAULT_URL,
        project: ProjectOption = None,
    ) -> None:
        with port(url, token) as client:
            found = find(client, noun, path, project)
            if not yes:
                typer.confirm(f"Delete the {noun.one} {found.get(noun.key)} ({found['id']})?", abort=True)
            client.connection.request("DELETE", f"/api/v1/{noun.kinds}/{found['id']}")
        typer.echo("1 deleted")

    command.__doc__ = f"Delete one {noun.one}, with what hangs on it."
    return command
