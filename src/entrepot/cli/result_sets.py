"""`entrepot result-sets`: rows that belong together."""

from typing import Annotated

import typer

from entrepot.cli.common import AsJson, show
from entrepot.cli.connection import DEFAULT_URL, Token, Url, port
from entrepot.cli.nouns import noun_group, shown
from entrepot.cli.old_rows import lookups_of
from entrepot.cli.paths import NOUNS
from entrepot.cli.results import add_explain, add_lock

app = noun_group("result-sets", "Result sets: rows that belong together.", ("show", "create", "set", "delete"))
add_lock(app, "result-sets", "result_set", "Frequencies --until 2030-01-01T00:00Z")
add_explain(app, "result-sets", "result_set", "Frequencies")


@app.command("list")
def list_(
    token: Token,
    lookups: Annotated[
        list[str] | None, typer.Argument(metavar="[LOOKUP]...", help="As `source__icontains=scada`; all must hold.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Of this name, which may have *.")] = None,
    site: Annotated[str | None, typer.Option("--site", help="Of this site.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Of this model definition.")] = None,
    location: Annotated[str | None, typer.Option("--location", help="Of this location as a whole.")] = None,
    url: Url = DEFAULT_URL,
    json: AsJson = False,
) -> None:
    """List the result sets that you may read.

    Example: `entrepot result-sets list --site Belwind --name "Lifetime*"`
    """
    asked = {"name": name, "site": site, "model": model, "location": location, "where": lookups_of(lookups, rows=False)}
    with port(url, token) as client:
        found = list(client.connection.pages("/api/v1/result-sets", **asked))
    show(found if json else [shown(one, ("id", *NOUNS["result-sets"].columns)) for one in found], json)
