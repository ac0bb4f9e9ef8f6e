"""`entrepot works`: the queue and the archive from the terminal."""

import json as json_
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrepot.cli.common import AsJson, show
from entrepot.cli.connection import DEFAULT_URL, Token, Url, connected, parse_query
from entrepot.cli.renamed import Renaming
from entrepot.cli.results import add_explain, add_lock
from entrepot.errors import InvalidInput

if TYPE_CHECKING:
    from entrepot.client._http import Connection

app = typer.Typer(cls=Renaming, no_args_is_help=True, help="Works that wait, run and are done.")
add_lock(app, "works", "work", "65fc4dae5ffde0e8dbeebc61")
add_explain(app, "works", "work", "65fc4dae5ffde0e8dbeebc61")

Archive = Annotated[bool, typer.Option("--archive", help="Look in the archive, not in the queue.")]
Query = Annotated[str | None, typer.Option("--query", "-q", help="A MongoDB query, as JSON.")]
Ids = Annotated[list[str] | None, typer.Argument(help="Their ids.")]
_AT_ONCE = 500
_STATUSES = ("queued", "running", "success", "failure")


@app.command("list")
def list_(token: Token, url: Url = DEFAULT_URL, archive: Archive = False, json: AsJson = False) -> None:
    """List pipelines and how many works they have.

    Example: `entrepot works list --archive`
    """
    with connected(url, token) as connection:
        if archive:
            counts = connection.json("GET", "/api/v1/archive/status")
            rows = [{"pipeline": name, "total": number} for name, number in counts.items()]
        else:
            rows = [
                {"pipeline": one["pipeline"], "total": sum(one[name] for name in _STATUSES)} | one
                for one in connection.json("GET", "/api/v1/works/board")["items"]
            ]
    show(rows, json)


@app.command("show")
def show_work(
    work_id: Annotated[str, typer.Argument(help="Its id.")],
    token: Token,
    url: Url = DEFAULT_URL,
    archive: Archive = False,
) -> None:
    """Print a work, as JSON.

    Example: `entrepot works show 65fc4dae5ffde0e8dbeebc61`
    """
    body = {"query": {"id": work_id}, "limit": 1}
    with connected(url, token) as connection:
        found = connection.json("POST", f"/api/v1/{_place(archive)}/view", body=body)
    if not found:
        raise InvalidInput(f"There is no work {work_id}.")
    typer.echo(json_.dumps(found[0], indent=2, ensure_ascii=False))


@app.command("deposit")
def deposit(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A work as JSON, or an array of many.")],
    token: Token,
    url: Url = DEFAULT_URL,
    archive: Annotated[bool, typer.Option("--archive", help="They are done: archive them.")] = False,
    json: AsJson = False,
) -> None:
    """Queue works, all or none, and print their ids; those that are given are kept.

    Example: `entrepot works deposit works.json`
    """
    try:
        given = json_.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput.field("file", f"{file.name} is not JSON: {error}") from None
    with connected(url, token) as connection:
        body = given if isinstance(given, list) else [given]
        ids = connection.json("POST", f"/api/v1/{_place(archive)}", body=body, once=True)["ids"]
    typer.echo(json_.dumps(ids) if json else "\n".join(ids))


@app.command("query")
def query_works(
    query: Annotated[str, typer.Argument(help="A MongoDB query, as JSON.")],
    token: Token,
    url: Url = DEFAULT_URL,
    archive: Archive = False,
    field: Annotated[list[str] | None, typer.Option(help="Return this field; may be repeated. Default: all.")] = None,
    sort: Annotated[str | None, typer.Option(help="Sort by this field; `-creation`: the greatest first.")] = None,
    skip: Annotated[int, typer.Option(min=0, help="Pass over so many.")] = 0,
    limit: Annotated[int, typer.Option(min=0, help="At most so many; 0: all.")] = 100,
    count: Annotated[bool, typer.Option("--count", help="Print only how many match.")] = False,
    explain: Annotated[bool, typer.Option("--explain", help="Print what the database decides of the query.")] = False,
) -> None:
    """Print the works that match a MongoDB query, a line of JSON each.

    Example: `entrepot works query '{"results.dm": {"$gt": 500}}' --archive --field id --field results.dm`
    """
    body: dict[str, Any] = {"query": parse_query(query)}
    base = f"/api/v1/{_place(archive)}"
    with connected(url, token) as connection:
        if count:
            typer.echo(connection.json("POST", f"{base}/count", body=body)["count"])
            return
        if explain:
            typer.echo(json_.dumps(connection.json("POST", f"{base}/explain", body=body), indent=2))
            return
        body |= {"projection": dict.fromkeys(field or [], True), "skip": skip, "limit": limit}
        if sort:
            body["sort"] = [[sort.lstrip("-"), -1 if sort.startswith("-") else 1]]
        for work in connection.json("POST", f"{base}/view", body=body):
            typer.echo(json_.dumps(work, ensure_ascii=False))


