"""`entrepot run`: an importer, a cleaner or an analysis; or no more of what waits."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from entrepot.cli.common import AsJson, show_json
from entrepot.cli.connection import DEFAULT_URL, Token, Url
from entrepot.cli.platform import ProjectName, api_of, project_of
from entrepot.errors import EntrepotError

app = typer.Typer(
    no_args_is_help=True,
    help="Run an importer, a cleaner or an analysis, and what depends on it; list runs; cancel what was asked for.\n\n"
    'Example: `entrepot run importer scada --project "Wind farm" --follow`',
)


class Kind(StrEnum):
    """What can be run."""

    importer = "importer"
    cleaner = "cleaner"
    analysis = "analysis"


Name = Annotated[str, typer.Argument(help="Its name.")]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Wait until it has ended; fail unless it finished.")]


@app.command()
def importer(name: Name, token: Token, project: ProjectName, url: Url = DEFAULT_URL, follow: Follow = False) -> None:
    """Import the new files of a gate.

    Example: `entrepot run importer scada --project "Wind farm" --follow`
    """
    _run(Kind.importer, name, token, project, url, follow=follow)


@app.command()
def cleaner(name: Name, token: Token, project: ProjectName, url: Url = DEFAULT_URL, follow: Follow = False) -> None:
    """Clean what changed.

    Example: `entrepot run cleaner scada --project "Wind farm"`
    """
    _run(Kind.cleaner, name, token, project, url, follow=follow)


@app.command()
def analysis(name: Name, token: Token, project: ProjectName, url: Url = DEFAULT_URL, follow: Follow = False) -> None:
    """Compute what changed.

    Example: `entrepot run analysis yield --project "Wind farm"`
    """
    _run(Kind.analysis, name, token, project, url, follow=follow)


@app.command()
def cancel(
    token: Token,
    project: ProjectName,
    url: Url = DEFAULT_URL,
    kind: Annotated[
        str | None, typer.Option("--kind", "-k", help="Only these: importer, cleaner, analysis, feeder, series.export.")
    ] = None,
    all_waiting: Annotated[
        bool, typer.Option("--all-waiting", help="Cancel all that wait, and let those go on that run.")
    ] = False,
    json: AsJson = False,
) -> None:
    """Cancel the jobs of a project: at once those that wait; those that run are told to stop.

    Example: `entrepot run cancel --project "Wind farm" --kind importer`
    """
    with api_of(url, token, project) as api:
        total = {"waiting": 0, "running": 0}
        more = True
        while more:
            body = {"kind": kind, "waiting_only": all_waiting}
            done = api.call("POST", f"/projects/{api.project_id}/jobs/cancel", body)
            total = {name: count + done[name] for name, count in total.items()}
            more = done["more"]
    if json:
        show_json(total)
    else:
        typer.echo(f"{total['waiting']} cancelled that waited, {total['running']} told to stop that run")


@app.command("list")
def list_(
    token: Token,
    project: ProjectName,
    url: Url = DEFAULT_URL,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=200, help="How many runs, the newest first.")] = 20,
    json: AsJson = False,
) -> None:
    """List the runs of a project, and how often its generators and feeders looked since and found nothing new.

    Example: `entrepot run list --project "Wind farm"`
    """
    with api_of(url, token, project) as api:
        runs = api.get("/runs", project=api.project_id, limit=limit)["items"]
        idle = api.every("/runs/idle")
    if json:
        show_json({"runs": runs, "idle": idle})
        return
    for run in runs:
        typer.echo(f"{run['started_at'][:19]}  {_maker(run)}: {run['status']}{_error(run['report'])}")
    for one in idle:
        times = "once" if one["count"] == 1 else f"{one['count']:,} times"
        typer.echo(
            f"{one['last_ended_at'][:19]}  {_maker(one)}: checked {times} since {one['since'][:19]}, nothing new"
        )


def _maker(run: dict[str, Any]) -> str:
    return f"{run['of']['kind']} {run['of']['name'] or run['of']['id']}"


def _error(report: dict[str, Any]) -> str:
    return f" ({' '.join(str(report['error']).split())[:120]})" if report.get("error") else ""


def _run(kind: Kind, name: str, token: str, project: str, url: str, *, follow: bool) -> None:
    with project_of(url, token, project) as found:
        get = {Kind.importer: found.get_importer, Kind.cleaner: found.get_cleaner, Kind.analysis: found.get_analysis}
        task = get[kind](name).run()
        if not follow:
            typer.echo(task.id)
        elif (status := task.wait_for_completion(period=1000)) == "refused":
            raise EntrepotError(f"The run was refused: {task.base['message']}")
        else:
            typer.echo(status)
