"""A store that speaks like S3, on this machine alone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from moto.server import ThreadedMotoServer

from entrepot.objects import own
from entrepot.objects.stores import BucketStore


@dataclass(frozen=True)
class S3:
    """A running store.

    Attributes
    ----------
    url
        Where it listens.
    environment
        The variables by which its clients reach it.
    """

    url: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which clients reach it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_REGION": "us-east-1",
        }

    def bucket(self, name: str) -> str:
        """Make a bucket, and return its address as a setting has it."""
        httpx.put(f"{self.url}/{name}").raise_for_status()
        return f"s3://{name}/entrepot"

    def open(self, storage_url: str) -> BucketStore:
        """Return a bucket as servers see it."""
        cloud = {name.lower(): value for name, value in self.environment.items()}
        return own.open_bucket(storage_url, tuple(sorted(cloud.items())))


@contextmanager
def running() -> Iterator[S3]:
    """Run a store until the block ends."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    before = {name: os.environ.get(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield S3(f"http://{host}:{port}")
    finally:
        server.stop()
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
