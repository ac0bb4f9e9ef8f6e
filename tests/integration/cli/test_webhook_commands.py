"""`entrepot webhook`, and the SDK's webhooks, against a server."""

import pytest
from typer.testing import CliRunner

from entrepot import connect
from entrepot.cli import app
from tests.support.server import ServerProcess


def test_a_webhook_is_made_rotated_switched_and_removed(shared_server: ServerProcess) -> None:
    client = connect(shared_server.url, shared_server.token)
    made = client.webhooks.create("https://example.org/hooks", ["file.published"])
    arguments = ["--url", shared_server.url, "--token", shared_server.token]

    def run(*words: str) -> str:
        result = CliRunner().invoke(app, ["webhooks", *words, *arguments], catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output

    assert made["id"] in run("list")
    rotated = run("rotate", made["id"], "--overlap-hours", "2")
    assert "whsec_" in rotated
    assert made["secret"] not in rotated
    assert client.webhooks.get(made["id"])["former_secret_until"] is not None
    assert "secret" not in client.webhooks.get(made["id"])
    assert run("set", made["id"], "--off").endswith("deactivated\n")
    before = client.webhooks.get(made["id"])["active_since"]
    assert run("set", made["id"], "--on").endswith("new\n")
    assert client.webhooks.get(made["id"])["active_since"] > before
    with pytest.raises(Exception, match="overlap_hours"):
        client.webhooks.rotate(made["id"], 10_000)
    client.webhooks.update(made["id"], url="https://receiver.invalid/hooks")
    tried = CliRunner().invoke(app, ["webhooks", "test", made["id"], *arguments])
    assert (tried.exit_code, tried.output) == (1, "https://receiver.invalid/hooks: invalid\n")
    assert run("replay", made["id"], "--failed-since", "2020-01-01") == "0 events are sent once more\n"
    assert client.webhooks.replay(made["id"], after="0") >= 0
    wrong = CliRunner().invoke(app, ["webhooks", "replay", made["id"], "--failed-since", "soon", *arguments])
    assert "2014-03-01T00:00Z" in wrong.output
    run("delete", made["id"])
    assert made["id"] not in [one["id"] for one in client.webhooks.all()]
    client.connection.close()
