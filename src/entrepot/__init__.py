"""Entrepot: one self-hosted server for series, rows, works and files."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from entrepot.client.connecting import connect, connect_async
    from entrepot.client.errors import (
        Ambiguous,
        Changed,
        Conflict,
        Error,
        Failed,
        Forbidden,
        Invalid,
        NoAnswer,
        NotFound,
        Refused,
        TooManyRequests,
        Unauthenticated,
        Unavailable,
    )
    from entrepot.client.native import Client

__version__ = "0.1.0"
__all__ = [
    "Ambiguous",
    "Changed",
    "Client",
    "Conflict",
    "Error",
    "Failed",
    "Forbidden",
    "Invalid",
    "NoAnswer",
    "NotFound",
    "Refused",
    "TooManyRequests",
    "Unauthenticated",
    "Unavailable",
    "__version__",
    "connect",
    "connect_async",
]
_FROM = {"Client": "native", "connect": "connecting", "connect_async": "connecting"}


def __getattr__(name: str) -> Any:
    # The server imports this package too, and has no use for the SDK.
    if name in __all__:
        from importlib import import_module

        return getattr(import_module(f"entrepot.client.{_FROM.get(name, 'errors')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
