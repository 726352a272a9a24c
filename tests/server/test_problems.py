from __future__ import annotations

import json
import logging

import pytest

from emotrace.errors import InputError, LimitError, ModelError, ServerError
from emotrace.server.problems import KINDS, problem_response
from tests.error_tree import KINDS as ERRORS


def test_every_error_of_the_library_has_a_status() -> None:
    for kind in ERRORS.values():
        assert kind is ServerError or kind.code in KINDS  # that one is a client's
        if issubclass(kind, InputError):
            assert 400 <= KINDS[kind.code].status < 500


def test_what_tells_of_the_server_s_inside_goes_to_the_log(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, "emotrace.server"):
        answer = problem_response(ModelError("'/srv/models/x/model.onnx' is damaged"))
    body = json.loads(bytes(answer.body))
    assert (answer.status_code, answer.headers["retry-after"], body["code"]) == (503, "5", "model")
    assert "/srv" not in body["detail"]
    assert "/srv/models/x" in caplog.text


def test_a_limit_names_no_option_that_a_client_does_not_have() -> None:
    error = LimitError("'a; b.wav' is longer than the limit of 3 s; cut it or raise max_seconds")
    detail = json.loads(bytes(problem_response(error).body))["detail"]
    assert detail == "'a; b.wav' is longer than the limit of 3 s; send less"
