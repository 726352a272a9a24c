"""The Recognizer: what a result says, for one recording and for many."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace import LABELS, Recognition, Recognizer, Signal
from emotrace.audio import Decoder
from emotrace.errors import ModelNotFoundError, NoSpeechError
from emotrace.models.encoder import FakeEncoder
from emotrace.models.package import TrackMethod
from emotrace.results import Array, Failure
from tests.audio.tones import Pipe, encode
from tests.data import DATA, needs_data
from tests.recognition.fakes import assert_same, heard_by_level
from tests.voices import steady, voice

RECOGNIZER = Recognizer(encoder=FakeEncoder())
PAUSE = np.zeros(16000, np.float32)


def talk(*levels: float, seconds: float = 3.0) -> Array:
    """Tones of the given levels, a pause of a second before, between and after them."""
    parts = [PAUSE]
    for level in levels:
        parts += [steady(seconds, level), PAUSE]
    return np.concatenate(parts)


# -- what every result keeps to ------------------------------------------------------------------------


def check(result: Recognition, hop: float) -> None:
    """What holds for every result, whatever was recognised."""
    assert list(result.scores) == list(LABELS)
    assert sum(result.scores.values()) == pytest.approx(1, abs=1e-5)
    assert result.confidence == max(result.scores.values()) == result.scores[result.emotion]
    assert result.top(1) == [(result.emotion, result.confidence)]
    assert result.embedding.dtype == np.float32
    assert result.measures.duration == result.duration
    if result.track is not None:
        track, times = result.track, result.track.times
        assert track.hop == hop
        assert times == pytest.approx(np.arange(len(track)) * hop, rel=1e-6, abs=1e-6)
        assert abs(len(track) * hop - result.duration) <= max(hop, 0.25)
        silent = np.isnan(track.probabilities)
        assert np.array_equal(silent.any(1), silent.all(1))
        heard = track.probabilities[~silent[:, 0]]
        assert heard.sum(1) == pytest.approx(np.ones(len(heard)), abs=1e-5)
        assert [e is None for e in track.emotions] == silent[:, 0].tolist()
    if result.frame_embeddings is not None:
        assert result.frame_times is not None
        assert len(result.frame_times) == len(result.frame_embeddings)
        assert (np.diff(result.frame_times) > 0).all()
        assert ((result.frame_times >= 0) & (result.frame_times < result.duration)).all()
    if result.segments:
        assert sum(result.shares.values()) == pytest.approx(1, abs=1e-6)
        assert set(result.shares) == {s.emotion for s in result.segments}
        spoken = sum(s.end - s.start for s in result.segments)
        assert result.speech_duration == pytest.approx(spoken, abs=1e-6)
        assert spoken <= result.duration
        ends = [0.0]
        for segment in result.segments:
            assert ends[-1] <= segment.start < segment.end <= result.duration
            assert segment.end - segment.start <= 15
            assert sum(segment.scores.values()) == pytest.approx(1, abs=1e-5)
            assert segment.confidence == segment.scores[segment.emotion] == max(segment.scores.values())
            ends.append(segment.end)
    else:
        assert result.shares == {}
        assert result.speech_duration is None


levels = st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.9])
pieces = st.lists(
    st.tuples(levels | st.just(0.0), st.sampled_from([0.3, 0.5, 1.0, 2.5, 7.0, 17.0])), min_size=1, max_size=6
)


@given(pieces=pieces, hop=st.sampled_from([0.02, 0.04, 0.1, 0.5, 2.0, 60.0]), segments=st.booleans())
@settings(max_examples=40, deadline=None)
def test_what_every_result_keeps_to(pieces: list[tuple[float, float]], hop: float, segments: bool) -> None:
    samples = np.concatenate([steady(seconds, level) for level, seconds in pieces])
    options: dict[str, Any] = {"frames": True, "frame_embeddings": True, "hop": hop, "segments": segments}
    with heard_by_level():
        try:
            result = RECOGNIZER.recognize((samples, 16000), **options)
        except NoSpeechError:
            assert all(level == 0 for level, seconds in pieces)
            return
    check(result, hop)
    assert bool(result.segments) == (segments or len(samples) > 30 * 16000)


# -- recognised whole -----------------------------------------------------------------------------------


def test_a_short_recording_is_one_utterance() -> None:
    result = RECOGNIZER.recognize((steady(2, 0.5), 16000))
    assert (result.emotion, result.source, result.duration) == ("neutral", "<array>", 2.0)
    assert (result.track, result.frame_embeddings, result.frame_times) == (None, None, None)
    assert result.warnings == ()
    assert result.model == RECOGNIZER.info


@pytest.mark.parametrize(("more", "cut"), [(-1, False), (0, False), (1, True)])
@pytest.mark.usefixtures("by_level")
def test_thirty_seconds_are_recognised_whole_and_a_sample_more_is_cut(more: int, cut: bool) -> None:
    samples = steady(31, 0.5)[: 30 * 16000 + more]
    result = RECOGNIZER.recognize((samples, 16000))
    assert bool(result.segments) is cut
    assert result.emotion == "neutral"


@pytest.mark.usefixtures("by_level")
def test_whole_on_request_and_cut_on_request() -> None:
    samples = talk(0.25, 0.75, seconds=20)
    whole = RECOGNIZER.recognize((samples, 16000), whole_seconds=60)
    assert whole.segments == ()
    assert len(RECOGNIZER.recognize((samples, 16000)).segments) >= 4
    short = RECOGNIZER.recognize((talk(0.25, 0.75), 16000), segments=True)
    assert [s.emotion for s in short.segments] == ["fearful", "sad"]
    assert len(RECOGNIZER.recognize((steady(2, 0.5), 16000), whole_seconds=1).segments) == 1


def test_the_native_frames_of_a_whole_recording() -> None:
    result = RECOGNIZER.recognize(
        (np.concatenate([steady(1, 0.25), steady(1, 0.75)]), 16000), frame_embeddings=True
    )
    assert result.frame_embeddings is not None
    assert result.frame_times is not None
    assert result.frame_embeddings.shape == (50, 1)
    assert result.frame_times == pytest.approx(np.arange(50) * 0.04, abs=1e-6)
    assert result.frame_embeddings[:, 0] == pytest.approx([0.25] * 25 + [0.75] * 25, abs=1e-3)


@pytest.mark.usefixtures("by_level")
def test_frames_of_one_whole_recording_come_with_their_embeddings() -> None:
    clip = (talk(0.25, 0.75), 16000)
    both = RECOGNIZER.recognize(clip, frames=True)
    assert both.frame_embeddings is not None
    assert both.frame_times is not None
    assert len(both.frame_embeddings) == len(both.frame_times) > 0
    without = [
        RECOGNIZER.recognize(clip, frames=True, frame_embeddings=False),
        RECOGNIZER.recognize(clip, frames=True, segments=True),  # of hours they would fill the memory
        *RECOGNIZER.recognize_many([clip], frames=True),  # and of thousands of clips
    ]
    for result in without:
        assert isinstance(result, Recognition)
        assert (result.track is None, result.frame_embeddings, result.frame_times) == (False, None, None)
    [kept] = RECOGNIZER.recognize_many([clip], frames=True, frame_embeddings=True)
    assert isinstance(kept, Recognition)
    assert kept.frame_embeddings is not None
    assert np.array_equal(kept.frame_embeddings, both.frame_embeddings)


def test_the_track_says_how_it_was_read() -> None:
    encoder = FakeEncoder(TrackMethod(window=0.5, hop=0.1))
    result = Recognizer(encoder=encoder).recognize((steady(2, 0.5), 16000), frames=True)
    assert result.track is not None
    assert result.track.method == "sliding-window 0.5 s"
    assert len(result.track) == 50


def test_a_step_longer_than_the_windows_are_apart_is_a_mean() -> None:
    samples = np.concatenate([steady(4, 0.25), steady(6, 0.75)])
    fine = RECOGNIZER.recognize((samples, 16000), frames=True, hop=0.2).track
    coarse = RECOGNIZER.recognize((samples, 16000), frames=True, hop=10.0).track
    assert fine is not None
    assert coarse is not None
    assert coarse.probabilities.shape == (1, 9)
    assert coarse.probabilities[0] == pytest.approx(fine.probabilities.mean(0), abs=0.02)
    assert coarse.emotions == ["sad"]


def test_silence_inside_a_whole_recording_has_no_emotion() -> None:
    samples = np.concatenate([steady(3, 0.5), np.zeros(5 * 16000), steady(3, 0.5)]).astype(np.float32)
    track = RECOGNIZER.recognize((samples, 16000), frames=True).track
    assert track is not None
    emotions = np.array(track.emotions, object)
    assert (emotions[(track.times > 4) & (track.times < 7)] == None).all()  # noqa: E711
    assert (emotions[track.times < 3] != None).all()  # noqa: E711


# -- cut at pauses --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("by_level")
def test_a_long_recording_is_a_timeline() -> None:
    samples = talk(0.25, 0.75, 0.25, seconds=12)
    result = RECOGNIZER.recognize((samples, 16000), frames=True, hop=0.1)
    assert [s.emotion for s in result.segments] == ["fearful", "sad", "fearful"]
    assert [round(s.start) for s in result.segments] == [1, 14, 27]
    assert result.shares == pytest.approx({"fearful": 2 / 3, "sad": 1 / 3}, abs=0.01)
    assert result.speech_duration == pytest.approx(36, abs=1)
    assert result.scores["fearful"] == pytest.approx(2 / 3, abs=0.01)
    assert result.embedding[0] == pytest.approx(0.25 * 2 / 3 + 0.75 / 3, abs=0.01)
    assert result.track is not None
    at = {round(t, 1): e for t, e in zip(result.track.times.tolist(), result.track.emotions, strict=True)}
    assert (at[0.5], at[7.0], at[13.5], at[20.0], at[33.0]) == (None, "fearful", None, "sad", "fearful")


@pytest.mark.usefixtures("by_level")
def test_nothing_is_said_where_nobody_speaks() -> None:
    result = RECOGNIZER.recognize((talk(0.5, 0.5), 16000), frames=True, frame_embeddings=True, segments=True)
    assert result.track is not None
    assert result.frame_times is not None
    inside = np.zeros(len(result.track), bool)
    for segment in result.segments:
        middle = result.track.times + 0.02
        inside |= (middle >= segment.start - 1e-4) & (middle < segment.end - 1e-4)
    assert np.array_equal(np.isnan(result.track.probabilities[:, 0]), ~inside)
    for time in result.frame_times:
        assert any(s.start - 1e-4 <= time < s.end for s in result.segments)


def test_speech_is_looked_for_by_the_real_detector_too() -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, 32 * 16000).astype(np.float32)
    with pytest.raises(NoSpeechError, match=r"<array>: no speech was found in 32\.0 s"):
        RECOGNIZER.recognize((noise, 16000))


# -- sources and options --------------------------------------------------------------------------------


def test_every_kind_of_source_gives_the_same(tmp_path: Path) -> None:
    samples = voice(40_000)
    content = encode(samples, 16000, codec="pcm_f32le")
    path = tmp_path / "声音 1.wav"
    path.write_bytes(content)
    sources: list[Any] = [
        (samples, 16000),
        Signal(samples, 16000),
        str(path),
        path,
        content,
        io.BytesIO(content),
        io.BufferedReader(Pipe(content)),
    ]
    results = [RECOGNIZER.recognize(s, frames=True, frame_embeddings=True) for s in sources]
    for result in results[1:]:
        assert_same(results[0], result, 1e-6)
    assert [r.source for r in results[:5]] == ["<array>", "<array>", str(path), str(path), "<bytes>"]


def test_a_channel_can_be_chosen() -> None:
    both = np.stack([steady(2, 0.25), steady(2, 0.75)])
    emotions = [RECOGNIZER.recognize((both, 16000), channel=c).emotion for c in (0, 1)]
    assert emotions == ["fearful", "sad"]


def test_warnings_are_sentences_and_the_missing_part_comes_first() -> None:
    content = encode(np.clip(3 * steady(0.9, 0.5), -1, 1) * np.float32(0.5) + np.float32(0.25), 16000)
    result = RECOGNIZER.recognize(content[: len(content) * 2 // 3])
    decoder = Decoder(content[: len(content) * 2 // 3])
    list(decoder)
    assert result.warnings[0] == decoder.warning
    assert [w[:14] for w in result.warnings[1:]] == ["DC offset of +"]


def test_clipping_is_measured_before_resampling() -> None:
    clipped = np.clip(3 * steady(2, 0.5), -1, 1)
    at_44100 = np.interp(np.arange(88_200) / 44_100, np.arange(32_000) / 16_000, clipped)
    result = RECOGNIZER.recognize((at_44100.astype(np.float32), 44_100))
    assert result.measures.clipping_share > 0.3


@pytest.mark.usefixtures("by_level")
@pytest.mark.parametrize("seconds", [3, 34])
def test_progress_is_told_in_seconds(seconds: int) -> None:
    calls: list[tuple[str, float, float]] = []
    RECOGNIZER.recognize(encode(steady(seconds, 0.5), 16000), on_progress=lambda *call: calls.append(call))
    assert [call[0] for call in calls] == ["recognise"] * len(calls)
    assert [call[1] for call in calls] == sorted(call[1] for call in calls)
    assert list(calls[-1][1:]) == pytest.approx([seconds, seconds])


def test_an_error_in_the_callback_is_the_callers() -> None:
    def stop(*call: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(RECOGNIZER.recognize_many([(steady(1, 0.5), 16000)], on_progress=stop))


def test_a_model_is_found_by_its_name() -> None:
    recognizer = Recognizer("compact", precision="fp32", device="cpu", threads=1)
    assert (recognizer.info.name, recognizer.info.precision, recognizer.info.device) == (
        "compact",
        "fp32",
        "cpu",
    )
    assert recognizer.info.threads == 1
    assert recognizer.info.runtime.startswith("onnxruntime ")
    with pytest.raises(ModelNotFoundError, match="'large' is not installed"):
        Recognizer("large")


def test_it_can_be_sent_to_another_process_where_it_is_loaded_again() -> None:
    recognizer = Recognizer("compact", threads=1)
    sent = pickle.loads(pickle.dumps(recognizer))
    assert sent.info == recognizer.info
    assert repr(sent) == "<Recognizer compact, fp32 on cpu>"


def test_what_is_shown_of_a_result_has_no_arrays() -> None:
    result = RECOGNIZER.recognize((steady(1, 0.5), 16000), frames=True, frame_embeddings=True)
    assert "array(" not in repr(result)


# -- many -----------------------------------------------------------------------------------------------


def test_many_come_in_order_with_failures_in_their_place() -> None:
    sources: list[Any] = [
        (steady(1, 0.25), 16000),
        "missing.wav",
        (steady(1, 0.75), 16000),
        b"",
        (np.zeros(16000, np.float32), 16000),
        (steady(0.01, 0.5), 16000),
        (np.full(16000, np.nan, np.float32), 16000),
        None,
        (steady(1, 0.5), 16000),
    ]
    results = list(RECOGNIZER.recognize_many(sources))
    told = [r.emotion if isinstance(r, Recognition) else r.code for r in results]
    assert told == ["fearful", "audio", "sad", "audio", "no-speech", "input", "audio", "audio", "neutral"]
    for failure in results:
        if isinstance(failure, Failure):
            assert failure.reason
            assert "\n" not in failure.reason
    assert results[1] == Failure(
        "missing.wav", "audio", "'missing.wav' does not exist; expected an audio file"
    )


def test_nothing_is_read_before_it_is_asked_for() -> None:
    taken = []

    def sources() -> Iterator[Any]:
        for level in (0.25, 0.5, 0.75):
            taken.append(level)
            yield steady(1, level), 16000

    results = RECOGNIZER.recognize_many(sources())
    assert taken == []
    assert next(results) is not None
    assert taken == [0.25]
    assert len(list(results)) == 2
    assert taken == [0.25, 0.5, 0.75]


def test_progress_over_many_counts_recordings() -> None:
    clip: Any = (steady(1, 0.5), 16000)
    for sources, total in (([clip, "missing.wav"], 2.0), (iter([clip, "missing.wav"]), 0.0)):
        calls: list[tuple[str, float, float]] = []
        list(RECOGNIZER.recognize_many(sources, on_progress=lambda *call: calls.append(call)))  # noqa: B023
        assert calls == [("recognise", 1.0, total), ("recognise", 2.0, total)]


def test_none_of_none() -> None:
    assert list(RECOGNIZER.recognize_many([])) == []
    assert list(RECOGNIZER.recognize_many([], one_speaker=True)) == []


# -- the built-in model ---------------------------------------------------------------------------------


@pytest.mark.usefixtures("by_level")
def test_the_built_in_model_reads_frames_and_segments() -> None:
    recognizer = Recognizer("compact", threads=1)
    samples = np.concatenate([PAUSE, voice(48_000), PAUSE, voice(64_000, seed=1), PAUSE])
    result = recognizer.recognize((samples, 16000), frames=True, frame_embeddings=True, segments=True)
    check(result, 0.04)
    assert len(result.segments) == 2
    assert result.embedding.shape == (recognizer.card.embedding_size,)
    assert result.frame_embeddings is not None
    assert result.frame_embeddings.shape[1] == recognizer.card.frame_size
    assert result.reference == "recording"


@needs_data
def test_real_recordings_with_the_built_in_model() -> None:
    assert DATA is not None
    recognizer = Recognizer("compact", threads=1)
    clip = recognizer.recognize(DATA / "emodb" / "03a01Fa.flac", frames=True)
    check(clip, 0.04)
    assert clip.track is not None
    assert None not in clip.track.emotions
    meeting = recognizer.recognize(DATA / "speakers" / "dev00.flac", frames=True, segments=True)
    check(meeting, 0.04)
    assert meeting.speech_duration is not None
    assert 10 < meeting.speech_duration < 30
