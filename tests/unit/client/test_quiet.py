"""The logs of those who use the SDK have no line for each request, unless they want to see them."""

import logging

import httpx
import pytest

from entrepot.client._http import Connection


def _answer(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, json={})


def _ask() -> None:
    connection = Connection("http://server", transport=httpx.MockTransport(_answer))
    connection.json("GET", "/x")
    with connection.stream("/x") as answer:
        answer.read()
        httpx.Client(transport=httpx.MockTransport(_answer)).get("http://others/own")


def test_no_line_for_each_request(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        _ask()
    assert [record.getMessage().split()[3] for record in caplog.records] == ["http://others/own"]


def test_whoever_debugs_sees_them(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        _ask()
    assert sum("HTTP Request" in record.getMessage() for record in caplog.records) == 3
