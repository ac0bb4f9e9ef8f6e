"""What ``~/.ricloud.ini``, the file that ``RICLOUD_CONF`` names, and variables of the environment say."""

import configparser
import os
from dataclasses import dataclass
from pathlib import Path

from entrepot.client.ricloud.exceptions import ConfigurationError

DEFAULT_URL = "http://127.0.0.1:8000/ricloud/"
SECTION = "api"


def get(name: str) -> str:
    """Return a setting of the section ``[api]``; nothing when it is nowhere.

    Raises
    ------
    ConfigurationError
        A file is not in the format of these files.
    """
    if (variable := f"RICLOUD_{name.upper()}") in os.environ:
        return os.environ[variable].strip()
    return _read().get(SECTION, name, fallback="").strip()


def number(name: str, default: float) -> float:
    """Return a setting that is a number; as in the published client, what is none is 0."""
    text = get(name)
    if not text:
        return default
    try:
        return float(text)
    except ValueError:
        return 0.0


def files() -> list[Path]:
    """Return the files that are read, of which the last one counts."""
    named = os.environ.get("RICLOUD_CONF")
    return [Path.home() / ".ricloud.ini", *([Path(named)] if named else [])]


def how_to_set(name: str) -> str:
    """Return where a setting can be set."""
    places = " or ".join(map(str, files()))
    return f"set ricloud.{name}, the variable RICLOUD_{name.upper()}, or `{name} = ...` under [{SECTION}] in {places}"


def _read() -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser()
    try:
        parser.read(files(), encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{files()[-1]} cannot be read: {error}") from None
    return parser


@dataclass
class Settings:
    """How the server is asked; the package's own attributes are these."""

    #: Address of the server, with the path ``/ricloud/``.
    url: str
    #: Token of an API key.
    token: str
    #: Seconds to wait for tests and sessions, 10 at most.
    await_for: float
    #: How often what failed without harm is tried again.
    max_retries: int
    #: Seconds until a request is given up.
    timeout: float = 60.0


settings = Settings(
    url=get("url") or DEFAULT_URL,
    token=get("token"),
    await_for=number("await_for", 0),
    max_retries=int(number("max_retries", 3)),
)
