"""The settings of a server: one class, read from a TOML file, ``ENTREPOT_*`` variables and command-line flags."""

import difflib
import os
import tomllib
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from entrepot import clouds
from entrepot.engine_settings import EngineSettings
from entrepot.errors import InvalidInput
from entrepot.former_settings import FORMER, FormerVariables, Renaming
from entrepot.keeping import Keeping
from entrepot.loopback import is_loopback
from entrepot.retention import Retention

CONFIG_FILE = "entrepot.toml"
#: What programs that ask a server find in their environment: a server's may hold it, too.
_CLIENTS = ("url", "token", "token_file", "project", "key")
_PREFIX = "ENTREPOT_"
#: What is read each time that it is used, so that it can change while the server runs.
_RELOADED = (
    *("log_level", "log_format", "public_url", "metrics_token", "webhook_allowed_networks", "key_grace_seconds"),
    *("smtp_host", "smtp_port", "smtp_tls", "smtp_ca", "smtp_user", "smtp_password", "smtp_from"),
    *("mail_delay_seconds", "mail_pause_seconds", "slack_url", "slack_token"),
    *("script_seconds", "script_memory_bytes", "file_max_bytes", "attachment_max_bytes"),
    *("read_max_rows", "read_max_bytes", "read_max_seconds"),
    *("export_max_rows", "export_max_bytes", "export_max_seconds"),
    *Retention.model_fields,
)

Network = IPv4Network | IPv6Network
Port = Annotated[int, Field(ge=0, le=65535)]


