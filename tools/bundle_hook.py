"""Keeps a wheel or a source archive from being made without the console's scripts and styles."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BundleHook(BuildHookInterface[Any]):
    """Is asked before each build."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Refuse to build what would lack the bundle; an editable installation gets it afterwards."""
        bundle = Path(self.root) / "src/entrepot/server/console/static/manifest.json"
        if version != "editable" and not bundle.is_file():
            message = "The console is not built: run `make install` first, which makes it out of frontend/."
            raise RuntimeError(message)
