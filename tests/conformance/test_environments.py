"""Each published client imports, in exactly the version that is promised."""

import subprocess

import pytest

from tests.conformance import environments

PROMISED = {
    "ovbpclient": ("ovbpclient", "ovbpclient", "1.5.2"),
    "owi": ("owi.metadatabase.results", "owi-metadatabase-results", "0.2.8"),
    "ricloud": ("ricloud, flask", "ricloud", "3.2.0"),
    "workflow": ("workflow.definitions.work", "workflow.core", "1.12.3"),
}


@pytest.mark.conformance
@pytest.mark.parametrize("client", environments.CLIENTS)
def test_the_published_client_is_the_promised_one(client: str) -> None:
    modules, distribution, version = PROMISED[client]
    program = f"import {modules}, importlib.metadata; print(importlib.metadata.version({distribution!r}))"
    run = subprocess.run([environments.python(client), "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == version