class Settings(Keeping, Retention, EngineSettings):
    """Everything an operator may choose.

    Flags win over ``entrepot.toml`` in the data folder, that wins over ``ENTREPOT_*`` variables, these over defaults.
    """

    model_config = SettingsConfigDict(env_prefix=_PREFIX, extra="forbid", frozen=True)

    host: str = Field("127.0.0.1", description="Address that the web server listens on.")
    port: Port = Field(8000, description="Port of the web server; 0 picks a free one.")
    public_url: str | None = Field(None, description="Address under which users reach the server, for links.")
    metrics_token: SecretStr | None = Field(
        None, description="Token that `/metrics` asks for, as `Bearer`; unset: only clients on this machine may ask."
    )
    tls_certificate: Path | None = Field(None, description="PEM certificate of the web server.")
    tls_key: Path | None = Field(None, description="PEM key of the web server.")
    drain_seconds: float = Field(
        0.0,
        ge=0,
        le=300,
        description="How long what is told to stop still serves: web, though not ready; FTP, no one new.",
    )
    insecure: bool = Field(False, description="Serve a non-loopback address without TLS all the same.")
    web_processes: int = Field(1, ge=1, description="Web processes; always 1 on SQLite.")
    workers: int = Field(1, ge=0, description="Worker processes that run jobs.")
    scheduler: bool = Field(True, description="Run the scheduler (cron, audits, clean-up).")
    max_body_bytes: int = Field(
        256 * 2**20, gt=0, description="Largest request body, published files and gates' files apart."
    )
    max_small_body_bytes: int = Field(
        64 * 2**10, gt=0, description="Largest body of a request that carries a few fields and no data."
    )
    max_bodies_bytes: int = Field(
        2**29, gt=0, description="Most memory of all request bodies at once, in each web process; then 503."
    )

    head_seconds: float = Field(30.0, gt=0, description="How long a client may take for the head of a request.")
    body_seconds: float = Field(
        30.0, gt=0, description="How long a request's body may stand still; 128 bytes a second at least must come."
    )
    max_connections_per_address: int = Field(
        256, ge=1, description="Connections of one address (of IPv6: a /64) to each web process."
    )
    max_streams_per_user: int = Field(
        20, ge=1, description="Event streams and long polls of one user at once, in each web process; then 429."
    )
    trusted_proxies: list[Network] = Field(
        [IPv4Network("127.0.0.0/8"), IPv6Network("::1")],
        description="Networks whose `X-Forwarded-For` and `-Proto` are believed; their connections are not counted.",
    )

    login_max_failures: int = Field(
        10, ge=1, description="Failed logins, at all doors, before an address, or a login known there, is refused."
    )
    login_ban_seconds: float = Field(
        600.0, gt=0, description="How long such an address or login is refused, and how long failures count."
    )

    ftp: bool = Field(True, description="Run the FTP server.")
    ftp_host: str | None = Field(None, description="Address that the FTP server listens on; unset: `host`.")
    ftp_port: Port = Field(2121, description="Port of the FTP server; 0 picks a free one.")
    ftp_public_host: str | None = Field(None, description="Host name told to FTP users; unset: `ftp_host`.")
    ftp_passive_ports: tuple[Port, Port] | None = Field(None, description="First and last port for passive transfers.")
    ftp_certificate: Path | None = Field(None, description="PEM certificate and key: offers FTPS when set.")
    ftp_require_tls: bool = Field(False, description="Refuse FTP logins and transfers that are not encrypted.")
    ftp_login_seconds: float = Field(60.0, gt=0, description="How long an FTP client may take to sign in.")
    ftp_idle_seconds: float = Field(
        900.0, gt=0, description="How long an FTP session may say nothing; its transfers may stand still for a third."
    )
    ftp_max_sessions: int = Field(
        512, ge=1, description="FTP sessions at once; fewer where there are less than eight descriptors for each."
    )
    ftp_max_sessions_per_address: int = Field(
        128, ge=1, description="FTP sessions of one address (of IPv6: a /64) at once; half of all at most."
    )
    ftp_max_sessions_per_account: int = Field(64, ge=1, description="FTP sessions of one account at once.")
    ftp_part_hours: float = Field(
        24.0, ge=0, description="How long an upload that broke off can go on; 0: it leaves nothing."
    )

    smtp_host: str | None = Field(
        None, description="SMTP server that takes the mails of notices; unset: none are sent."
    )
    smtp_port: int = Field(587, ge=1, le=65535, description="Port of the SMTP server.")
    smtp_tls: Literal["starttls", "tls", "off"] = Field(
        "starttls", description="How the SMTP server is spoken to: STARTTLS, TLS from the first byte, or in clear."
    )
    smtp_ca: Path | None = Field(
        None, description="PEM certificates that vouch for the SMTP server; unset: those of the system."
    )
    smtp_user: str | None = Field(None, description="User of the SMTP server; unset: no login.")
    smtp_password: SecretStr = Field(SecretStr(""), description="Password of the SMTP server's user.")
    smtp_from: str | None = Field(None, description="Address that mails come from; unset: `entrepot@` and the host.")
    mail_delay_seconds: float = Field(
        300.0, ge=0, description="How long a mail waits for more notices, so that they come together."
    )
    mail_pause_seconds: float = Field(
        21_600.0, ge=0, description="Least time between two mails of a project on one gate or analysis."
    )

    job_lease_seconds: float = Field(
        60.0, ge=1, le=3600, description="A worker silent for so long has lost its job; from 1 to 3600."
    )
    job_slots_runs: int = Field(
        3, ge=1, description="Imports, cleans and analyses at a time in a worker; a project gets all but one of them."
    )
    job_slots_deliveries: int = Field(
        4, ge=1, description="Webhooks and mails at a time in a worker; an organization gets all but one of them."
    )
    job_slots_slow_deliveries: int = Field(
        4, ge=1, description="Webhooks at a time, in a worker, whose receivers take long to answer; shared likewise."
    )
    job_slots_exports: int = Field(
        2, ge=1, description="Exports at a time in a worker; a project gets all but one of them."
    )
    job_slots_upkeep: int = Field(2, ge=1, description="Jobs that look after what is stored at a time in a worker.")
    script_seconds: float = Field(300.0, gt=0, description="Longest run of a user's script, in seconds.")
    script_memory_bytes: int = Field(2 * 2**30, ge=2**26, description="Most memory of a user's script.")
    script_organization_memory_bytes: int = Field(
        0, ge=0, description="Most memory of all scripts of an organization together, on one machine; 0: any."
    )
    script_sandbox: Literal["auto", "required", "off"] | None = Field(
        None,
        description="Keep users' scripts apart: where that works, always, or never; unset: `required` beyond loopback, "
        "else `auto`.",
    )
    script_network: bool = Field(
        False, description="Let scripts of feeders use the network, inside and outside; others never do."
    )

    read_max_rows: int = Field(1_000_000_000, ge=1, description="Most points that one request for points may read.")
    read_max_bytes: int = Field(64 * 2**30, ge=1, description="Most bytes of the answer to such a request.")
    read_max_seconds: float = Field(1800.0, gt=0, description="Longest time for such a request.")
    export_max_rows: int = Field(2_000_000_000, ge=1, description="Most lines of one export, all files together.")
    export_max_bytes: int = Field(256 * 2**30, ge=1, description="Most bytes of one export before it is packed.")
    export_max_seconds: float = Field(14_400.0, gt=0, description="Longest time for one export.")

    file_local_roots: list[Path] = Field(
        default_factory=list, description="Folders in which users may place local storages."
    )
    file_accelerated: bool = Field(
        False, description="Answer downloads with `X-Accel-Redirect: /entrepot-files/...`, for nginx to send the bytes."
    )
    attachment_max_bytes: int = Field(32 * 2**20, gt=0, description="Largest file attached to a part or a sensor.")
    file_max_bytes: int = Field(2**40, gt=0, description="Largest published file.")
    webhook_allowed_networks: list[Network] = Field(
        default_factory=list, description="Private networks that webhooks and feeders may reach all the same."
    )
    slack_url: str | None = Field(
        None,
        description="Where notices of works (`notify.slack`) are posted, such as "
        "`https://slack.com/api/chat.postMessage`; unset: none are sent.",
    )
    slack_token: SecretStr = Field(SecretStr(""), description="Token of the Slack application that posts them.")
    key_grace_seconds: float = Field(900.0, ge=0, description="How long a rotated API key's old token keeps working.")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["console", "json"] = Field("console", description="How log lines are written.")

    #: What was given with the command, to be given again when the settings are read again.
    _flags: dict[str, Any] = PrivateAttr(default_factory=dict)

    @field_validator("public_url", "slack_url")
    @classmethod
    def _is_of_the_web(cls, url: str | None) -> str | None:
        if url is not None and not (urlsplit(url).scheme in ("http", "https") and urlsplit(url).hostname):
            raise ValueError("Write https:// and a host's name, or http://.")
        return url

    @field_validator("ftp_passive_ports")
    @classmethod
    def _is_a_range(cls, ports: tuple[int, int] | None) -> tuple[int, int] | None:
        if ports is not None and not 0 < ports[0] <= ports[1]:
            raise ValueError("The first port must not be above the last, nor be 0.")
        return ports

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.ftp and self.port and self.port == self.ftp_port and (self.ftp_host or self.host) == self.host:
            raise ValueError("port and ftp_port are the same.")
        if self.storage_url is not None:
            clouds.require_private(clouds.variables(), is_loopback)
        folder = self.data_dir.absolute()
        for root in self.file_local_roots:
            if folder.is_relative_to(root.absolute()) or root.absolute().is_relative_to(folder):
                raise ValueError(f"file_local_roots: {root} must lie beside the data folder, not around or in it.")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Order the sources: flags, the data folder's file, variables."""
        data_dir = init_settings().get("data_dir") or env_settings().get("data_dir")
        sources: list[PydanticBaseSettingsSource] = [init_settings]
        if data_dir is not None:
            sources.append(TomlConfigSettingsSource(settings_cls, Path(data_dir) / CONFIG_FILE))
        return (*map(Renaming, sources), env_settings, FormerVariables(settings_cls))

    def take(self, new: "Settings") -> tuple[list[str], list[str]]:
        """Change what can change while the server runs; return the names of that, and of what needs a restart."""
        # A port that was picked is not what the settings say.
        picked = [name for name in ("port", "ftp_port") if getattr(new, name) == 0]
        different = [name for name in type(self).model_fields if getattr(self, name) != getattr(new, name)]
        changed = [name for name in different if name in _RELOADED]
        # Frozen for everybody else: those who hold these settings see them change here alone.
        self.__dict__.update({name: getattr(new, name) for name in changed})
        return changed, [name for name in different if name not in (*changed, *picked)]

    @property
    def sandbox(self) -> Literal["auto", "required", "off"]:
        """How far users' scripts have to be kept apart."""
        if self.script_sandbox is not None:
            return self.script_sandbox
        hosts = {self.host, (self.ftp_host or self.host) if self.ftp else self.host}
        return "auto" if all(map(is_loopback, hosts)) else "required"

    @property
    def job_slots(self) -> dict[str, int]:
        """Most jobs at a time in a worker, by pool."""
        return {
            "runs": self.job_slots_runs,
            "deliveries": self.job_slots_deliveries,
            "slow_deliveries": self.job_slots_slow_deliveries,
            "exports": self.job_slots_exports,
            "upkeep": self.job_slots_upkeep,
        }

    @property
    def gates_dir(self) -> Path:
        """Folder that holds one folder a gate."""
        return self.data_dir / "gates"

    @property
    def feeds_dir(self) -> Path:
        """Folder of files that feeders have under way, one folder a feeder."""
        return self.data_dir / "feeds"

    @property
    def users_dir(self) -> Path:
        """Folder that holds one FTP home a user."""
        return self.data_dir / "users"

    @property
    def files_dir(self) -> Path:
        """Folder of published files in the server's own storage."""
        return self.data_dir / "files"


