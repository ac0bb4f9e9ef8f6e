"""The settings of a server: one class, read from a TOML file, ``ENTREPOT_*`` variables and command-line flags."""

from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

CONFIG_FILE = "entrepot.toml"
#: Names that settings had before, which are still taken.
_FORMER = {"ftp_max_failed_logins": "login_max_failures", "ftp_ban_seconds": "login_ban_seconds"}

Network = IPv4Network | IPv6Network


class Settings(BaseSettings):
    """Everything an operator may choose.

    Flags win over ``entrepot.toml`` in the data folder, which wins over ``ENTREPOT_*`` variables, which win over
    the defaults below.
    """

    model_config = SettingsConfigDict(env_prefix="ENTREPOT_", extra="forbid", frozen=True)

    data_dir: Path = Field(description="Folder of the database, gates, files and the server's secret key.")
    database_url: str | None = Field(
        None, description="`postgresql://user:password@host/name`; unset: SQLite in the data folder."
    )
    sqlite_synchronous: Literal["FULL", "NORMAL"] = Field(
        "FULL", description="SQLite's durability: NORMAL is faster and may lose the last commits with the power."
    )

    host: str = Field("127.0.0.1", description="Address that the web server listens on.")
    port: int = Field(8000, description="Port of the web server; 0 picks a free one.")
    public_url: str | None = Field(None, description="Address under which users reach the server, for links.")
    metrics_token: SecretStr | None = Field(
        None, description="Token that `/metrics` asks for, as `Bearer`; unset: only clients on this machine may ask."
    )
    tls_certificate: Path | None = Field(None, description="PEM certificate of the web server.")
    tls_key: Path | None = Field(None, description="PEM key of the web server.")
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
    ftp_port: int = Field(2121, description="Port of the FTP server; 0 picks a free one.")
    ftp_public_host: str | None = Field(None, description="Host name told to FTP users; unset: `ftp_host`.")
    ftp_passive_ports: tuple[int, int] | None = Field(None, description="First and last port for passive transfers.")
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

    job_lease_seconds: float = Field(60.0, gt=0, description="A worker silent for so long has lost its job.")
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
    job_retention_days: float = Field(30.0, gt=0, description="How long ended jobs are kept.")
    script_seconds: float = Field(300.0, gt=0, description="Longest run of a user's script, in seconds.")
    script_memory_bytes: int = Field(2 * 2**30, description="Most memory of a user's script.")
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

    file_local_roots: list[Path] = Field(
        default_factory=list, description="Folders in which users may place local storage configs."
    )
    file_accelerated: bool = Field(
        False, description="Answer downloads with `X-Accel-Redirect: /entrepot-files/...`, for nginx to send the bytes."
    )
    file_max_bytes: int = Field(2**40, gt=0, description="Largest published file.")
    file_consumed_days: float = Field(30.0, gt=0, description="Days after which acknowledged files expire.")
    file_kept_days: float = Field(90.0, gt=0, description="Days after which files expire that nobody acknowledged.")
    event_retention_days: float = Field(90.0, gt=0, description="How long events and their deliveries are kept.")
    webhook_allowed_networks: list[Network] = Field(
        default_factory=list, description="Private networks that webhooks and feeders may reach all the same."
    )
    slack_url: str | None = Field(
        None,
        description="Where notices of works (`notify.slack`) are posted, such as "
        "`https://slack.com/api/chat.postMessage`; unset: none are sent.",
    )
    slack_token: SecretStr = Field(SecretStr(""), description="Token of the Slack application that posts them.")
    key_grace_seconds: float = Field(900.0, description="How long a rotated API key's old token keeps working.")

    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level that is logged.")
    log_format: Literal["console", "json"] = Field("console", description="How log lines are written.")

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
        return (*map(_Renaming, sources), env_settings, _FormerVariables(settings_cls))

    @property
    def url(self) -> str:
        """The database's URL in SQLAlchemy's spelling."""
        if self.database_url is None:
            return f"sqlite:///{self.data_dir.absolute() / 'entrepot.db'}"
        return self.database_url.replace("postgresql://", "postgresql+psycopg://", 1)

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

    @property
    def secret_key_file(self) -> Path:
        """File with the key that encrypts stored credentials and signs URLs."""
        return self.data_dir / "secret.key"


class _Renaming(PydanticBaseSettingsSource):
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
        return {_FORMER[name]: values[name] for name in _FORMER if name in values} | {
            name: value for name, value in values.items() if name not in _FORMER
        }


class _FormerVariables(EnvSettingsSource):
    """Variables with former names."""

    def __call__(self) -> dict[str, Any]:
        """Return the settings by their names."""
        named = {name: self.env_vars.get(f"{self.env_prefix}{former}".lower()) for former, name in _FORMER.items()}
        return {name: value for name, value in named.items() if value is not None}


def load(**flags: Any) -> Settings:
    """Return the settings, with the given flags (those that are None do not count)."""
    return Settings(**{name: value for name, value in flags.items() if value is not None})


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine reaches an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
