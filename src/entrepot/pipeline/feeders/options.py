"""What a feeder is told: its address, what to take from there, how much, and with which credentials."""

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import ip_address
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from entrepot import net
from entrepot.errors import InvalidInput
from entrepot.pipeline.gates.folders import HIDDEN_PREFIX

PORTS = {"ftp": 21, "ftps": 21, "sftp": 22, "http": 80, "https": 443, "s3": 443}
_HOST_KEY = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")

ModelT = TypeVar("ModelT", bound="_Model")


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def read(cls: type[ModelT], given: Any, field: str) -> ModelT:
        """Return what is given, checked; InvalidInput names the field and says which of its parts is wrong."""
        try:
            return cls.model_validate({} if given is None else given)
        except ValidationError as error:
            reasons = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}." for one in error.errors()]
            raise InvalidInput(fields={field: [reason.removeprefix(": ") for reason in reasons]}) from None


def _glob(pattern: str) -> str:
    if not pattern or "\0" in pattern:
        raise ValueError("a pattern is text such as *.csv")
    return pattern


def _folder(path: str) -> str:
    parts = path.split("/")
    if ".." in parts or any(part.startswith(HIDDEN_PREFIX) for part in parts) or not path.isprintable():
        raise ValueError("write a folder of the gate such as /meteo")
    return path


def _name(name: str) -> str:
    if not name or "/" in name or not name.isprintable():
        raise ValueError("write a name such as meteo-%Y%m%d.csv")
    return name


def _host_key(text: str) -> str:
    if not _HOST_KEY.fullmatch(text):
        raise ValueError("write it as ssh-keygen -l does: SHA256: and 43 characters")
    return text


def _certificate(text: str) -> str:
    import ssl

    try:
        ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError):
        raise ValueError("this is no certificate in PEM form") from None
    return text


_Pattern = Annotated[str, Field(max_length=500), AfterValidator(_glob)]


class Options(_Model):
    """What a feeder takes from its source, and how much.

    Attributes
    ----------
    include, exclude
        Glob patterns. One without ``/`` is of file names, in any folder; one with ``/`` of whole paths, where ``**``
        stands for any folders.
    recursive
        Whether to look into folders.
    to
        The folder of the gate that files go to.
    name
        Of a single HTTP address: the file's name on the gate, with codes of ``strftime`` for the instant of the run.
    files_per_run, bytes_per_file, bytes_per_run, seconds_per_run
        What a run takes at most; it leaves the rest to the next.
    stall_seconds
        How long the source may be silent.
    settle_seconds
        How long a file must have stayed as it is before it counts as complete.
    retries, retry_seconds
        How often to try again when the source fails, and how long to wait first; twice as long each time.
    encoding
        Of file names on FTP servers.
    host_key
        The fingerprint that an SSH server must have; none: the one that it had when it was first seen.
    certificate
        PEM certificates that vouch for a TLS server, in place of the system's.
    endpoint, region
        Of S3: where to find it, if not at AWS.
    network
        Whether a script may use the network, if the operator lets scripts do so at all.
    """

    include: list[_Pattern] = ["*"]
    exclude: list[_Pattern] = []
    recursive: bool = True
    to: Annotated[str, Field(max_length=200), AfterValidator(_folder)] = "/"
    name: Annotated[str, Field(max_length=200), AfterValidator(_name)] | None = None
    files_per_run: int = Field(1000, ge=1, le=100_000)
    bytes_per_file: int = Field(2**30, ge=1, le=2**40)
    bytes_per_run: int = Field(10 * 2**30, ge=1, le=2**43)
    seconds_per_run: float = Field(3600.0, gt=0, le=86_400)
    stall_seconds: float = Field(30.0, gt=0, le=600)
    settle_seconds: float = Field(10.0, ge=0, le=30 * 86_400)
    retries: int = Field(3, ge=0, le=10)
    retry_seconds: float = Field(2.0, gt=0, le=300)
    encoding: Literal["utf-8", "latin-1"] = "utf-8"
    host_key: Annotated[str, AfterValidator(_host_key)] | None = None
    certificate: Annotated[str, Field(max_length=100_000), AfterValidator(_certificate)] | None = None
    endpoint: str | None = None
    region: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,40}$")] | None = None
    network: bool = True

    def wants(self, path: str) -> bool:
        """Tell whether a file's path passes the patterns."""
        return matches(path, self.include) and not matches(path, self.exclude)


