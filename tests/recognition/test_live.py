"""A live stream says what a file says, however it is cut into chunks."""

from __future__ import annotations

import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace import LABELS, Recognizer
from emotrace.audio import Decoder, Limits
from emotrace.errors import InputError, LimitError, ModelError, NoSpeechError, OptionError
from emotrace.models.encoder import FakeEncoder
from emotrace.recognition import RecognitionOptions
from emotrace.recognition.live import Live
from emotrace.results import (
    Array,
    EmotionReading,
    Recognition,
    SpeakerReference,
    SpeechEnded,
    SpeechStarted,
    StreamEnded,
    StreamEvent,
)
from emotrace.timing import SAMPLING_RATE
from tests.data import DATA, needs_data
from tests.recognition.fakes import SpeakerFake, assert_same, heard_by_level
from tests.recognition.test_streaming import TALK
from tests.voices import steady

HOP = 0.5
OPTIONS = RecognitionOptions.of(frames=True)


def events_of(chunks: list[Array], rate: int = SAMPLING_RATE, hop: float | None = HOP) -> list[StreamEvent]:
    with heard_by_level():
        live = Live(SpeakerFake(), rate, OPTIONS, hop=hop)
        return [event for chunk in chunks for event in live.push(chunk)] + live.finish()


EXPECTED = events_of([TALK])


def assert_events_same(a: list[StreamEvent], b: list[StreamEvent], tolerance: float = 1e-5) -> None:
    assert [type(event) for event in a] == [type(event) for event in b]
    for one, other in zip(a, b, strict=True):
        match one, other:
            case (SpeechStarted(), SpeechStarted()):
                assert one == other
            case (EmotionReading(), EmotionReading()):
                assert (one.start, one.time) == (other.start, other.time)
                assert np.allclose(one.probabilities, other.probabilities, rtol=0, atol=tolerance)
            case (SpeechEnded(), SpeechEnded()):
                assert (one.start, one.end, one.heard) == (other.start, other.end, other.heard)
                assert_same(one.recognition, other.recognition, tolerance)
            case (StreamEnded(), StreamEnded()):
                assert_same(one.recognition, other.recognition, tolerance)


@given(st.lists(st.integers(0, len(TALK)), max_size=40).map(sorted))
@settings(max_examples=15, deadline=None)
def test_any_chunks_give_the_same_events(marks: list[int]) -> None:
    assert_events_same(events_of(np.split(TALK, marks)), EXPECTED)


def test_small_chunks_too() -> None:
    chunks = [TALK[i : i + 160] for i in range(0, 20 * SAMPLING_RATE, 160)]
    assert_events_same(events_of([*chunks, TALK[20 * SAMPLING_RATE :]]), EXPECTED)


def test_speech_starts_is_read_every_hop_and_ends() -> None:
    going: SpeechStarted | None = None
    seen = {SpeechStarted: 0, EmotionReading: 0, SpeechEnded: 0}
    before, cut = 0.0, -1.0
    for event in EXPECTED[:-1]:
        seen[type(event)] += 1
        match event:
            case SpeechStarted():
                assert going is None
                assert event.time == cut or event.time < event.heard < event.time + 0.6
                going, before = event, event.heard
            case EmotionReading():
                assert going is not None and event.start >= going.time
                assert event.time >= before and math.isclose(event.time % HOP, 0)
                assert 0 < event.time - event.start <= 1.5
                before = event.time
            case SpeechEnded():
                assert going is not None and event.start == going.time
                assert event.heard >= max(before, event.end - 0.1)
                going, cut = None, event.end
    assert going is None
    assert seen[SpeechStarted] == seen[SpeechEnded] >= 5
    speech = sum(e.end - e.start for e in EXPECTED if isinstance(e, SpeechEnded))
    assert seen[EmotionReading] == pytest.approx(speech / HOP, rel=0.2)


