"""Users' Python, run apart from the server.

`ScriptRunner` starts a warm template (`template`), from which each call is forked: a supervisor (`supervisor`) that
watches the child, and the child (`child`, confined by `confine`) that runs the script. `sandbox` puts them inside
bubblewrap where it works. Requests and results cross in shared memory (`wire`) as JSON headers and Arrow streams
(`frames`), and are checked on both sides; nothing is ever pickled.
"""

from .content import FileContent
from .errors import Kind, ScriptError
from .limits import Limits
from .outcome import Outcome
from .runner import ScriptRunner

__all__ = ["FileContent", "Kind", "Limits", "Outcome", "ScriptError", "ScriptRunner"]
