"""Names that settings had before, which are still taken."""

from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource, PydanticBaseSettingsSource

FORMER = {"ftp_max_failed_logins": "login_max_failures", "ftp_ban_seconds": "login_ban_seconds"}


class Renaming(PydanticBaseSettingsSource):
    """A source in which settings may have their former names."""

    def __init__(self, source: PydanticBaseSettingsSource) -> None:
        super().__init__(source.settings_cls)
        self._source = source

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return a setting's value."""
        return self._source.get_field_value(field, field_name)

    def __call__(self) -> dict[str, Any]:
        """Return the settings by their names."""
        values = self._source()
        return {FORMER[name]: values[name] for name in FORMER if name in values} | {
            name: value for name, value in values.items() if name not in FORMER
        }


class FormerVariables(EnvSettingsSource):
    """Variables with former names."""

    def __call__(self) -> dict[str, Any]:
        """Return the settings by their names."""
        named = {name: self.env_vars.get(f"{self.env_prefix}{former}".lower()) for former, name in FORMER.items()}
        return {name: value for name, value in named.items() if value is not None}
