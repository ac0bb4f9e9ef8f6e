"""The surface of Reincubate's ricloud client, on Entrepot.

::

    import entrepot.client.ricloud as ricloud

    ricloud.url, ricloud.token = "https://entrepot.example/ricloud/", "ent_..."
    for result in ricloud.Result.list():
        content = result.download()
        result.acknowledge()

The address and the token may also stand in the variables ``RICLOUD_URL`` and ``RICLOUD_TOKEN``. Attributes are those
of the protocol; dates are texts, in UTC. What the published client does wrong is done right here: ``Key.rotate`` gives
the new token, ``Key.current`` and tests return what they are about, batches can be acknowledged, lists followed.
"""

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

import httpx

from entrepot.client._quiet import Client

#: Address of the server, with the path ``/ricloud/``.
url = os.environ.get("RICLOUD_URL", "http://127.0.0.1:8000/ricloud/")
#: Token of an API key.
token = os.environ.get("RICLOUD_TOKEN", "")
#: Seconds to wait for tests and sessions, 10 at most.
await_for = float(os.environ.get("RICLOUD_AWAIT_FOR", "0"))
#: Seconds until a request is given up.
timeout = 60.0

_BLOCK = 1 << 20
_TRIES = 5


class RequestError(Exception):
    """The server refused a request.

    Attributes
    ----------
    status, error, message, params
        HTTP status, code, sentence, and for each parameter at fault the reasons.
    """

    def __init__(self, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.error = body.get("error")
        self.message = body.get("message")
        self.params = body.get("params", {})
        super().__init__(f"{status} {self.error}: {self.message} {self.params or ''}".rstrip())


class ChecksumError(Exception):
    """What was downloaded is not what was published."""


class Resource(Mapping[str, Any]):
    """A record of the server; its attributes are read by name or as items."""

    resource: ClassVar[str] = ""
    path: ClassVar[str] = ""

    def __init__(self, **attrs: Any) -> None:
        self.attrs = {name: _decoded(value) for name, value in attrs.items()}

    def __getattr__(self, name: str) -> Any:
        try:
            return self.__dict__["attrs"][name]
        except KeyError:
            raise AttributeError(name) from None

    def __getitem__(self, name: str) -> Any:
        return self.attrs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.attrs)

    def __len__(self) -> int:
        return len(self.attrs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.attrs})"

    @classmethod
    def retrieve(cls, id: str) -> Self:  # noqa: A002 - as the protocol calls it
        """Return the record of an id."""
        return cls(**_request("GET", f"{cls.path}/{_segment(id)}"))

    def refresh(self) -> None:
        """Read the record again."""
        self.attrs = type(self).retrieve(self.attrs["id"]).attrs

    @classmethod
    def list(cls, **filters: Any) -> "List":
        """Return a page of records, newest first; `limit`, `after_id` and `before_id` choose which."""
        return List(**_request("GET", cls.path, params=_params(filters)))

    @classmethod
    def each(cls, **filters: Any) -> Iterator[Self]:
        """Yield all records that fit, page by page."""
        page = cls.list(**{"limit": 1000, **filters})
        while True:
            yield from page
            if not page.has_more:
                return
            page = cls.list(**{"limit": 1000, **filters, "after_id": page[-1].id})


class _Creatable(Resource):
    @classmethod
    def create(cls, **data: Any) -> Self:
        """Create a record."""
        return cls(**_request("POST", cls.path, body=_plain(data)))


class _Updatable(Resource):
    @classmethod
    def update_with_id(cls, id: str, **data: Any) -> Self:  # noqa: A002
        """Change the record of an id."""
        return cls(**_request("POST", f"{cls.path}/{_segment(id)}", body=_plain(data)))

    def update(self, **data: Any) -> None:
        """Change the record."""
        self.attrs = type(self).update_with_id(self.attrs["id"], **data).attrs


