"""What a user's script did wrong, and what in it is old."""

from collections.abc import Sequence
from typing import Literal, TypedDict, get_args

Kind = Literal["raised", "syntax", "result", "timeout", "memory", "output", "killed", "cancelled"]
KINDS: frozenset[str] = frozenset(get_args(Kind))

MOST_NOTES = 50


class Note(TypedDict):
    """A spelling of pandas below 2 that a script has, and that was understood."""

    #: Where the script says it first; None where no line of the script is known.
    line: int | None
    old: str
    #: How it is spelt today.
    now: str


class ScriptError(Exception):
    """A user's script did not give a result.

    This is an outcome of the user's code, to be kept with the run and shown to the user; it is no error of ours.

    Parameters
    ----------
    kind
        ``raised`` (an exception, or ``sys.exit``), ``syntax`` (it does not compile, or lacks the function),
        ``result`` (what it returned cannot be taken), ``timeout`` (wall or processor time), ``memory``,
        ``output`` (wrote too much to disk), ``killed`` (its process ended otherwise), ``cancelled``.
    message
        One sentence for the user.
    traceback
        The script's own frames, with its line numbers and source lines; empty when there are none.
    output
        What was printed until then, stdout and stderr in order.
    seconds
        Wall time from the start of the script's process to its end.
    notes
        What was old in it until then.
    """

    def __init__(
        self,
        kind: Kind,
        message: str,
        *,
        traceback: str = "",
        output: str = "",
        seconds: float = 0,
        notes: Sequence[Note] = (),
    ) -> None:
        super().__init__(message)
        self.kind: Kind = kind
        self.message = message
        self.traceback = traceback
        self.output = output
        self.seconds = seconds
        self.notes = list(notes)
