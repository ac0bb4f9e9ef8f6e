"""Entrepot: one self-hosted server for series, rows, works and files."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from entrepot.client import Client, connect

__all__ = ["Client", "__version__", "connect"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # The server imports this package too, and has no use for the SDK.
    if name in ("Client", "connect"):
        from entrepot import client

        return getattr(client, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
