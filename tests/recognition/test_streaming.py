"""A long recording is read as a stream: however it is cut into blocks, and in bounded memory."""

from __future__ import annotations

import functools
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace import Recognition, Recognizer
from emotrace.audio import decoder_of
from emotrace.models.encoder import FakeEncoder
from emotrace.recognition.cutting import Begun, Cut, Cutting
from emotrace.results import Array
from emotrace.segmentation.voice_activity import CHUNK
from tests.audio.tones import Pipe, encode
from tests.data import DATA, needs_data
from tests.recognition.fakes import SpeakerFake, assert_same, heard_by_level
from tests.voices import steady

RATE = 16_000


def long_talk(seconds: float = 70, seed: int = 0) -> Array:
    """Speech of changing level, with pauses and with stretches that are too long to be one."""
    rng = np.random.default_rng(seed)
    parts: list[Array] = []
    while sum(map(len, parts)) < seconds * RATE:
        parts.append(steady(rng.choice([0.2, 1, 4, 22]), rng.choice([0.2, 0.4, 0.6, 0.8])))
        parts.append(np.zeros(int(rng.uniform(0.1, 2) * RATE), np.float32))
    return np.concatenate(parts)[: round(seconds * RATE)]


TALK = long_talk()


def stretches_of(parts: list[Array]) -> list[tuple[int, int]]:
    found = []
    begun: list[int] = []

    def take(events: Iterable[Begun | Cut]) -> None:
        for event in events:
            if isinstance(event, Begun):
                begun.append(event.start)
                continue
            end = event.start + len(event.samples)
            assert np.array_equal(event.samples, TALK[event.start : end])
            found.append((event.start, end))
            assert begun == [start for start, _ in found]

    with heard_by_level():
        cutting = Cutting(1600)
        for part in parts:
            take(cutting.feed(part))
            assert len(cutting._kept) <= 16 * RATE
            assert cutting._first + len(cutting._kept) == cutting._length
        take(cutting.finish())
    return found


EXPECTED = stretches_of([TALK])


def test_the_talk_has_something_of_everything() -> None:
    lengths = [(end - start) / RATE for start, end in EXPECTED]
    assert len(EXPECTED) >= 5
    assert max(lengths) > 10
    assert min(lengths) < 2
    assert any(a == b for (_, a), (b, _) in pairwise(EXPECTED))


@given(st.lists(st.integers(0, len(TALK)), max_size=40).map(sorted))
@settings(max_examples=15, deadline=None)
def test_any_blocks_give_the_same_stretches_of_the_same_samples(marks: list[int]) -> None:
    assert stretches_of(np.split(TALK, marks)) == EXPECTED


def test_tiny_blocks_too() -> None:
    head = TALK[: 20 * RATE]
    blocks = [head[i : i + 100] for i in range(0, len(head), 100)]
    assert stretches_of([*blocks, TALK[len(head) :]]) == EXPECTED


def recognise(block_seconds: float, source: object = (TALK, RATE)) -> Recognition:
    decoder = functools.partial(decoder_of, block_seconds=block_seconds)
    with heard_by_level(), mock.patch("emotrace.recognition.reading.decoder_of", decoder):
        return Recognizer(encoder=SpeakerFake()).recognize(
            source,  # type: ignore[arg-type]
            frames=True,
            frame_embeddings=True,
        )


@pytest.mark.parametrize("block_seconds", [0.033, 0.5, 7.0, 29.99, 1000.0])
def test_the_result_does_not_depend_on_the_blocks(block_seconds: float) -> None:
    result = recognise(block_seconds)
    assert len(result.segments) == len(EXPECTED)
    assert_same(result, recognise(1.0))


def test_a_file_a_pipe_and_an_array_give_the_same(tmp_path: Path) -> None:
    content = encode(TALK, RATE, codec="pcm_f32le")
    (tmp_path / "talk.wav").write_bytes(content)
    expected = recognise(1.0)
    for source in (tmp_path / "talk.wav", content, Pipe(content)):
        assert_same(expected, recognise(1.0, source), 1e-6)


class Endless:
    """In place of a Decoder: speech without end or pause, block by block."""

    def __init__(self, seconds: int) -> None:
        self.seconds = seconds
        self.warning = None
        self.clipping_share = 0.0
        self.description = mock.Mock(duration=None)

    def __enter__(self) -> Endless:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __iter__(self) -> Iterator[Array]:
        block = steady(1, 0.5)
        for _ in range(self.seconds):
            yield block.copy()


def peak_memory(seconds: int) -> int:
    with (
        heard_by_level(),
        mock.patch("emotrace.recognition.reading.decoder_of", lambda *a, **o: Endless(seconds)),
    ):
        tracemalloc.start()
        try:
            Recognizer(encoder=FakeEncoder()).recognize("endless", frames=True)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def test_five_minutes_need_no_more_memory_than_one() -> None:
    two, ten = peak_memory(60), peak_memory(300)
    assert ten < two + 400_000  # the track itself: nine probabilities for every 40 ms


@needs_data
def test_a_real_recording_gives_the_same_in_any_blocks() -> None:
    assert DATA is not None
    path = DATA / "speakers" / "dev00.flac"
    results = []
    for block_seconds in (0.1, 1.0, 100.0):
        decoder = functools.partial(decoder_of, block_seconds=block_seconds)
        with mock.patch("emotrace.recognition.reading.decoder_of", decoder):
            results.append(Recognizer("compact", threads=1).recognize(path, segments=True, frames=True))
    assert len(results[0].segments) >= 2
    assert_same(results[0], results[1], 1e-5)
    assert_same(results[0], results[2], 1e-5)


def test_a_chunk_is_the_unit_of_cutting() -> None:
    assert all(start % CHUNK == 0 for start, _ in EXPECTED)
    assert all(end % CHUNK == 0 or end == len(TALK) for _, end in EXPECTED)
