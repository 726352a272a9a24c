"""Models of the family emotion2vec give what the built-in model gives: whole, over time, cut, embedded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emotrace import Recognition, Recognizer
from emotrace.errors import InputError, ModelError, NoSpeechError, OptionError
from emotrace.models.encoder import FakeEncoder
from emotrace.outputs.records import recognition_record
from emotrace.recognition.tracking import softmax
from emotrace.results import Array
from tests.models.speech_packages import speech_package
from tests.recognition.fakes import assert_same, heard_by_level
from tests.recognition.test_recognizer import check
from tests.voices import steady, voice

PAUSE = np.zeros(16000, np.float32)
TALK = np.concatenate([PAUSE, voice(48_000), PAUSE, voice(90_000, seed=1), PAUSE, voice(20_000, seed=2)])
LONG = np.concatenate([TALK] * 4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("speech")
    speech_package(path, quantised=True)
    return path


@pytest.fixture(scope="module")
def recognizer(folder: Path) -> Recognizer:
    return Recognizer(str(folder), precision="fp32")


EVERYTHING: dict[str, Any] = {"frames": True, "frame_embeddings": True}


@pytest.mark.parametrize("method", ["sliding-window", "frame-head"])
@pytest.mark.parametrize(("hop", "segments"), [(0.02, False), (0.04, True), (0.5, False), (0.1, True)])
@pytest.mark.usefixtures("by_level")
def test_every_output_is_there(recognizer: Recognizer, method: str, hop: float, segments: bool) -> None:
    options = {**EVERYTHING, "hop": hop, "segments": segments, "track_method": method}
    result = recognizer.recognize((TALK, 16000), **options)
    check(result, hop)
    assert result.track is not None
    assert result.track.method == {"sliding-window": "sliding-window 1.5 s"}.get(method, method)
    assert result.reference == "none"
    assert result.embedding.shape == (recognizer.card.embedding_size,)
    assert result.frame_embeddings is not None
    assert result.frame_embeddings.shape[1] == recognizer.card.frame_size
    assert bool(result.segments) == segments


def shape(value: Any) -> Any:
    """The types in a record, without its numbers and the length of its lists."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__


@pytest.mark.parametrize("granularity", ["utterance", "frame", "segment"])
@pytest.mark.usefixtures("by_level")
def test_records_have_the_form_of_the_built_in_models(recognizer: Recognizer, granularity: Any) -> None:
    built_in = Recognizer("compact", threads=1)
    forms = []
    for one in (recognizer, built_in):
        result = one.recognize((TALK, 16000), frames=granularity == "frame", segments=True)
        record = recognition_record(result, granularity=granularity, embedding=True)
        record.pop("shares")  # which emotions there are differs
        forms.append(shape(json.loads(json.dumps(record))))
    assert forms[0] == forms[1]


def test_the_frame_head_at_the_native_step_is_each_frame(recognizer: Recognizer) -> None:
    samples = voice(32_000)
    result = recognizer.recognize((samples, 16000), frames=True, hop=0.02, track_method="frame-head")
    [encoding] = recognizer.encoder.encode([samples])
    assert result.track is not None
    assert len(result.track) == 100  # one more than frames: the last stays
    assert np.allclose(result.track.probabilities[:99], softmax(encoding.frame_logits), atol=1e-5)
    assert np.array_equal(result.track.probabilities[99], result.track.probabilities[98])
    coarse = recognizer.recognize((samples, 16000), frames=True, hop=0.1, track_method="frame-head").track
    assert coarse is not None
    fine = result.track.probabilities.reshape(20, 5, 9).mean(1)
    assert np.allclose(coarse.probabilities, fine, atol=1e-5)


def test_the_frame_head_needs_no_further_pass(folder: Path) -> None:
    fake = FakeEncoder()
    sound = np.concatenate([steady(3, 0.25), steady(3, 0.75)])
    track = Recognizer(encoder=fake).recognize((sound, 16000), frames=True, track_method="frame-head").track
    assert fake.batches == [1]
    assert track is not None
    assert track.emotions == ["fearful"] * 75 + ["sad"] * 75


def test_both_methods_are_silent_in_the_same_places(recognizer: Recognizer) -> None:
    samples = np.concatenate([voice(48_000), np.zeros(80_000, np.float32), voice(48_000, seed=3)])
    silent: list[Any] = []
    for method in ("sliding-window", "frame-head"):
        track = recognizer.recognize((samples, 16000), frames=True, hop=0.02, track_method=method).track
        assert track is not None
        silent.append(np.isnan(track.probabilities).all(1))
    assert silent[0].any()
    assert np.array_equal(silent[0], silent[1])


