"""The Python SDK: :func:`connect` for Entrepot's own interface, a module for each of the four documented clients."""

from entrepot.client.native import Client, Project, Series, connect

__all__ = ["Client", "Project", "Series", "connect"]
