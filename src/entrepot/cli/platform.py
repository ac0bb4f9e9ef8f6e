"""What the commands on a project's data share: which server, whose project, and failures as one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from entrepot.errors import EntrepotError, NotFound, Unavailable

if TYPE_CHECKING:
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