def load(**flags: Any) -> Settings:
    """Return the settings, with the given flags (those that are None do not count).

    Raises
    ------
    InvalidInput
        A value makes no sense, or a name in the file or of a variable is none of a setting.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    _require_known()
    try:
        settings = Settings(**given)
    except ValidationError as error:
        problems = {".".join(map(str, found["loc"])): [_sentence(found)] for found in error.errors()}
        if "" in problems:
            raise InvalidInput(problems[""][0]) from None
        raise InvalidInput(fields=problems) from None
    except SettingsError as error:  # such as a list that is no JSON
        raise InvalidInput(f"{str(error).capitalize()}.") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(f"{given.get('data_dir', Path())}/{CONFIG_FILE}: {error}") from None
    settings._flags = given  # noqa: SLF001 - its own
    return settings


def load_again(settings: Settings) -> Settings:
    """Return the settings as they are now, with the flags that were given before."""
    return load(**settings._flags)  # noqa: SLF001 - its own


def _require_known() -> None:
    known = (*Settings.model_fields, *FORMER, *_CLIENTS)
    for variable in os.environ:
        name = variable.upper().removeprefix(_PREFIX).lower()
        if variable.upper().startswith(_PREFIX) and name not in known:
            raise InvalidInput.field(variable, f"There is no such setting{_nearest(name, _PREFIX)}")


def _nearest(name: str, prefix: str = "") -> str:
    found = difflib.get_close_matches(name, Settings.model_fields, 1)
    return f": did you mean {prefix}{found[0].upper() if prefix else found[0]}?" if found else "."


def _sentence(problem: Any) -> str:
    if problem["type"] == "extra_forbidden":
        return f"There is no such setting{_nearest(str(problem['loc'][0]))}"
    return str(problem["msg"]).removeprefix("Value error, ")
