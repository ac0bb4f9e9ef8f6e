"""Attacks on the server's own bucket, and by way of it."""

from pathlib import Path

import pytest
from obstore.store import MemoryStore

from entrepot.db import Database
from entrepot.errors import EntrepotError, InvalidInput
from entrepot.objects.stores import BucketStore
from entrepot.pipeline.gates import files
from entrepot.pipeline.gates.stored_home import StoredHome
from entrepot.settings import load


@pytest.mark.parametrize("endpoint", ["http://s3.example", "http://10.0.0.1:9000", "ftp://127.0.0.1", "s3.example"])
def test_a_bucket_beyond_this_machine_is_not_reached_in_clear(
    endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(InvalidInput, match="AWS_ENDPOINT_URL"):
        load(data_dir=tmp_path, storage_url="s3://bucket/prefix")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9000")
    assert load(data_dir=tmp_path, storage_url="s3://bucket/prefix").cloud["aws_endpoint_url"].endswith(":9000")


@pytest.mark.parametrize("url", ["s3://", "s3://a/../b", "https://a/b", "s3://a/b?c", "s3://a@b/c", "/folder"])
def test_no_other_address_is_taken_for_a_bucket(url: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as raised:
        load(data_dir=tmp_path, storage_url=url)
    assert list(raised.value.fields) == ["storage_url"]


def test_no_path_of_a_user_becomes_a_key(database: Database, tmp_path: Path) -> None:
    bucket = BucketStore(MemoryStore())  # type: ignore[arg-type]
    bucket.put("files/another/secret", b"secret")
    home = StoredHome(database, bucket, "gates/one", tmp_path)
    for path in ("a.csv", "%2e%2e/secret", "files/another/secret", "..%2f..%2fsecret"):
        ready = home.prepare(b"x")
        with home.alone() as turn:
            turn.put(ready, home.resolve(path))
        assert files.read(home, path) == b"x"
    with pytest.raises(EntrepotError):
        home.resolve("../../files/another/secret")
    assert b"".join(bucket.read("files/another/secret")) == b"secret"
    kept = {one.path.rpartition("/")[0] for one in bucket.list("gates")}
    assert kept == {"gates/one"}
