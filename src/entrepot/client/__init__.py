"""The Python SDK: ``connect`` for Entrepot's own interface, a module for each of the four documented clients."""

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from entrepot.client.connecting import connect, connect_async
    from entrepot.client.native import Client

__all__ = ["Client", "connect", "connect_async"]
# The command line of httpx, which nobody calls from here, takes as long to import as the rest: click, rich, Pygments.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
_FROM = {"Client": "native", "connect": "connecting", "connect_async": "connecting"}


def __getattr__(name: str) -> Any:
    # The clients of others, and the worker, have no use for the rest.
    if name in _FROM:
        from importlib import import_module

        return getattr(import_module(f"entrepot.client.{_FROM[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
