from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

import emotrace
from emotrace.errors import ModelError
from emotrace.models.encoder import FakeEncoder
from emotrace.pipeline import PipelineOptions, analyse
from emotrace.recognition import Recognizer
from emotrace.server import schemas
from emotrace.server.settings import Settings
from tests.server.served import TOKEN, app_of, client_of, fake, speech, tone, wait_for

WHEN = {"timestamp"}


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    """With the model that comes with emotrace."""
    with client_of(load=None) as client:
        yield client


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer("compact", threads=1)


def send(
    client: TestClient, path: str = "/v1/recognitions", content: bytes | None = None, **fields: str
) -> Any:
    files = [("audio", ("talk.wav", speech() if content is None else content))]
    return client.post(path, files=files, data=fields)


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, {}),
        ({"granularity": "frame"}, {"recognition": {"frames": True}}),
        (
            {"granularity": "frame", "smooth": "hmm", "checks": "false"},
            {"recognition": {"frames": True}, "smoothing": {"method": "hmm"}, "checks": False},
        ),
        (
            {"granularity": "segment", "channel": "0"},
            {"recognition": {"segments": True, "channel": 0}},
        ),
    ],
)
def test_a_recognition_is_that_of_the_library(
    client: TestClient, recognizer: Recognizer, fields: dict[str, str], options: dict[str, Any]
) -> None:
    answer = client.post("/v1/recognitions", files={"audio": ("talk.wav", speech())}, data=fields)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    record = answer.json()
    schemas.Recognition.model_validate(record)
    expected = analyse(recognizer, speech(), PipelineOptions.of(**options))
    found = emotrace.outputs.recognition_record(
        expected,
        granularity=fields.get("granularity", "utterance"),  # type: ignore[arg-type]
    )
    for name in set(found) - WHEN - {"source"}:
        assert record[name] == found[name], name
    assert record["source"] == "talk.wav"
    track = expected.smoothed or expected.track
    if "frame" in fields.values():
        assert track is not None
        assert record["frames"] == list(emotrace.outputs.frame_records(track))
    else:
        assert "frames" not in record


def test_references_make_another_result_and_are_told(client: TestClient) -> None:
    files = [("audio", ("a.wav", speech())), *[("reference", (f"{i}.wav", speech())) for i in range(3)]]
    answer = client.post("/v1/recognitions", files=files)
    assert (answer.status_code, answer.json()["reference"]) == (200, "given")
    assert answer.json()["scores"] != send(client).json()["scores"]


def test_embeddings_are_those_of_the_library(client: TestClient, recognizer: Recognizer) -> None:
    expected = recognizer.embed(speech(), frame_embeddings=True)
    whole = send(client, "/v1/embeddings")
    assert whole.headers["content-type"] == "application/x-npy"
    frames = send(client, "/v1/embeddings", frames="true")
    assert np.array_equal(np.load(io.BytesIO(whole.content), allow_pickle=False), expected.embedding)
    assert expected.frame_embeddings is not None
    assert np.array_equal(np.load(io.BytesIO(frames.content)), expected.frame_embeddings)
    listed = send(client, embedding="true").json()["embedding"]
    assert np.array_equal(np.float32(listed), expected.embedding)


def test_the_frames_of_an_hour_are_not_answered(client: TestClient) -> None:
    answer = send(client, "/v1/embeddings", frames="true", max_seconds="601")
    assert (answer.status_code, answer.json()["code"]) == (422, "option")
    assert send(client, "/v1/embeddings", max_seconds="601").status_code == 200


def test_what_holds_no_speech_or_sound_is_a_problem_not_neutral(client: TestClient) -> None:
    for content, code in ((tone(0.0), "no-speech"), (tone()[:40], "audio"), (b"<html>" * 99, "audio")):
        answer = send(client, content=content)
        assert answer.status_code == 422
        assert answer.json()["code"] in {code, "no-audio"}
        schemas.Problem.model_validate(answer.json())


def test_a_recording_that_is_longer_than_the_limit_is_cut_off_while_it_is_decoded() -> None:
    with client_of(max_seconds=1) as client:
        answer = send(client, content=tone(seconds=3), checks="false")
        assert (answer.status_code, answer.json()["code"]) == (413, "limit")


def test_models_are_listed_loaded_and_unloaded() -> None:
    with client_of() as client:
        states = []
        for step in ("", "load", "load", "unload", "unload"):
            if step:
                row = client.post(f"/v1/models/auto/{step}").json()
                assert row["name"] == "compact"
            listed = schemas.ModelList.model_validate(client.get("/v1/models").json()).models
            states.append(next(row.state for row in listed if row.name == "compact"))
            assert [row.name for row in listed if row.default] == ["compact"]
        assert states == ["unloaded", "loaded", "loaded", "unloaded", "unloaded"]
        missing = client.post("/v1/models/nobody/load")
        assert (missing.status_code, missing.json()["code"]) == (404, "model-not-found")


