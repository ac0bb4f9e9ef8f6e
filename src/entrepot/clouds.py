"""The server's own bucket, as settings and variables name it."""

import os
import re
from collections.abc import Callable, Mapping
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator

#: Variables of S3's own clients that say how a bucket is reached.
_VARIABLES = frozenset(
    f"AWS_{name}"
    for name in (
        *("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN", "REGION", "DEFAULT_REGION"),
        *("ENDPOINT", "ENDPOINT_URL", "ENDPOINT_URL_S3", "ENDPOINT_URL_STS", "VIRTUAL_HOSTED_STYLE_REQUEST"),
        *("WEB_IDENTITY_TOKEN_FILE", "ROLE_ARN", "ROLE_SESSION_NAME", "METADATA_ENDPOINT"),
        *("CONTAINER_CREDENTIALS_RELATIVE_URI", "CONTAINER_CREDENTIALS_FULL_URI", "CONTAINER_AUTHORIZATION_TOKEN_FILE"),
        *("SERVER_SIDE_ENCRYPTION", "SSE_KMS_KEY_ID", "SSE_BUCKET_KEY_ENABLED"),
    )
)
_ENDPOINTS = ("aws_endpoint_url_s3", "aws_endpoint_url", "aws_endpoint")
_PLAIN = re.compile(r"[A-Za-z0-9!_.*'()-]+")


def bucket_of(url: str) -> tuple[str, str]:
    """Return the bucket, and the prefix in it, that ``s3://bucket/prefix`` names; ValueError where it is none."""
    split = urlsplit(url)
    names = [name for name in split.path.split("/") if name]
    plain = all(_PLAIN.fullmatch(name) and name not in (".", "..") for name in names)
    if split.scheme != "s3" or not _PLAIN.fullmatch(split.netloc) or split.query or split.fragment or not plain:
        raise ValueError("Write s3://bucket, or s3://bucket/prefix with a prefix of plain names.")
    return split.netloc, "/".join(names)


def checked(url: str) -> str:
    """Return a ``storage_url``; ValueError where it is none."""
    bucket_of(url)
    return url


#: The type of the setting.
BucketUrl = Annotated[str, AfterValidator(checked)]


def variables() -> dict[str, str]:
    """Return what the environment says of the way to a bucket, by names in lower case."""
    return {name.lower(): value for name, value in os.environ.items() if name in _VARIABLES and value}


def endpoint_of(cloud: Mapping[str, str]) -> str | None:
    """Return the address of the store; None for that of Amazon."""
    return next((cloud[name] for name in _ENDPOINTS if name in cloud), None)


def require_private(cloud: Mapping[str, str], is_loopback: Callable[[str], bool]) -> None:
    """Refuse, by a ValueError, to send files and signatures in clear, unless they stay on this machine."""
    split = urlsplit(endpoint_of(cloud) or "https:")
    if split.scheme != "https" and not (split.scheme == "http" and is_loopback(split.hostname or "")):
        raise ValueError("AWS_ENDPOINT_URL must be an https:// address; http:// on this machine alone.")
