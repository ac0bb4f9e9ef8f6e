"""Whom a command asks that works on a server and, where none runs, on its data folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from entrepot.cli.common import DATA_DIR_VARIABLE, show, show_one
from entrepot.cli.connection import port
from entrepot.cli.nouns import shown

if TYPE_CHECKING:
    from entrepot.client.native import Client

AnswerT = TypeVar("AnswerT")
Record = dict[str, Any]
Answer = Record | list[Record]

MaybeDataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar=DATA_DIR_VARIABLE,
        help="On the server's own machine, in place of --url: its data folder, whether it runs or not.",
    ),
]


@dataclass(frozen=True)
class Whom:
    """Whom a command asks, by its options: the data folder, or a server."""

    ctx: typer.Context
    data_dir: Path | None
    url: str
    token: str

    def ask(
        self,
        in_folder: Callable[[Path], AnswerT],
        on_server: Callable[["Client"], AnswerT],
        **only_in_folder: Any,
    ) -> AnswerT:
        """Return what the one or the other answers.

        Parameters
        ----------
        in_folder, on_server
            What asks the data folder, and the server.
        **only_in_folder
            Options that say something to the data folder alone.
        """
        folder = self._folder()
        if folder is not None:
            return in_folder(folder)
        for name, value in only_in_folder.items():
            if value not in (None, (), []):
                option = f"--{name.replace('_', '-')}"
                raise typer.BadParameter(f"{option} goes with --data-dir: a server knows it by the key")
        with port(self.url, self.token) as client:
            return on_server(client)

    def show(
        self,
        in_folder: Callable[[Path], Answer],
        on_server: Callable[["Client"], Answer],
        names: tuple[str, ...] | None,
        as_json: bool,
        **only_in_folder: Any,
    ) -> None:
        """Print what the one or the other answers: a record, or a list of some.

        Parameters
        ----------
        names
            The fields of a server's records that people are shown; None: all.
        """

        def short(client: "Client") -> Answer:
            found = on_server(client)
            if as_json:
                return found
            return [_short(one, names) for one in found] if isinstance(found, list) else _short(found, names)

        answer = self.ask(in_folder, short, **only_in_folder)
        if isinstance(answer, list):
            show(answer, as_json)
        else:
            show_one(answer, as_json)

    def _folder(self) -> Path | None:
        """Return the data folder; None where a server is meant.

        What is typed counts more than variables; of these, a folder more than a server.
        """
        typed = {name for name in ("data_dir", "url", "token") if _is_typed(self.ctx, name)}
        if "data_dir" in typed and len(typed) > 1:
            raise typer.BadParameter("say whom to ask: either --data-dir, or --url and --token")
        folder = None if typed - {"data_dir"} else self.data_dir
        if folder is None and not self.token:
            from entrepot.client.connecting import logins

            if not logins():
                raise typer.BadParameter(
                    "say whom to ask: `entrepot login URL`, --token or ENTREPOT_TOKEN; on the server's own machine, "
                    "--data-dir"
                )
        return folder


def _short(record: Record, names: tuple[str, ...] | None) -> Record:
    return shown(record, tuple(record) if names is None else names)


def _is_typed(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