def test_a_model_without_emotions_is_a_mistake_of_who_asks_for_it() -> None:
    encoder = FakeEncoder()
    encoder.card = encoder.card.model_copy(update={"labels": ()})
    with client_of(lambda _: Recognizer(encoder=encoder)) as client:
        answer = send(client, content=tone(), checks="false")
        assert (answer.status_code, answer.json()["code"]) == (422, "option")
        assert "/v1/embeddings" in answer.json()["detail"]


def test_presets_are_listed_without_their_files() -> None:
    with client_of() as client:
        found = schemas.PresetList.model_validate(client.get("/v1/presets").json()).presets
    assert [row.name for row in found][:2] == ["default", "classic"]
    assert next(row.rules.min_confidence for row in found if row.name == "customer-service") == 0.7


def test_readiness_waits_for_a_model_that_is_loaded_at_start() -> None:
    attempts = []

    def load(name: str) -> Recognizer:
        attempts.append(name)
        if len(attempts) == 1:
            raise ModelError("its file '/srv/model.onnx' is broken")
        return fake(name)

    app = app_of(load, preload=True)
    app.state.service.models._retry = 0.0
    with TestClient(app, base_url="http://127.0.0.1") as client:
        wait_for(lambda: attempts, "the first load")
        assert client.get("/v1/health").status_code == 200
        answer = client.get("/v1/ready")
        if answer.status_code != 200:  # until it is tried again
            assert (answer.status_code, answer.json()["code"]) == (503, "not-ready")
            assert "/srv" not in answer.text
        wait_for(lambda: client.get("/v1/ready").status_code == 200, "the second load")
    assert len(attempts) == 2


def test_a_model_that_cannot_be_loaded_is_told_without_the_server_s_inside() -> None:
    def load(name: str) -> Recognizer:
        raise ModelError("its file '/srv/model.onnx' is broken")

    with client_of(load) as client:
        for _ in range(2):
            answer = send(client, content=tone())
            assert (answer.status_code, answer.json()["code"]) == (503, "model")
            assert answer.headers["retry-after"]
            assert "/srv" not in answer.text
        assert client.get("/v1/ready").json()["code"] == "not-ready"
        [row] = [row for row in client.get("/v1/models").json()["models"] if row["name"] == "compact"]
        assert row["state"] == "failed"


def test_a_bug_is_a_problem_without_a_traceback() -> None:
    class Broken(FakeEncoder):
        def encode(self, *args: Any, **options: Any) -> Any:
            raise ZeroDivisionError("secret of the inside")

    app = app_of(lambda _: Recognizer(encoder=Broken()))
    with TestClient(app, base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        answer = send(client, content=tone(), checks="false")
    assert (answer.status_code, answer.json()["code"]) == (500, "bug")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_routes_that_are_not_there_are_problems_too() -> None:
    with client_of() as client:
        for method, path, code in (
            ("GET", "/v1", "not-found"),
            ("GET", "/v1/docs", "not-found"),
            ("POST", "/v1/models/..%2f..%2fetc/load", "not-found"),
            ("PUT", "/v1/recognitions", "method-not-allowed"),
            ("DELETE", "/v1/models", "method-not-allowed"),
        ):
            answer = client.request(method, path)
            assert answer.json()["code"] == code, path
            schemas.Problem.model_validate(answer.json())
        assert "POST" in client.put("/v1/recognitions").headers["allow"]


@pytest.mark.parametrize("path", ["/v1/health", "/v1/ready"])
def test_health_and_readiness_may_be_asked_for_by_head(path: str) -> None:
    with client_of(token=TOKEN) as client:
        assert client.head(path).status_code == 200
        assert "HEAD" in client.post(path).headers["allow"]


def test_the_document_tells_every_route_and_its_schemas() -> None:
    document = app_of().openapi()
    assert set(document["paths"]) >= {"/v1/recognitions", "/v1/embeddings", "/v1/models", "/api/predict/"}
    known = document["components"]["schemas"]
    text = str(document)
    for name in {part.split("'")[0] for part in text.split("#/components/schemas/")[1:]}:
        assert name in known
    body = document["paths"]["/v1/recognitions"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert body["schema"]["required"] == ["audio"]
    assert {"audio", "reference", "hop", "preset"} <= set(body["schema"]["properties"])
    assert "HTTPValidationError" not in text


def test_a_broken_file_of_presets_is_found_at_start(tmp_path: Any) -> None:
    (tmp_path / "presets.toml").write_text("[x]\nmin_gap = 7\n")
    with pytest.raises(emotrace.errors.InputError, match="line 2"):
        app_of(presets=tmp_path / "presets.toml")
    assert Settings().presets is None