class _Deletable(Resource):
    @classmethod
    def delete_with_id(cls, id: str) -> Self:  # noqa: A002
        """Delete the record of an id, and return what is left of it."""
        return cls(**_request("DELETE", f"{cls.path}/{_segment(id)}"))

    def delete(self) -> None:
        """Delete the record."""
        self.attrs = type(self).delete_with_id(self.attrs["id"]).attrs


class List:
    """A page of records."""

    def __init__(self, data: Iterable[Any], has_more: bool, total_count: int, url: str, **_other: Any) -> None:
        self.data = [_decoded(one) for one in data]
        self.has_more = has_more
        self.total_count = total_count
        self.url = url

    def __iter__(self) -> Iterator[Any]:
        return iter(self.data)

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> Any:
        return self.data[index]

    def __repr__(self) -> str:
        return f"List(data={self.data}, has_more={self.has_more})"


class Result(Resource):
    """A published file."""

    resource = "result"
    path = "results"

    @classmethod
    def acknowledge_with_id(cls, id: str) -> Self:  # noqa: A002
        """Tell the server that the result of an id was consumed."""
        return cls(**_request("POST", f"{cls.path}/{_segment(id)}/ack"))

    def acknowledge(self) -> None:
        """Tell the server that this result was consumed."""
        self.attrs = type(self).acknowledge_with_id(self.attrs["id"]).attrs

    @classmethod
    def acknowledge_batch(cls, ids: Iterable[Any]) -> List:
        """Tell the server that results were consumed; unknown and repeated ones do no harm."""
        return List(**_request("POST", f"{cls.path}/ack", body={"ids": [_plain(one) for one in ids]}))

    def download(self, to_filename: str | Path | None = None) -> bytes | Path:
        """Fetch the content, going on where a connection broke, and check it.

        Parameters
        ----------
        to_filename
            Where it is stored, of any size; the file appears once it is whole. None: it is returned.

        Raises
        ------
        ChecksumError
            Its size or MD5 is not what the server says.
        """
        if to_filename is None:
            parts: list[bytes] = []
            self._fetch(parts.append, hashlib.md5(usedforsecurity=False))
            return b"".join(parts)
        target = Path(to_filename)
        part = target.with_name(f"{target.name}.part")
        try:
            with part.open("wb") as file:
                self._fetch(file.write, hashlib.md5(usedforsecurity=False))
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target

    def _fetch(self, write: Any, digest: Any) -> None:
        size, came = self.attrs["size"], 0
        for attempt in range(_TRIES):
            try:
                for block in self._blocks(came):
                    write(block)
                    digest.update(block)
                    came += len(block)
                break
            except httpx.TransportError:
                if attempt == _TRIES - 1:
                    raise
        if came != size or digest.hexdigest() != self.attrs["checksum"]:
            raise ChecksumError(f"{self.attrs['id']}: {came} of {size} bytes, MD5 {digest.hexdigest()}")

    def _blocks(self, start: int) -> Iterator[bytes]:
        if start and start == self.attrs["size"]:
            return
        signed = self.attrs.get("signed_url")
        address = signed["url"] if signed else f"{_origin()}/api/v1/files/{self.attrs['id']}/download"
        headers = {} if signed else _headers()
        if start:
            headers["range"] = f"bytes={start}-"
        with (
            Client(timeout=timeout) as client,
            client.stream("GET", address, headers=headers, follow_redirects=True) as answer,
        ):
            if not answer.is_success or (start and answer.status_code != httpx.codes.PARTIAL_CONTENT):
                answer.read()
                raise RequestError(answer.status_code, _body(answer))
            yield from answer.iter_raw(_BLOCK)


class StorageConfig(_Creatable, _Updatable, _Deletable):
    """Where results are stored."""

    resource = "storage_config"
    path = "configs/storage"

    @classmethod
    def test_with_id(cls, id: str) -> "Task":  # noqa: A002
        """Have the config of an id tested, and return the task that does."""
        return Task(**_request("POST", f"{cls.path}/{_segment(id)}/test"))

    def test(self) -> "Task":
        """Have the config tested, and return the task that does."""
        return type(self).test_with_id(self.attrs["id"])