class Credentials(_Model):
    """What a source is shown; a script gets it as a dict. ``token`` is sent as a Bearer token over HTTP."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    login: str | None = None
    password: str | None = None
    token: str | None = None
    private_key: str | None = None
    passphrase: str | None = None
    access_key_id: str | None = None
    secret_access_key: str | None = None
    session_token: str | None = None

    def redact(self, text: str) -> str:
        """Return the text without what is secret here."""
        given = self.model_dump(exclude_none=True, exclude={"login", "access_key_id"})
        for secret in sorted(given.values(), key=len, reverse=True):
            for form in {secret, secret.strip(), *secret.strip().splitlines()}:
                if len(form) > 3:
                    text = text.replace(form, "***")
        return text


@dataclass(frozen=True)
class Address:
    """Where a source is.

    Attributes
    ----------
    url
        As it was written.
    path
        Without escapes, as the server knows it; of HTTP, as written.
    query
        Of HTTP.
    """

    url: str
    scheme: str
    host: str
    port: int
    path: str
    query: str = ""

    @classmethod
    def parse(cls, url: str, allowed: tuple[net.Network, ...] = ()) -> "Address":
        """Read a URL; one that plainly leads inside is refused here, a name once it is looked up."""
        try:
            split = urlsplit(url)
            host, port = split.hostname, split.port
        except ValueError:
            raise InvalidInput.field("url", "This is not a URL.") from None
        if split.scheme not in PORTS or not host:
            raise InvalidInput.field("url", f"Write an address that begins with one of: {', '.join(PORTS)}.")
        if split.username is not None or split.password is not None:
            raise InvalidInput.field("url", "Credentials do not belong into a URL: give them apart.")
        http = split.scheme in ("http", "https")
        if len(url) > 2000 or not unquote(url).isprintable() or " " in url:
            raise InvalidInput.field("url", "There are spaces or control characters in this URL, or it is too long.")
        if split.fragment or (split.query and not http):
            raise InvalidInput.field("url", "Only HTTP addresses have a query, and none has a fragment.")
        if split.scheme == "s3" and port is not None:
            raise InvalidInput.field("url", "Write s3://bucket/prefix; an address goes into endpoint.")
        if split.scheme != "s3":
            _check_literal(host, allowed)
        path = split.path if http else unquote(split.path)
        return cls(url, split.scheme, host, port or PORTS[split.scheme], path or "/", split.query)


def _check_literal(host: str, allowed: tuple[net.Network, ...]) -> None:
    try:
        address = ip_address(host)
    except ValueError:
        return
    if not net.is_allowed(address, allowed):
        raise InvalidInput.field("url", f"{host} is not a public address.")


def matches(path: str, patterns: list[str]) -> bool:
    """Tell whether one of the patterns fits a path."""
    name = path.rpartition("/")[2]
    return any(_expression(pattern).fullmatch(path if "/" in pattern else name) for pattern in patterns)


@lru_cache(1000)
def _expression(pattern: str) -> Any:
    """Return a glob as a regular expression; RE2 takes no time that grows beyond the text, whatever the pattern."""
    import re2

    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?[^]/]+])", pattern.removeprefix("/"))
    words = {"**/": "(?:[^/]*/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    text = ""
    for number, part in enumerate(parts):
        if number % 2 == 0:
            text += re2.escape(part)
        elif part in words:
            text += words[part]
        else:
            within = part[1:-1].replace("\\", r"\\").replace("[", r"\[").replace("^", r"\^")
            text += f"[^{within[1:]}]" if within.startswith("!") else f"[{within}]"
    return re2.compile(f"(?s){text}")
