"""A speaker reference: what it is the mean of, where it comes from, and when it is refused."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace import Recognition, Recognizer, SpeakerReference
from emotrace.errors import AudioError, InputError, LimitError, ModelError, NoSpeechError, OptionError
from emotrace.models.encoder import FakeEncoder
from emotrace.recognition.references import PIECE_SECONDS, RunningReference
from emotrace.results import Failure
from tests.audio.tones import encode
from tests.recognition.fakes import Plain, SpeakerFake
from tests.voices import steady, voice


@pytest.fixture
def recognizer() -> Recognizer:
    return Recognizer(encoder=SpeakerFake())


def given_level(level: float, model: str = "fake") -> SpeakerReference:
    return SpeakerReference(np.array([level], np.float32), 5.0, model)


@given(
    st.lists(st.tuples(st.floats(-50, 50, width=32), st.floats(0.1, 60)), min_size=1, max_size=8),
    st.floats(0, 30),
)
def test_the_running_reference_is_the_mean_by_time(parts: list[tuple[float, float]], enough: float) -> None:
    running = RunningReference(1, "fake", enough)
    for value, seconds in parts:
        running.add(np.array([value], np.float32), seconds)
    total = sum(seconds for _, seconds in parts)
    reference = running.get()
    if total < enough:
        assert reference is None
    else:
        assert reference is not None
        assert reference.seconds == pytest.approx(total)
        expected = sum(value * seconds for value, seconds in parts) / total
        assert reference.spectrum == pytest.approx([expected], rel=1e-5, abs=1e-4)
        assert reference.spectrum.dtype == np.float32


def test_no_reference_from_nothing() -> None:
    assert RunningReference(1, "fake", enough=0.0).get() is None


def test_a_reference_is_the_mean_of_the_clips(recognizer: Recognizer, tmp_path: Path) -> None:
    path = tmp_path / "quiet.wav"
    path.write_bytes(encode(steady(1, 0.2), 16000, codec="pcm_f32le"))
    reference = recognizer.reference([path, (steady(3, 0.4), 16000)])
    assert reference.spectrum == pytest.approx([0.35], abs=1e-3)
    assert reference.seconds == pytest.approx(4)
    assert reference.model == "fake"


def test_a_long_clip_is_read_in_pieces_and_its_silence_left_out() -> None:
    encoder = SpeakerFake()
    samples = np.concatenate([steady(40, 0.4), np.zeros(int(PIECE_SECONDS * 2) * 16000), steady(0.05, 0.4)])
    reference = Recognizer(encoder=encoder).reference([(samples, 16000)])
    assert encoder.batches == [1, 1]
    whole, part = 0.4, 0.4 * np.sqrt(1 / 3)  # 10 s of sound, 20 s of silence in the second piece
    assert reference.spectrum == pytest.approx([(whole + part) / 2], abs=1e-3)


@pytest.mark.parametrize(
    ("clip", "kind", "told"),
    [
        ("missing.wav", AudioError, "does not exist"),
        (b"not audio at all", AudioError, "<bytes>"),
        ((np.zeros(16000, np.float32), 16000), NoSpeechError, "holds only silence"),
        ((np.ones(16000, np.float32), 16000), NoSpeechError, "constant offset"),
        ((steady(0.05, 0.5), 16000), InputError, "is too short: it lasts 0.050 s"),
        ((np.float32(1e9) * steady(1, 0.5), 16000), InputError, "expected -1 to 1"),
    ],
)
def test_a_clip_that_cannot_be_used(
    recognizer: Recognizer, clip: object, kind: type[InputError], told: str
) -> None:
    with pytest.raises(kind, match=told):
        recognizer.reference([(steady(1, 0.5), 16000), clip])  # type: ignore[list-item]


def test_no_clip_at_all(recognizer: Recognizer) -> None:
    with pytest.raises(InputError, match="no clip was given; expected at least one"):
        recognizer.reference([])


def test_the_options_of_reading_apply(recognizer: Recognizer) -> None:
    from emotrace.audio import Limits

    both = np.stack([steady(1, 0.2), steady(1, 0.6)])
    assert recognizer.reference([(both, 16000)], channel=1).spectrum == pytest.approx([0.6], abs=1e-3)
    with pytest.raises(LimitError):
        recognizer.reference([(both, 16000)], limits=Limits(max_seconds=0.5))


def test_a_given_reference_is_used_and_told(recognizer: Recognizer) -> None:
    clip = (steady(3, 0.75), 16000)
    alone = recognizer.recognize(clip, frames=True)
    compared = recognizer.recognize(clip, reference=given_level(0.25), frames=True)
    assert (alone.emotion, alone.reference) == ("sad", "none")
    assert (compared.emotion, compared.reference) == ("neutral", "given")
    assert compared.track is not None
    assert set(compared.track.emotions) == {"neutral"}


@pytest.mark.usefixtures("by_level")
def test_a_given_reference_goes_before_the_recordings_own(recognizer: Recognizer) -> None:
    samples = np.concatenate([steady(5, 0.75), np.zeros(16000), steady(5, 0.75)]).astype(np.float32)
    result = recognizer.recognize((samples, 16000), reference=given_level(0.25), segments=True)
    assert [s.emotion for s in result.segments] == ["neutral", "neutral"]
    assert result.reference == "given"


@pytest.mark.usefixtures("by_level")
def test_a_recording_that_is_cut_builds_its_own(recognizer: Recognizer) -> None:
    pause = np.zeros(16000, np.float32)
    samples = np.concatenate([steady(5, 0.5), pause, steady(5, 0.5), pause])
    result = recognizer.recognize((samples, 16000), segments=True, frames=True)
    assert [s.emotion for s in result.segments] == ["neutral", "angry"]
    assert result.reference == "recording"
    without = recognizer.recognize((samples, 16000), segments=True, self_reference=False)
    assert [s.emotion for s in without.segments] == ["neutral", "neutral"]
    assert without.reference == "none"


@pytest.mark.usefixtures("by_level")
def test_too_little_speech_is_no_reference(recognizer: Recognizer) -> None:
    pause = np.zeros(16000, np.float32)
    samples = np.concatenate([steady(1, 0.5), pause, steady(1, 0.5), pause])
    result = recognizer.recognize((samples, 16000), segments=True)
    assert [s.emotion for s in result.segments] == ["neutral", "neutral"]
    assert result.reference == "none"


def test_windows_are_compared_with_the_whole_clip_where_no_speaker_is_known(recognizer: Recognizer) -> None:
    result = recognizer.recognize((steady(3, 0.5), 16000), frames=True)
    assert result.emotion == "neutral"
    assert result.track is not None
    assert set(result.track.emotions) == {"angry"}  # the same level as the clip itself


@pytest.mark.parametrize(
    "wrong",
    [given_level(0.1, "another"), SpeakerReference(np.zeros(2, np.float32), 5.0, "fake")],
    ids=["model", "width"],
)
def test_a_reference_of_another_model_is_refused(recognizer: Recognizer, wrong: SpeakerReference) -> None:
    clip = (steady(1, 0.5), 16000)
    with pytest.raises(ModelError, match=r"expected one made with 'fake'.*make it again"):
        recognizer.recognize(clip, reference=wrong)
    with pytest.raises(ModelError, match="expected one made with 'fake'"):
        recognizer.recognize_many([clip], reference=wrong)


def test_a_clip_is_no_reference_yet(recognizer: Recognizer) -> None:
    clip: Any = "monday.wav"
    with pytest.raises(OptionError, match="of type str; expected what"):
        recognizer.recognize(clip, reference=clip)
    with pytest.raises(OptionError, match="of type str; expected what"):
        recognizer.recognize_many([clip], reference=clip)


def test_a_batch_of_one_speaker_is_compared_with_its_mean(recognizer: Recognizer) -> None:
    clips = [(steady(1, 0.25), 16000), (steady(1, 0.75), 16000)]
    results = list(recognizer.recognize_many(clips, one_speaker=True))
    assert all(isinstance(r, Recognition) and r.reference == "batch" for r in results)
    loud = results[1]
    assert isinstance(loud, Recognition)
    assert loud.emotion == "disgusted" or loud.emotion == "fearful"
    assert loud.embedding[1] == pytest.approx(0.5, abs=1e-3)  # what the fake was given


def test_what_fails_in_a_batch_of_one_speaker_leaves_the_others_be(recognizer: Recognizer) -> None:
    sources: list[Any] = [
        "missing.wav",
        (steady(1, 0.5), 16000),
        (np.zeros(16000, np.float32), 16000),
        b"noise",
    ]
    results = list(recognizer.recognize_many(sources, one_speaker=True))
    assert [getattr(r, "code", "fine") for r in results] == ["audio", "fine", "no-speech", "audio"]
    good = results[1]
    assert isinstance(good, Recognition)
    assert good.embedding[1] == pytest.approx(0.5, abs=1e-3)


def test_a_batch_of_one_speaker_in_which_all_fails(recognizer: Recognizer) -> None:
    results = list(recognizer.recognize_many(["a.wav", "b.wav"], one_speaker=True))
    assert [isinstance(r, Failure) for r in results] == [True, True]


def test_a_given_reference_serves_a_batch_too(recognizer: Recognizer) -> None:
    [result] = recognizer.recognize_many(
        [(steady(1, 0.75), 16000)], reference=given_level(0.25), one_speaker=True
    )
    assert isinstance(result, Recognition)
    assert (result.emotion, result.reference) == ("neutral", "given")


def test_a_model_without_reference() -> None:
    recognizer = Recognizer(encoder=Plain())
    with pytest.raises(ModelError, match="uses no speaker reference; leave it out"):
        recognizer.reference([(steady(1, 0.5), 16000)])
    [result] = recognizer.recognize_many([(steady(3, 0.5), 16000)], one_speaker=True, frames=True)
    assert isinstance(result, Recognition)
    assert (result.emotion, result.reference) == ("neutral", "none")


@pytest.mark.usefixtures("by_level")
def test_a_model_without_reference_cuts_all_the_same() -> None:
    samples = np.concatenate([steady(5, 0.5), np.zeros(16000), steady(5, 0.5)]).astype(np.float32)
    result = Recognizer(encoder=Plain()).recognize((samples, 16000), segments=True, frames=True)
    assert [s.emotion for s in result.segments] == ["neutral", "neutral"]
    assert result.reference == "none"


def test_the_built_in_model_makes_and_uses_a_reference() -> None:
    recognizer = Recognizer("compact", threads=1)
    clips = [(voice(16000, seed=i), 16000) for i in range(3)]
    reference = recognizer.reference(clips)
    assert reference.spectrum.shape == (recognizer.card.reference_size,)
    assert 0 < reference.seconds <= 3
    louder = recognizer.reference([(samples * np.float32(4), rate) for samples, rate in clips])
    assert louder.spectrum == pytest.approx(reference.spectrum, abs=1e-2)
    with_it = recognizer.recognize(clips[0], reference=reference)
    assert with_it.reference == "given"
    assert recognizer.recognize(clips[0]).scores != with_it.scores


def test_file_objects_are_fine_where_they_are_read_once(recognizer: Recognizer) -> None:
    content = encode(steady(1, 0.5), 16000)
    assert recognizer.reference([io.BytesIO(content)]).seconds == pytest.approx(1)
    [result] = recognizer.recognize_many([io.BytesIO(content)])
    assert isinstance(result, Recognition)


def test_the_fake_says_what_it_was_compared_with() -> None:
    [encoding] = FakeEncoder().encode([steady(1, 0.5)], [np.array([0.25], np.float32)])
    assert encoding.embedding == pytest.approx([0.5, 0.25], abs=1e-3)
