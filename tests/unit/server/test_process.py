"""What every process of a server does first."""

import subprocess
import sys

PROGRAM = """
from datetime import timedelta
import obstore
from obstore.store import S3Store
from entrepot.server.run.process import forget_clouds

def signed():
    config = {"access_key_id": "k", "secret_access_key": "s", "region": "us-east-1"}
    return obstore.sign(S3Store("users", config=config), "GET", "file", timedelta(minutes=1))

print(signed())
forget_clouds()
print(signed())
"""


def test_stores_of_users_get_nothing_of_the_operators_cloud() -> None:
    environment = {"AWS_ENDPOINT_URL": "https://own.example", "AWS_SESSION_TOKEN": "operators"}
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    before, after = run.stdout.splitlines()
    assert "own.example" in before
    assert "operators" in before
    assert "amazonaws.com" in after
    assert "operators" not in after
    assert "own.example" not in after
