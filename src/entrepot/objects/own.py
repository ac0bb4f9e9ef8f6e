"""The server's own bucket, where one is configured: what all parts keep is there, and no folder need be shared."""

from datetime import timedelta
from functools import cache
from typing import Any

from obstore.exceptions import BaseError
from obstore.store import S3Store

from entrepot import clouds
from entrepot.errors import InvalidInput
from entrepot.objects.stores import CLIENT, RETRIES, BucketStore, first_line
from entrepot.settings import Settings


def own_bucket(settings: Settings) -> BucketStore | None:
    """Return the bucket of the setting ``storage_url``; None where all is kept in the data folder.

    It may be opened in processes that do not fork any more: what speaks to it has threads.
    """
    if settings.storage_url is None:
        return None
    return open_bucket(settings.storage_url, tuple(sorted(settings.cloud.items())))


def bucket_in_time(settings: Settings, seconds: float) -> BucketStore | None:
    """Return the same bucket for whoever asks whether it answers at all: once, and for no longer than this."""
    if settings.storage_url is None:
        return None
    return open_bucket(settings.storage_url, tuple(sorted(settings.cloud.items())), seconds)


@cache
def open_bucket(url: str, cloud: tuple[tuple[str, str], ...], seconds: float | None = None) -> BucketStore:
    """Return what is at a ``storage_url``, reached as these variables say; with a limit, each request is made once."""
    bucket, prefix = clouds.bucket_of(url)
    config: Any = dict(cloud)
    if "aws_region" not in config:
        config["aws_region"] = config.pop("aws_default_region", "us-east-1")
    endpoint = clouds.endpoint_of(config) or ""
    config.setdefault("aws_virtual_hosted_style_request", "false" if endpoint else "true")
    options: Any = CLIENT | {"allow_http": endpoint.startswith("http://")}
    retries: Any = RETRIES
    if seconds is not None:
        limit = timedelta(seconds=seconds)
        options |= {"timeout": limit, "connect_timeout": limit}
        retries = {"max_retries": 0, "retry_timeout": limit}
    try:
        return BucketStore(
            S3Store(bucket, prefix=prefix or None, config=config, client_options=options, retry_config=retries)
        )
    except BaseError as error:
        raise InvalidInput.field("storage_url", first_line(error)) from None
