from __future__ import annotations

import pytest

from emotrace.labels import LABELS
from tests.server.served import client_of, speech


@pytest.mark.parametrize("path", ["/api/predict/", "/api/predict"])
def test_a_script_around_the_old_page_works_unchanged(path: str) -> None:
    with client_of(load=None) as client:
        files = {"audio": ("talk.wav", speech())}
        result = client.post(path, files=files, data={"fn_index": 0}).json()["data"][0]
        assert list(result)[:5] == ["emotion", "confidence", "scores", "granularity", "timestamp"]
        assert list(result["scores"]) == list(LABELS)
        assert result["granularity"] == "utterance"
        assert result["confidence"] == max(result["scores"].values())
        frames = client.post(path, files=files, data={"fn_index": 1}).json()["data"][0]
        assert [set(frame) for frame in frames] == [{"emotion", "score", "timestamp"}] * len(frames)
        assert [frame["timestamp"] for frame in frames[:3]] == [0.0, 0.04, 0.08]
        assert len(frames) == 50
        assert client.post(path, files=files).json()["data"][0]["emotion"] == result["emotion"]


@pytest.mark.parametrize("index", ["2", "-1", "utterance", ""])
def test_another_function_is_refused(index: str) -> None:
    with client_of() as client:
        answer = client.post("/api/predict/", files={"audio": ("a.wav", speech())}, data={"fn_index": index})
        assert (answer.status_code, answer.json()["code"]) == (422, "option")
        assert "fn_index" in answer.json()["detail"]
