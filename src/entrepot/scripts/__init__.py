"""Users' Python, run apart from the server.

`ScriptRunner` starts a warm template (`template`) in a minimal read-only root (`launch`), from which each call is
forked: a supervisor (`supervisor`) that watches the child, and the child (`child`) that runs the script, in a `cell`
of its own, without rights (`confine`) and under a filter of system calls (`seccomp`). `sandbox` says how much of this
works here. Requests and results cross in shared memory (`wire`) as JSON headers and Arrow streams (`frames`), and are
checked on both sides; nothing is ever pickled. Scripts written for pandas below 2 are understood (`old_pandas`).
"""

from .content import FileContent
from .errors import Kind, Note, ScriptError
from .limits import Limits
from .outcome import Outcome, Several
from .runner import ScriptRunner
from .sandbox import Level, level

__all__ = [
    "FileContent",
    "Kind",
    "Level",
    "Limits",
    "Note",
    "Outcome",
    "ScriptError",
    "ScriptRunner",
    "Several",
    "level",
]
