"""What all results answer by the same words: what keeps them from change, and where they come from."""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from entrepot.cli.common import AsJson, show_json
from entrepot.cli.connection import DEFAULT_URL, Token, Url, port
from entrepot.cli.nouns import ProjectOption
from entrepot.cli.paths import NOUNS, find

if TYPE_CHECKING:
    from entrepot.client.native import Client

Undo = Annotated[bool, typer.Option("--undo", help="Unlock.")]
Until = Annotated[str | None, typer.Option("--until", help="Unlock by itself at this instant, with a zone.")]
Why = Annotated[str, typer.Option("--why", help="What who is refused is told.")]


def add_lock(app: typer.Typer, kinds: str, kind: str, example: str) -> None:
    """Add `lock` to the commands of a kind of results, which are named by paths or ids."""
    noun = NOUNS.get(kinds)

    def lock(
        things: Annotated[list[str], typer.Argument(help="Paths or ids." if noun else "Ids.")],
        token: Token,
        project: ProjectOption = None,
        undo: Undo = False,
        until: Until = None,
        why: Why = "",
        url: Url = DEFAULT_URL,
    ) -> None:
        with port(url, token) as client:
            ids = things if noun is None else [find(client, noun, one, project)["id"] for one in things]
            lock_each(client, kind, ids, undo=undo, until=until, why=why)

    of = kinds.replace("-", " ")
    said = f"Lock {of}, so that nobody can change or delete them, or unlock them."
    app.command("lock", help=f"{said}\n\nExample: `entrepot {kinds} lock {example}`")(lock)


def add_explain(app: typer.Typer, kinds: str, kind: str, example: str) -> None:
    """Add `explain` to the commands of a kind of results, of which one is named by its path or its id."""
    noun = NOUNS.get(kinds)

    def explain(
        thing: Annotated[str, typer.Argument(help="Its path or id." if noun else "Its id.")],
        token: Token,
        project: ProjectOption = None,
        at: Annotated[
            str | None, typer.Option("--at", help="Of series: the point at this instant.", hidden=kind != "series")
        ] = None,
        url: Url = DEFAULT_URL,
        json: AsJson = False,
    ) -> None:
        with port(url, token) as client:
            id_ = thing if noun is None else find(client, noun, thing, project)["id"]
            params = {} if at is None else {"at": at}
            found = client.connection.json("GET", f"/api/v1/lineage/{kind}/{quote(id_, safe='')}", params=params)
        runs = found["items"]
        if json:
            show_json(runs)
        else:
            typer.echo("\n".join(lineage_of(runs)) or "Nothing is known of what made it.")

    said = "Say which runs made it, out of what, down to the files."
    app.command("explain", help=f"{said}\n\nExample: `entrepot {kinds} explain {example}`")(explain)


def lineage_of(runs: Iterable[dict[str, Any]], depth: int = 0, known: set[str] | None = None) -> Iterator[str]:
    """Yield lines that tell which runs made a result, and what each of them read; what was told is not told again."""
    known, space = set() if known is None else known, "   "
    for run in runs:
        yield f"{space * depth}{run['generator']['kind']} run {run['run'][:8]}"
        if run["run"] in known:
            continue
        known.add(run["run"])
        read: dict[str, dict[str, Any]] = {}
        for one in run["inputs"]:
            if one["kind"] == "gate file":
                path = one["id"].partition("/")[2]
                yield f"{space * (depth + 1)}file {path}, SHA-256 {one['sha256'][:16]}…"
            for made in (one["made_by"] or [])[:1]:
                read.setdefault(made["run"], made)  # which says less of itself where it is named again
        yield from lineage_of(read.values(), depth + 1, known)


def lock_each(client: "Client", kind: str, ids: Iterable[str], *, undo: bool, until: str | None, why: str) -> None:
    """Lock things of a kind, or unlock them."""
    for id_ in ids:
        if not undo:
            body = {"kind": kind, "id": id_, "until": until, "why": why}
            client.connection.json("POST", "/api/v1/locks", body=body, once=True)
            continue
        for lock in client.connection.pages("/api/v1/locks", kind=kind, id=id_):
            client.connection.request("DELETE", f"/api/v1/locks/{lock['id']}")
