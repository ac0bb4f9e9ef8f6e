"""`entrepot demo`: the main job, from files on a gate to clean series, an analysis and an export."""

from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    port: Annotated[int, typer.Option(help="Port of the web server; 0 picks a free one.")] = 8000,
    ftp_port: Annotated[int, typer.Option(help="Port of the FTP server; 0 picks a free one.")] = 2121,
    leave: Annotated[bool, typer.Option("--exit", envvar="DEMO_EXIT", help="End when all is shown.")] = False,
) -> None:
    """Run a server with two months of a wind farm in it, and show what came out.

    Example: `entrepot demo --exit`
    """
    from entrepot.cli.demo.story import tell

    tell(port, ftp_port, leave=leave)