def peak_memory(seconds: int) -> int:
    with heard_by_level():
        live = Live(FakeEncoder(), SAMPLING_RATE)
        talk = np.concatenate([steady(2.0, 0.5), np.zeros(SAMPLING_RATE, np.float32)])
        tracemalloc.start()
        try:
            for _ in range(seconds // 3):
                live.push(talk)
            live.finish()
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def test_ten_minutes_need_no_more_memory_than_one() -> None:
    assert peak_memory(600) < peak_memory(60) + 300_000  # the segments themselves


def test_a_reading_comes_with_the_sample_that_it_ends_with() -> None:
    with heard_by_level():
        live = Live(FakeEncoder(), SAMPLING_RATE, hop=HOP)
        sound = steady(3.0, 0.5)
        before = live.push(sound[: 2 * SAMPLING_RATE - 1])
        assert [e.time for e in before if isinstance(e, EmotionReading)] == [0.5, 1.0, 1.5]
        [reading] = live.push(sound[2 * SAMPLING_RATE - 1 : 2 * SAMPLING_RATE])
    assert isinstance(reading, EmotionReading)
    assert (reading.start, reading.time, reading.emotion) == (0.5, 2.0, LABELS[4])


def test_a_stream_gives_what_a_file_gives() -> None:
    with heard_by_level():
        whole = Recognizer(encoder=SpeakerFake()).recognize((TALK, SAMPLING_RATE), segments=True, frames=True)
    last = EXPECTED[-1]
    assert isinstance(last, StreamEnded)
    assert_same(last.recognition, whole)
    ended = [event for event in EXPECTED if isinstance(event, SpeechEnded)]
    for event, segment in zip(ended, whole.segments, strict=True):
        assert (event.start, event.end) == (segment.start, segment.end)
        assert event.recognition.scores == segment.scores
        assert_track_is_part(event.recognition, whole)
    assert {event.recognition.reference for event in ended} == {"none", "recording"}


def assert_track_is_part(part: Recognition, whole: Recognition) -> None:
    """The track of a segment is that of the file, step by step."""
    assert part.track is not None and whole.track is not None
    first = round(float(part.track.times[0]) / whole.track.hop)
    steps = slice(first, first + len(part.track))
    assert np.allclose(part.track.times, whole.track.times[steps])
    assert np.allclose(
        part.track.probabilities, whole.track.probabilities[steps], rtol=0, atol=1e-5, equal_nan=True
    )


def test_a_coarse_track_of_a_segment_fits_the_file() -> None:
    options = RecognitionOptions.of(frames=True, hop=1.0)
    with heard_by_level():
        live = Live(FakeEncoder(), SAMPLING_RATE, options)
        events = live.push(TALK) + live.finish()
        whole = Recognizer(encoder=FakeEncoder()).recognize(
            (TALK, SAMPLING_RATE), segments=True, frames=True, hop=1.0
        )
    first = next(event for event in events if isinstance(event, SpeechEnded))
    track = first.recognition.track
    assert track is not None and whole.track is not None and len(track) >= 1
    step = round(float(track.times[0]))
    assert np.array_equal(track.probabilities[0], whole.track.probabilities[step])


def test_a_given_reference_is_used_for_readings_and_segments() -> None:
    reference = SpeakerReference(np.full(1, 0.25, np.float32), 10.0, "fake")
    with heard_by_level():
        live = Live(FakeEncoder(), SAMPLING_RATE, reference=reference)
        events = live.push(np.concatenate([steady(2.0, 0.5), np.zeros(16000, np.float32)]))
    emotions = {e.emotion for e in events if isinstance(e, EmotionReading)}
    ended = [e.recognition for e in events if isinstance(e, SpeechEnded)]
    assert emotions == {LABELS[2]}
    assert [(r.emotion, r.reference) for r in ended] == [(LABELS[2], "given")]


def test_what_is_no_speech_ends_in_an_error() -> None:
    live = Live(FakeEncoder(), 8000)
    assert live.push(np.zeros(80_000, np.int16)) == []
    with pytest.raises(NoSpeechError, match=r"holds only silence \(10\.00 s"):
        live.finish()
    with pytest.raises(InputError, match="too short"):
        Live(FakeEncoder(), 8000).finish()


def test_what_cannot_be_a_stream_is_refused() -> None:
    for hop in (0.0, 0.05, 61.0, math.nan):
        with pytest.raises(OptionError, match="hop"):
            Live(FakeEncoder(), 16000, hop=hop)
    with pytest.raises(ModelError, match="'other'"):
        Live(FakeEncoder(), 16000, reference=SpeakerReference(np.zeros(1, np.float32), 1.0, "other"))
    limited = Live(FakeEncoder(), 16000, RecognitionOptions.of(limits=Limits(max_seconds=1)))
    with pytest.raises(LimitError, match="<stream> is longer than the limit of 1 s"):
        limited.push(np.zeros(16001, np.int16))


@needs_data
@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_real_speech_live_is_the_upload(rate: int) -> None:
    import soxr

    assert DATA is not None
    native = np.concatenate(list(Decoder(DATA / "speakers" / "dev01.flac")))
    sound = soxr.resample(native, 16000, rate) if rate != 16000 else native
    pcm = (np.clip(sound, -1, 1) * 32767).astype(np.int16)
    recognizer = Recognizer("compact", threads=1)
    upload = recognizer.recognize((pcm, rate), segments=True, frames=True, quality=True)
    frame = rate // 10
    live = Live(recognizer.encoder, rate, RecognitionOptions.of(frames=True, quality=True))
    events = [e for i in range(0, len(pcm), frame) for e in live.push(pcm[i : i + frame])] + live.finish()
    last = events[-1]
    assert isinstance(last, StreamEnded)
    assert len(upload.segments) >= 2
    assert_same(replace(last.recognition, source=upload.source), upload, 1e-5)
    ended = [event for event in events if isinstance(event, SpeechEnded)]
    assert [(e.start, e.end) for e in ended] == [(s.start, s.end) for s in upload.segments]
    for event, segment in zip(ended, upload.segments, strict=True):
        assert event.recognition.scores == pytest.approx(segment.scores, abs=1e-5)
        assert_track_is_part(event.recognition, upload)
    assert last.recognition.quality is not None and upload.quality is not None
    assert last.recognition.quality.content == upload.quality.content
    assert last.recognition.quality.snr_db == pytest.approx(upload.quality.snr_db, abs=1e-3)
