"""What the commands on a project's data share: which server, whose project, and failures as one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrepot.errors import NotFound

if TYPE_CHECKING:
    from entrepot.client._http import Connection

ProjectName = Annotated[str, typer.Option("--project", "-p", envvar="ENTREPOT_PROJECT", help="Name of the project.")]


class ProjectApi:
    """The native interface, as commands on one project use it."""

    def __init__(self, connection: "Connection", project_id: str) -> None:
        self._connection = connection
        self.project_id = project_id

    def get(self, path: str, **params: Any) -> Any:
        """Return what is at a path."""
        return self._connection.json("GET", f"/api/v1{path}", params=params)

    def every(self, path: str, **params: Any) -> list[Any]:
        """Return all items of a list, by default those of the project."""
        return list(self._connection.pages(f"/api/v1{path}", **{"project": self.project_id, **params}))

    def id_of(self, kinds: str, name: str) -> str:
        """Return the id of the project's gate, importer ... of this name.

        Raises
        ------
        NotFound
            There is none.
        """
        found = self.every(f"/{kinds}", name=name)
        if not found:
            raise NotFound(f"There is no {_ONE[kinds]} {name!r} in this project.")
        return str(found[0]["id"])

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Return the answer to a request; None where there is nothing to say."""
        answer = self._connection.request(method, f"/api/v1{path}", body=body, once=method == "POST")
        return answer.json() if answer.content else None


_ONE = {"gates": "gate", "importers": "importer", "cleaners": "cleaner", "analyses": "analysis"}


@contextmanager
def api_of(url: str, token: str, name: str) -> Iterator[ProjectApi]:
    """Give the native interface to the project of this name; turn what the server refuses into one line."""
    from entrepot.cli.connection import connected

    with connected(url, token) as connection:
        projects = list(connection.pages("/api/v1/projects", name=name))
        if len(projects) != 1:
            raise NotFound(f"There are {len(projects)} projects named {name!r}.")
        yield ProjectApi(connection, projects[0]["id"])
