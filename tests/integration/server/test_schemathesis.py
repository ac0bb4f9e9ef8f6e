"""Requests that the OpenAPI document allows, or nearly: none makes the server fail, or answer what it does not say."""

import functools
import math
import os
import sys
import time
from collections import Counter
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.internal import charmap
from schemathesis import GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from entrepot.server.api import examples
from tests.support.examples import Farm
from tests.support.interface import Api

_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
#: They go on until their client ends, or what they tell of.
_ENDLESS = ("/api/v1/events/stream", "/api/v1/jobs/{job_id}/stream")
#: In the suite, a few of each operation; a longer run says for how many seconds, and tells at once (`pytest -s`).
_SECONDS = float(os.environ.get("SCHEMATHESIS_SECONDS", "0"))
#: It is read from a file and united each time: a quarter of the run.
charmap.intervals_from_codec = functools.cache(charmap.intervals_from_codec)


class Answers:
    """Sends cases to the farm's server, and counts what comes."""

    def __init__(self, farm: Farm) -> None:
        self.farm = farm
        self.statuses: Counter[int] = Counter()
        self.wrong: dict[str, str] = {}

    def send(self, case: Any) -> None:
        client = self.farm.api.client
        asked = {name: value for name, value in case.as_transport_kwargs().items() if name != "cookies"}
        asked["url"] = asked["url"].replace("http://127.0.0.1", "").replace("http://localhost", "")
        given = asked.pop("headers") or {}
        asked["headers"] = {
            name: value for name, value in given.items() if name.lower() not in ("authorization", "host")
        }
        if "data" in asked and not isinstance(asked["data"], dict):
            asked["content"] = asked.pop("data")
        try:
            request = client.build_request(**asked)
            request.read()
        except (httpx.InvalidURL, httpx.LocalProtocolError, AttributeError, TypeError, ValueError):
            return  # no client can send this
        answer = client.send(request)
        self.statuses[answer.status_code] += 1
        try:
            case.validate_response(answer, checks=_CHECKS)
        except FailureGroup as error:
            label = f"{case.operation.label} -> {answer.status_code}"
            if label not in self.wrong:
                self.wrong[label] = f"{asked} {answer.text[:300]}\n{[str(one) for one in error.exceptions]}"
                sys.stderr.write(f"\n{label}: {self.wrong[label]}\n")


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)
def test_no_request_makes_it_fail_or_answer_what_the_document_does_not_say(api: Api) -> None:
    farm = Farm(api)
    answers = Answers(farm)
    schema: Any = openapi.from_dict(api.ask("GET", "/openapi.json"))
    operations = [one.ok() for one in schema.get_all_operations()]
    operations = sorted((one for one in operations if one.path not in _ENDLESS), key=lambda one: one.method == "delete")
    end, round_ = time.monotonic() + (_SECONDS or math.inf), 0
    while not round_ or (_SECONDS and time.monotonic() < end):
        if round_:
            answers.farm = Farm(api, f"{round_}")
        for operation in operations:
            if time.monotonic() < end:
                _ask(answers, operation)
        round_ += 1
    told = f"{sum(answers.statuses.values())} requests in {round_} rounds: {dict(sorted(answers.statuses.items()))}"
    sys.stderr.write(f"\n{told}\n")
    assert not answers.wrong, "\n\n".join(f"{label}: {why}" for label, why in answers.wrong.items())
    assert not any(status >= 500 for status in answers.statuses)


def _ask(answers: Answers, operation: Any) -> None:
    ids = answers.farm.ids
    names = [one.name for one in operation.path_parameters]
    real = {name: ids.get(examples.thing_of(operation.path, name), _text(operation.path, name)) for name in names}
    ways = [operation.as_strategy(path_parameters=real or None), operation.as_strategy(GenerationMode.NEGATIVE)]

    @given(case=st.one_of(ways))
    @settings(
        max_examples=2 if not _SECONDS else 4,
        derandomize=not _SECONDS,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        answers.send(case)

    ask()


def _text(path: str, name: str) -> str:
    return examples.path_value(path, name)