@app.command("retry")
def retry(token: Token, ids: Ids = None, url: Url = DEFAULT_URL, query: Query = None, json: AsJson = False) -> None:
    """Queue failed works again, by id or by query, with all their attempts.

    Example: `entrepot works retry --query '{"pipeline": "dispersion"}'`
    """
    with connected(url, token) as connection:
        wanted = ids or _ids(connection, {"$and": [_required(query), {"status": "failure"}]})
        path = "/api/v1/works/retry"
        done = sum(connection.json("POST", path, body={"ids": part})["requeued"] for part in _parts(wanted, "requeued"))
    _tell("requeued", done, json)


@app.command("cancel")
def cancel(token: Token, ids: Ids = None, url: Url = DEFAULT_URL, query: Query = None, json: AsJson = False) -> None:
    """Give up works that wait or run, by id or by query: they fail, with no attempt left.

    Example: `entrepot works cancel --query '{"pipeline": "dispersion"}'`
    """
    with connected(url, token) as connection:
        open_ = {"status": {"$in": ["queued", "running"]}}
        wanted = ids or _ids(connection, {"$and": [_required(query), open_]})
        path = "/api/v1/works/cancel"
        parts = _parts(wanted, "cancelled")
        done = sum(connection.json("POST", path, body={"ids": part})["cancelled"] for part in parts)
    _tell("cancelled", done, json)


@app.command("failures")
def failures(
    token: Token, query: Query = None, url: Url = DEFAULT_URL, archive: Archive = False, json: AsJson = False
) -> None:
    """List why works failed; errors that differ in numbers, ids and paths alone are one.

    Example: `entrepot works failures --query '{"pipeline": "dispersion"}'`
    """
    body = {"query": {} if query is None else parse_query(query)}
    with connected(url, token) as connection:
        found = connection.json("POST", f"/api/v1/{_place(archive)}/failures", body=body)["items"]
    shown = [
        {"works": one["count"], "error": one["error"] or "(none is told)", "pipelines": ", ".join(one["pipelines"])}
        for one in found
    ]
    show(found if json else shown, json)


@app.command("delete")
def delete(
    token: Token,
    ids: Ids = None,
    url: Url = DEFAULT_URL,
    query: Query = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    json: AsJson = False,
) -> None:
    """Delete works of the queue, by id or by query.

    Example: `entrepot works delete --query '{"pipeline": "test"}' --yes`
    """
    with connected(url, token) as connection:
        wanted = ids or _ids(connection, _required(query))
        if wanted and not yes:
            typer.confirm(f"Delete {len(wanted)} works?", abort=True)
        path = "/api/v1/works/delete"
        done = sum(connection.json("POST", path, body={"ids": part})["deleted"] for part in _parts(wanted, "deleted"))
    _tell("deleted", done, json)


def _required(query: str | None) -> dict[str, Any]:
    if query is None:
        raise InvalidInput("Say which works: their ids, or --query.")
    return parse_query(query)


def _ids(connection: "Connection", query: dict[str, Any]) -> list[str]:
    body = {"query": query, "projection": {"id": True}, "limit": 0}
    return [work["id"] for work in connection.json("POST", "/api/v1/works/view", body=body)]


def _parts(ids: list[str], what: str) -> Iterator[list[str]]:
    """Pass on some ids at a time, with a bar on the terminal where there are many."""
    from rich.console import Console
    from rich.progress import track

    starts = range(0, len(ids), _AT_ONCE)
    bar = track(starts, what, console=Console(stderr=True), transient=True, disable=len(starts) < 2)
    return (ids[start : start + _AT_ONCE] for start in bar)


def _place(archive: bool) -> str:
    return "archive" if archive else "works"


def _tell(what: str, number: int, as_json: bool) -> None:
    typer.echo(json_.dumps({what: number}) if as_json else f"{number} {what}")
