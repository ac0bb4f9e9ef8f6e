"""The settings that say where the calls of scripts are made: a part of a server's settings."""

from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings

from entrepot.loopback import is_loopback


class EngineSettings(BaseSettings):
    """Where calls are made; all else about them stays with the worker that asks."""

    engine: Literal["here", "dask", "remote"] = Field(
        "here",
        description="Where users' scripts run: here, on a Dask cluster (`dask`), or in remote workers (`remote`).",
    )
    dask_scheduler: str | None = Field(
        None, description="`tls://host:8786` of the scheduler of the Dask cluster; `tcp://` on loopback alone."
    )
    dask_ca: Path | None = Field(None, description="PEM certificates that vouch for the Dask cluster.")
    dask_certificate: Path | None = Field(None, description="PEM certificate by which the Dask cluster knows us.")
    dask_key: Path | None = Field(None, description="PEM key of that certificate.")
    dask_trusted: bool = Field(
        False, description="Run users' scripts on workers of the Dask cluster that cannot keep them apart all the same."
    )

    @model_validator(mode="after")
    def _reaches_its_cluster(self) -> Self:
        if self.engine != "dask":
            return self
        address = urlsplit(self.dask_scheduler or "")
        if address.scheme not in ("tls", "tcp") or not address.hostname:
            raise ValueError("dask_scheduler: engine = dask needs the scheduler's address, such as tls://host:8786.")
        if address.scheme == "tcp" and not is_loopback(address.hostname):
            raise ValueError(
                f"dask_scheduler: {address.hostname} can be reached by others, and whoever reaches a scheduler runs "
                "what they like: write tls://, and give dask_ca, dask_certificate and dask_key."
            )
        if address.scheme == "tls":
            for name in ("dask_ca", "dask_certificate", "dask_key"):
                file: Path | None = getattr(self, name)
                if file is None or not file.is_file():
                    raise ValueError(f"{name}: tls:// needs a PEM file here{f', not {file}' if file else ''}.")
        return self
