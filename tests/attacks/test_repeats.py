"""Answers kept for repeats tell nobody more than they were told, and nothing to those who lost their rights."""

from typing import Any

from starlette.testclient import TestClient

from entrepot.identity import keys
from entrepot.identity.models import ApiKey
from tests.attacks.test_keys import House, house  # noqa: F401 - a fixture

PATH, BODY = "/api/v1/keys", {"name": "machine"}


def ask(house: House, token: str, body: Any = BODY) -> tuple[int, Any]:  # noqa: F811
    headers = {"authorization": f"Token {token}", "idempotency-key": "guessed"}
    answer = TestClient(house.app, raise_server_exceptions=False).post(PATH, json=body, headers=headers)
    return answer.status_code, answer.json()


def test_a_kept_token_is_told_to_nobody_else(house: House) -> None:  # noqa: F811
    key_id, token = house.key("admin")
    status, made = ask(house, token)
    assert status == 201
    assert ask(house, token) == (201, made)
    _, of_stranger = house.key("writer")
    status, other = ask(house, of_stranger)  # whose key it is, too
    assert (status, other["token"] == made["token"]) == (201, False)
    _, narrower = house.key("admin", scopes=["identity:write"])
    assert ask(house, narrower)[0] == 422  # the same user's, but not who asked
    assert ask(house, token, {"name": "other"})[0] == 422
    with house.database.write() as session:
        keys.revoke_key(session, session.get_one(ApiKey, key_id))
    assert ask(house, token)[0] == 401
