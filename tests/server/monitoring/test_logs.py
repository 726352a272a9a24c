from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from emotrace.server.monitoring.logs import JsonLines, TextLines, answering, log_to_stderr, note
from emotrace.server.settings import Settings


def record(message: str = "hello", **fields: object) -> logging.LogRecord:
    return logging.makeLogRecord({"msg": message, "levelname": "INFO", "name": "emotrace.server", **fields})


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 65, "größe", "two\nlines", '"', "${jndi}"])
def test_an_id_that_is_not_sane_is_replaced(given: str | None) -> None:
    with answering(given) as made:
        assert made.id != given
        assert len(made.id) == 16


def test_a_line_is_one_object_with_the_id_of_its_request() -> None:
    try:
        raise ValueError("two\nlines")
    except ValueError:
        error = sys.exc_info()
    with answering("abc"):
        line = JsonLines().format(record("wörter\nüberall", exc_info=error, key="local", code=None))
    assert "\n" not in line
    found = json.loads(line)
    assert (found["message"], found["request"], found["key"]) == ("wörter\nüberall", "abc", "local")
    assert found["exception"].startswith("Traceback")
    assert "code" not in found
    assert found["time"].endswith("+00:00")
    assert "request" not in json.loads(JsonLines().format(record()))


def test_a_line_for_people_stays_one_line_whatever_a_client_sent() -> None:
    with answering("abc"):
        line = TextLines().format(record("\x1b[31mred\nfake line", key="local"))
    assert line.endswith(r"INFO emotrace.server: \x1b[31mred\nfake line key=local request=abc")
    assert "\n" not in line


def test_what_another_library_adds_to_every_record_is_no_field() -> None:
    before = logging.getLogRecordFactory()

    def stamped(*given: Any, **named: Any) -> logging.LogRecord:
        made = before(*given, **named)
        made.stamp = 1
        return made

    logging.setLogRecordFactory(stamped)
    try:
        line = TextLines().format(record(key="local"))
    finally:
        logging.setLogRecordFactory(before)
    assert line.endswith("INFO emotrace.server: hello key=local")


def test_notes_are_of_one_request_only() -> None:
    with answering("one"):
        note().code = "busy"
        with answering("two") as inner:
            assert inner.code is None
        assert note().code == "busy"
    note().code = "nobody's"
    assert (note().id, note().code) == ("", None)


@pytest.fixture
def loggers() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("emotrace")
    before = (list(root.handlers), ours.level)
    yield
    root.handlers[:], level = before
    ours.setLevel(level)


@pytest.mark.usefixtures("loggers")
def test_the_settings_choose_format_and_level(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr(Settings.of(log_format="json", log_level="warning"))
    logging.getLogger("emotrace.server").info("not told")
    logging.getLogger("emotrace.server").warning("told")
    [line] = capsys.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "told"
