"""The surface of Reincubate's ricloud client, on Entrepot.

::

    import entrepot.client.ricloud as ricloud

    ricloud.url, ricloud.token = "https://entrepot.example/ricloud/", "ent_..."
    for result in ricloud.Result.list():
        content = result.download()
        result.acknowledge()

The address and the token may also stand in ``~/.ricloud.ini``, in the file that ``RICLOUD_CONF`` names, or in the
variables ``RICLOUD_URL`` and ``RICLOUD_TOKEN``; the later of these counts. Attributes are those of the protocol; dates
are texts, in UTC. What the published client does wrong is done right here: ``Key.rotate`` gives the new token,
``Key.current`` and tests return what they are about, batches can be acknowledged, lists followed.
"""

import sys
from dataclasses import fields
from types import ModuleType
from typing import Any

from entrepot.client.ricloud import conf
from entrepot.client.ricloud.exceptions import (
    ChecksumError,
    ConfigurationError,
    RequestError,
    RicloudError,
    ServerError,
)
from entrepot.client.ricloud.resources import (
    Event,
    Key,
    List,
    Organisation,
    Permissions,
    Poll,
    Resource,
    Result,
    Session,
    Source,
    StorageConfig,
    Subscription,
    Task,
    User,
    WebhookConfig,
)

#: Address of the server, with the path ``/ricloud/``.
url = conf.settings.url
#: Token of an API key.
token = conf.settings.token
#: Seconds to wait for tests and sessions, 10 at most.
await_for = conf.settings.await_for
#: How often what failed without harm is tried again.
max_retries = conf.settings.max_retries
#: Seconds until a request is given up.
timeout = conf.settings.timeout

_SETTINGS = frozenset(field.name for field in fields(conf.Settings))


class _Package(ModuleType):
    """Settings are the package's own attributes, as in the published client; requests are told of each that is set."""

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if name in _SETTINGS:
            setattr(conf.settings, name, value)


sys.modules[__name__].__class__ = _Package

__all__ = [
    "ChecksumError",
    "ConfigurationError",
    "Event",
    "Key",
    "List",
    "Organisation",
    "Permissions",
    "Poll",
    "RequestError",
    "Resource",
    "Result",
    "RicloudError",
    "ServerError",
    "Session",
    "Source",
    "StorageConfig",
    "Subscription",
    "Task",
    "User",
    "WebhookConfig",
]
