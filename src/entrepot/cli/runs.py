"""`entrepot runs`: what ran, runs and waits; how it went; and no more of what waits."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from entrepot.cli.common import AsJson, show_json, show_one
from entrepot.cli.connection import DEFAULT_URL, Token, Url, port
from entrepot.cli.nouns import ProjectOption
from entrepot.cli.paths import NOUNS, find
from entrepot.cli.renamed import Renaming
from entrepot.errors import InvalidInput

app = typer.Typer(
    cls=Renaming, no_args_is_help=True, help="Runs of feeders, importers, cleaners and analyses: how they went."
)

RunId = Annotated[str, typer.Argument(metavar="RUN", help="Its id, from `entrepot runs list`, or how that begins.")]
_SHORTEST = 8
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@app.command("list")
def list_(
    token: Token,
    project: ProjectOption = None,
    url: Url = DEFAULT_URL,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="How many, the newest first.")] = 20,
    status: Annotated[str | None, typer.Option(help="running, finished, failed or cancelled.")] = None,
    since: Annotated[str | None, typer.Option(help="An instant, or so long ago: `1d`, `6h`.")] = None,
    json: AsJson = False,
) -> None:
    """List runs, and how often generators and feeders looked since and found nothing new.

    Example: `entrepot runs list --status failed --since 1d`
    """
    with port(url, token) as client:
        within = {} if project is None else {"project": find(client, NOUNS["projects"], project)["id"]}
        wanted = {"status": status, "since": since and _instant(since), "limit": limit, **within}
        params = {name: value for name, value in wanted.items() if value is not None}
        runs = client.connection.json("GET", "/api/v1/runs", params=params)["items"]
        idle = [] if status or since else list(client.connection.pages("/api/v1/runs/idle", **within))
    if json:
        show_json({"runs": runs, "idle": idle})
        return
    for run in runs:
        told = f"{run['id'][:_SHORTEST]}  {(run['started_at'] or '')[:19]}  {_maker(run)}: {run['status']}"
        typer.echo(told + _error(run["report"]))
    for one in idle:
        times = "once" if one["count"] == 1 else f"{one['count']:,} times"
        typer.echo(
            f"{one['last_ended_at'][:19]}  {_maker(one)}: checked {times} since {one['since'][:19]}, nothing new"
        )


@app.command("show")
def show_run(
    run_id: RunId,
    token: Token,
    url: Url = DEFAULT_URL,
    log: Annotated[bool, typer.Option("--log", help="Print what its script printed.")] = False,
    json: AsJson = False,
) -> None:
    """Show a run: how it stands, and its report.

    Example: `entrepot runs show 0d9b1d54 --log`
    """
    from entrepot.client.runs import Run

    with port(url, token) as client:
        run = Run(client.connection, client.connection.json("GET", f"/api/v1/runs/{_whole(client, run_id)}"))
        printed = run.log() if log else ""
    if json:
        show_json(run.record | ({"log": printed} if log else {}))
        return
    names = ("id", "action", "status", "progress", "created_at", "started_at", "ended_at", "error", "report")
    show_one({"of": run.name, **{name: run.record[name] for name in names if run.record[name]}}, as_json=False)
    if printed:
        typer.echo(printed.rstrip("\n"))


@app.command("cancel")
def cancel(
    token: Token,
    run_id: Annotated[str | None, typer.Argument(metavar="[RUN]", help="One run, by its id.")] = None,
    project: ProjectOption = None,
    url: Url = DEFAULT_URL,
    kind: Annotated[
        str | None, typer.Option("--kind", "-k", help="Only these: importer, cleaner, analysis, feeder, series.export.")
    ] = None,
    all_waiting: Annotated[
        bool, typer.Option("--all-waiting", help="Cancel all that wait, and let those go on that run.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Cancel a run, or those of a project: at once what waits; what runs is told to stop.

    Example: `entrepot runs cancel --project farm --kind importer`
    """
    with port(url, token) as client:
        if run_id is not None:
            ended = client.connection.json("POST", f"/api/v1/runs/{_whole(client, run_id)}/cancel")
            show_one({"run": ended["id"], "status": ended["status"]}, json)
            return
        if project is None:
            raise typer.BadParameter("say which: a RUN, or --project")
        address = f"/api/v1/projects/{find(client, NOUNS['projects'], project)['id']}/jobs/cancel"
        body, total, more = {"kind": kind, "waiting_only": all_waiting}, {"waiting": 0, "running": 0}, True
        while more:
            done = client.connection.json("POST", address, body=body, once=True)
            total = {name: count + done[name] for name, count in total.items()}
            more = done["more"]
    if json:
        show_json(total)
    else:
        typer.echo(f"{total['waiting']} cancelled that waited, {total['running']} told to stop that run")


def _whole(client: Any, beginning: str) -> str:
    if len(beginning) >= 36:
        return beginning
    recent = client.connection.json("GET", "/api/v1/runs", params={"limit": 1000})["items"]
    found = [run["id"] for run in recent if run["id"].startswith(beginning)]
    if len(found) != 1:
        raise InvalidInput.field("run", f"{len(found)} of the last runs begin with {beginning!r}.")
    return str(found[0])


def _instant(text: str) -> str:
    number, unit = text[:-1], text[-1:]
    if number.isascii() and number.isdigit() and unit in _UNITS:
        return (datetime.now(UTC) - timedelta(**{_UNITS[unit]: int(number)})).isoformat()
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput.field("since", f"{text!r} is neither an instant nor so long ago, such as `1d`.") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).isoformat()


def _maker(run: dict[str, Any]) -> str:
    return f"{run['of']['kind']} {run['of']['name'] or run['of']['id']}"


def _error(report: dict[str, Any]) -> str:
    return f" ({' '.join(str(report['error']).split())[:120]})" if report.get("error") else ""