@pytest.mark.usefixtures("by_level")
def test_many_at_a_time_say_what_one_says(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    sources: list[Any] = [(voice(3000 + 977 * i, seed=i), 16000) for i in range(10)]
    sources += [(TALK, 16000), (LONG, 16000), "missing.wav"]
    monkeypatch.setattr("emotrace.models.selection.cores", lambda: 2)
    several = Recognizer(str(recognizer.encoder._package.folder), precision="fp32")  # type: ignore[attr-defined]
    assert several.workers == 2
    results = list(several.recognize_many(sources, **EVERYTHING))
    assert getattr(results[-1], "code", "") == "audio"
    for source, result in zip(sources[:-1], results, strict=False):
        assert isinstance(result, Recognition)
        assert result.model.threads == 1
        alone = recognizer.recognize(source, **EVERYTHING)
        same = Recognition(**{**{f: getattr(result, f) for f in FIELDS}, "model": alone.model})
        assert_same(same, alone, 1e-5)


FIELDS = tuple(Recognition.__dataclass_fields__)


@pytest.mark.parametrize(("threads", "workers"), [(0, 2), (1, 1), (2, 1)])
def test_how_many_at_a_time(
    folder: Path, threads: int, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("emotrace.models.selection.cores", lambda: 2)
    assert Recognizer(str(folder), threads=threads).workers == workers
    assert Recognizer("compact", threads=threads).workers == 1
    assert Recognizer(encoder=FakeEncoder()).workers == 1


def test_a_gpu_gets_what_many_recordings_ask_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    recognizer = Recognizer(str(folder), precision="fp32", device="cpu")
    recognizer.encoder.encode([voice(4000)])  # loads on the CPU
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: both)
    monkeypatch.setattr(recognizer.encoder, "_device", "cuda")
    assert recognizer.workers == 16
    sources: list[Any] = [(voice(6000 + 100 * i, seed=i), 16000) for i in range(40)]
    results = list(recognizer.recognize_many(sources))
    for source, result in zip(sources, results, strict=True):
        assert isinstance(result, Recognition)
        expected: Array = recognizer.encoder.encode([source[0]])[0].embedding
        assert np.abs(result.embedding - expected).max() < 1e-5


def test_longer_than_the_model_takes_whole(recognizer: Recognizer) -> None:
    with pytest.raises(OptionError, match=r"whole_seconds is 61; the model 'speech' takes at most 60 s"):
        recognizer.recognize((TALK, 16000), whole_seconds=61)
    with pytest.raises(OptionError, match="whole_seconds is 61"):
        recognizer.recognize_many([], whole_seconds=61)
    assert recognizer.recognize((LONG, 16000), whole_seconds=60).segments == ()


@pytest.mark.usefixtures("by_level")
def test_a_recording_longer_than_the_model_takes_whole_is_cut(recognizer: Recognizer) -> None:
    result = recognizer.recognize((np.concatenate([LONG] * 2), 16000))
    assert result.duration > 90
    assert len(result.segments) >= 12


# -- embeddings alone -----------------------------------------------------------------------------------


@pytest.mark.parametrize("head", [True, False])
@pytest.mark.usefixtures("by_level")
def test_embeddings_are_those_of_the_recognition(tmp_path: Path, recognizer: Recognizer, head: bool) -> None:
    speech_package(tmp_path, head=head)
    embedder = Recognizer(str(tmp_path))
    for samples, segments in ((voice(40_000), False), (LONG, False), (TALK, True)):
        expected = recognizer.recognize((samples, 16000), frame_embeddings=True, segments=segments)
        got = embedder.embed((samples, 16000), frame_embeddings=True, segments=segments)
        assert np.allclose(got.embedding, expected.embedding, atol=1e-5)
        assert got.frame_embeddings is not None
        assert expected.frame_embeddings is not None
        assert np.allclose(got.frame_embeddings, expected.frame_embeddings, atol=1e-5)
        assert np.array_equal(got.frame_times, expected.frame_times)  # type: ignore[arg-type]
        assert got.duration == expected.duration
        assert got.speech_duration == pytest.approx(expected.speech_duration)
        assert got.source == "<array>"
    assert embedder.embed((voice(8000), 16000)).frame_embeddings is None


def test_a_model_without_a_head_names_no_emotion(tmp_path: Path) -> None:
    speech_package(tmp_path, head=False)
    embedder = Recognizer(str(tmp_path))
    told = "the model 'speech' has no emotion head, it gives embeddings only; use `emotrace embed`"
    with pytest.raises(ModelError, match=told):
        embedder.recognize((TALK, 16000))
    with pytest.raises(ModelError, match=told):
        embedder.recognize_many([(TALK, 16000)])


def test_what_cannot_be_embedded_is_told(recognizer: Recognizer) -> None:
    with pytest.raises(NoSpeechError, match="holds only silence"):
        recognizer.embed((PAUSE, 16000))
    with pytest.raises(InputError, match="too short"):
        recognizer.embed((voice(399), 16000))
    with pytest.raises(OptionError, match="embed gives no emotion over time"):
        recognizer.embed((TALK, 16000), frames=True)
    with heard_by_level(), pytest.raises(NoSpeechError, match=r"holds only silence \(31"):
        recognizer.embed((np.concatenate([PAUSE] * 31), 16000))