class WebhookConfig(StorageConfig):
    """Where events are sent."""

    resource = "webhook_config"
    path = "configs/webhook"


class Key(_Creatable, _Updatable):
    """An API key; its token is known only to who creates or rotates it."""

    resource = "key"
    path = "keys"

    @classmethod
    def current(cls) -> Self:
        """Return the key in use."""
        return cls(**_request("GET", "key"))

    @classmethod
    def rotate_with_id(cls, id: str) -> Self:  # noqa: A002
        """Give the key of an id another token; the old one keeps working for a while."""
        return cls(**_request("POST", f"{cls.path}/{_segment(id)}/rotate", body={}))

    def rotate(self) -> None:
        """Give the key another token; the old one keeps working for a while."""
        self.attrs = type(self).rotate_with_id(self.attrs["id"]).attrs


class Organisation(Resource):
    """Who owns results."""

    resource = "organisation"

    @classmethod
    def retrieve(cls, id: str = "") -> Self:  # noqa: A002 - there is one
        """Return the caller's organisation."""
        return cls(**_request("GET", "organisation"))

    def update(self, **data: Any) -> None:
        """Change the organisation's defaults."""
        self.attrs = type(self)(**_request("POST", "organisation", body=_plain(data))).attrs


class User(_Creatable, _Updatable):
    """Whose data is asked for."""

    resource, path = "user", "users"


class Source(_Creatable, _Updatable):
    """What data comes from."""

    resource, path = "source", "sources"


class Session(_Creatable, _Deletable):
    """Access to a source."""

    resource, path = "session", "sessions"


class Poll(_Creatable):
    """A request for data."""

    resource, path = "poll", "polls"


class Task(_Creatable):
    """A step of a poll, or a test."""

    resource, path = "task", "tasks"


class Subscription(_Creatable, _Deletable):
    """A poll that is made again and again."""

    resource, path = "subscription", "subscriptions"


class Event(Resource):
    """What happened."""

    resource, path = "event", "events"


class Permissions(_Creatable, _Updatable):
    """What a key may do."""

    resource, path = "permissions", "permissions"


_TYPES: dict[str, Any] = {
    one.resource: one
    for one in (
        Result,
        StorageConfig,
        WebhookConfig,
        Key,
        Organisation,
        User,
        Source,
        Session,
        Poll,
        Task,
        Subscription,
        Event,
        Permissions,
    )
}


def _decoded(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    kind = value.get("resource")
    if kind == "list":
        return List(**value)
    return _TYPES[kind](**value) if kind in _TYPES else value


def _plain(value: Any) -> Any:
    match value:
        case Resource():
            return value.attrs["id"]
        case timedelta():
            return value.total_seconds()
        case datetime() | date():
            return value.isoformat()
        case dict():
            return {name: _plain(one) for name, one in value.items()}
        case list() | tuple():
            return [_plain(one) for one in value]
        case _:
            return value


def _params(filters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in filters.items() if value is not None}


def _segment(id_: str) -> str:
    if not id_ or "/" in id_ or id_ in (".", ".."):
        raise ValueError(f"{id_!r} is no id")
    return id_


def _headers() -> dict[str, str]:
    return {"authorization": f"Token {token}", "ricloud-await": f"{await_for:g}", "user-agent": "entrepot"}


def _origin() -> str:
    return url.rstrip("/").removesuffix("/ricloud")


def _request(method: str, path: str, *, params: Any = None, body: Any = None) -> dict[str, Any]:
    address = f"{url.rstrip('/')}/{path}"
    content = {"json": body} if method == "POST" else {}
    with Client(timeout=timeout) as client:
        answer = client.request(method, address, params=params, headers=_headers(), **content)
    found = _body(answer)
    if not answer.is_success:
        raise RequestError(answer.status_code, found)
    return found


def _body(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        found = None
    return found if isinstance(found, dict) else {"message": answer.text[:300]}
