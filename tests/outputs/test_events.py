"""Events as JSON."""

from __future__ import annotations

import json
import math

import numpy as np

from emotrace import PipelineOptions, Recognizer, stream
from emotrace.models.encoder import FakeEncoder
from emotrace.outputs.events import event_record
from emotrace.outputs.records import dumps
from emotrace.results import EmotionReading
from tests.recognition.fakes import heard_by_level
from tests.voices import steady


def test_each_event_is_one_json_object() -> None:
    options = PipelineOptions.of(smoothing={"method": "hmm-online", "lag": 0.5}, recognition={"hop": 0.1})
    sound = np.concatenate([steady(2.0, 0.375), np.zeros(16000, np.float32), steady(1.0, 0.75)])
    with heard_by_level():
        live = stream(Recognizer(encoder=FakeEncoder()), 16000, options, hop=0.5, name="desk")
        events = live.push(sound) + live.finish()
    records = [json.loads(dumps(event_record(event, frames=True, embedding=True))) for event in events]
    kinds = [record["type"] for record in records]
    assert kinds[0] == "speech.started" and kinds[-2:] == ["speech.ended", "recognition"]
    assert kinds.count("speech.started") == kinds.count("speech.ended") == 2
    reading = records[kinds.index("emotion") + 2]
    assert (reading["emotion"], reading["smoothed"]["emotion"]) == ("happy", "happy")
    assert (reading["latency_seconds"], reading["time"], reading["start"]) == (0.5, 1.5, 0.0)
    assert sum(reading["scores"].values()) == 1
    first, last = records[kinds.index("speech.ended")], records[-1]["recognition"]
    assert first["recognition"]["source"] == last["source"] == "desk"
    assert first["recognition"]["verdict"]["decision"] in {"keep", "flag", "drop"}
    assert len(first["recognition"]["frames"]) == 20 or len(first["recognition"]["frames"]) == 21
    assert len(last["embedding"]) == 2
    assert {segment["emotion"] for segment in last["segments"]} == {"happy", "sad"}
    assert last["smoothing"] == {"method": "hmm-online", "latency_seconds": 0.5}


def test_nothing_is_said_twice_unless_it_is_asked_for() -> None:
    with heard_by_level():
        live = stream(Recognizer(encoder=FakeEncoder()), 16000)
        ended = (live.push(steady(2.0, 0.375)) + live.finish())[-2]
    record = event_record(ended)
    assert "frames" not in record["recognition"] and "embedding" not in record["recognition"]


def test_an_endless_latency_is_null() -> None:
    reading = EmotionReading(0.0, 0.5, np.eye(9, dtype=np.float32)[3], None, math.inf)
    record = event_record(reading)
    assert record["latency_seconds"] is None and record["smoothed"] is None
