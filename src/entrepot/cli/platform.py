"""What the commands on a project's data share: which server, whose project, and failures as one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from entrepot.errors import EntrepotError, NotFound, Unavailable

if TYPE_CHECKING:
    from entrepot.client._http import Connection
    from entrepot.client.ovbp.models.oteams import Project

ProjectName = Annotated[str, typer.Option("--project", "-p", envvar="ENTREPOT_PROJECT", help="Name of the project.")]


@contextmanager
def project_of(url: str, token: str, name: str) -> Iterator["Project"]:
    """Give the project of this name; turn what the server refuses, or its silence, into one line."""
    import httpx

    from entrepot.client.ovbp import (
        Client,
        HttpError,
        MultipleRecordsReturnedError,
        RecordDoesNotExistError,
        TaskDidNotFinishSuccessfully,
    )
    from entrepot.client.ovbp.util import get_one_and_only_one

    try:
        with Client(token=token, url=f"{url.rstrip('/')}/ovbp/api/v2") as client:
            projects = client.projects.list(limit=2, filter_by={"name": name})
            if not projects:
                raise NotFound(f"There is no project {name!r}.")
            yield get_one_and_only_one(projects)
    except (RecordDoesNotExistError, MultipleRecordsReturnedError) as error:
        raise NotFound(str(error)) from error
    except TaskDidNotFinishSuccessfully as error:
        raise EntrepotError(f"The task {error.status}: {error.message or 'the server does not say why'}") from error
    except HttpError as error:
        raise EntrepotError(f"{error.code}: {' '.join(error.message.split())[:300]}") from error
    except httpx.HTTPError as error:
        raise Unavailable(f"{url}: {error or type(error).__name__}") from error


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

    def upload(self, path: str, blocks: Iterator[bytes], size: int) -> None:
        """Send the bytes of a file."""
        from urllib.parse import quote

        headers = {"content-length": str(size)}
        kind = "application/octet-stream"
        self._connection.send("PUT", f"/api/v1{quote(path)}", content=blocks, content_type=kind, headers=headers)

    def send_mails(self, *, value: bool) -> None:
        """Have the project send its notices by mail, or not."""
        path = f"{_DIALECT}/odata/projects/{self.project_id}/"
        self._connection.request("PATCH", path, body={"mail_alerts_activated": value})

    def generators(self, kind: str, **params: Any) -> list[dict[str, Any]]:
        """Return the project's importers, cleaners or analyses."""
        path = f"{_DIALECT}/odata/{_COLLECTIONS[kind]}/"
        found: list[dict[str, Any]] = self._connection.json("GET", path, params={"project": self.project_id, **params})[
            "data"
        ]
        return found


_ONE = {"gates": "gate", "importers": "importer", "analyses": "analysis"}
_DIALECT = "/ovbp/api/v2"
_COLLECTIONS = {"importer": "importers", "cleaner": "cleaners", "analysis": "analyses"}


@contextmanager
def api_of(url: str, token: str, name: str) -> Iterator[ProjectApi]:
    """Give the native interface to the project of this name; turn what the server refuses into one line."""
    from entrepot.cli.connection import answering, connect

    with answering():
        connection = connect(url, token)
        try:
            projects = list(connection.pages("/api/v1/projects", name=name))
            if len(projects) != 1:
                raise NotFound(f"There are {len(projects)} projects named {name!r}.")
            yield ProjectApi(connection, projects[0]["id"])
        finally:
            connection.close()
