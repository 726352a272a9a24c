"""Several recordings at the same time: the order, how far ahead, and how it ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from emotrace.errors import InputError, OptionError
from emotrace.models.encoder import Encoding, FakeEncoder
from emotrace.recognition import Recognizer
from emotrace.recognition.parallel import Gathering, in_order
from emotrace.results import Array, Failure, Recognition
from tests.voices import steady


@pytest.mark.parametrize("workers", [0, 1, 2, 5])
def test_results_come_in_the_order_of_the_items(workers: int) -> None:
    def work(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item * item

    assert list(in_order(work, range(20), workers)) == [i * i for i in range(20)]
    assert list(in_order(work, [], workers)) == []


def test_only_a_few_items_are_taken_ahead() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for i in range(100):
            taken.append(i)
            yield i

    results = in_order(lambda i: i, items(), 3)
    assert taken == []
    assert [next(results) for _ in range(10)] == list(range(10))
    assert len(taken) <= 10 + 2 * 3 + 1
    results.close()  # type: ignore[attr-defined]
    assert len(taken) < 20


def test_an_error_comes_in_its_place_and_ends_all() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 3:
            raise ZeroDivisionError
        return item

    got: list[int] = []
    given_up = threading.Event()
    with pytest.raises(ZeroDivisionError):
        got.extend(in_order(work, range(50), 2, given_up))
    assert got == [0, 1, 2]
    assert given_up.is_set()
    assert len(begun) < 15
    assert not [t for t in threading.enumerate() if t.name.startswith("emotrace")]


class Slow(FakeEncoder):
    """A FakeEncoder that takes a moment, and knows how many batches it was asked for at the same time."""

    def __init__(self) -> None:
        super().__init__()
        self.guard, self.now, self.most = threading.Lock(), 0, 0

    def encode(
        self, waveforms: Sequence[Array], references: Sequence[Array | None] | None = None
    ) -> list[Encoding]:
        with self.guard:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(0.005)
        with self.guard:
            self.now -= 1
        return super().encode(waveforms, references)


def test_recordings_are_recognised_at_the_same_time_and_come_in_order() -> None:
    encoder = Slow()
    sources: list[Any] = [(steady(1, level), 16000) for level in (0.25, 0.5, 0.75)] * 4
    sources[5] = "missing.wav"
    recognizer = Recognizer(encoder=encoder)
    plain = list(recognizer.recognize_many(sources))
    assert encoder.most == 1
    calls: list[float] = []
    several = list(
        recognizer.recognize_many(
            sources, workers=3, on_progress=lambda step, done, total: calls.append(done)
        )
    )
    assert 1 < encoder.most <= 3
    assert calls == list(range(1, 13))
    for a, b in zip(plain, several, strict=True):
        if isinstance(a, Failure):
            assert a == b
        else:
            assert isinstance(b, Recognition)
            assert (a.emotion, a.scores, a.source) == (b.emotion, b.scores, b.source)
    with pytest.raises(OptionError, match="workers is -1; expected 0"):
        recognizer.recognize_many(sources, workers=-1)


def test_whoever_goes_away_does_not_wait_for_hours_of_sound() -> None:
    encoder = Slow()
    hour = steady(60, 0.5)
    sources: list[Any] = [(steady(1, 0.5), 16000), *[(np.tile(hour, 20), 16000)] * 3]
    results = Recognizer(encoder=encoder).recognize_many(sources, workers=2)
    assert isinstance(next(results), Recognition)
    results.close()  # type: ignore[attr-defined]
    assert len(encoder.batches) < 40  # three times twenty minutes are hundreds of stretches


def test_a_bug_is_raised_or_made_a_failure() -> None:
    class Broken(FakeEncoder):
        def encode(self, *_: object, **__: object) -> list[Encoding]:
            raise ZeroDivisionError("odd")

    recognizer, clip = Recognizer(encoder=Broken()), (steady(1, 0.5), 16000)
    for workers in (1, 2):
        with pytest.raises(ZeroDivisionError):
            list(recognizer.recognize_many([clip, clip], workers=workers))
        told = list(
            recognizer.recognize_many(
                [clip, "missing.wav"],
                workers=workers,
                on_bug=lambda source, error: Failure("clip", "bug", str(error)),
            )
        )
        assert told[0] == Failure("clip", "bug", "odd")
        assert isinstance(told[1], Failure)
        assert told[1].code == "audio"


def together(count: int, work: Callable[[int], Any]) -> list[Any]:
    start = threading.Barrier(count)

    def begin(i: int) -> Any:
        start.wait()
        return work(i)

    with ThreadPoolExecutor(count) as pool:
        return [future.result() for future in [pool.submit(begin, i) for i in range(count)]]


def test_what_many_threads_ask_for_becomes_few_batches() -> None:
    encoder = Slow()
    gathering = Gathering(encoder)
    levels = np.linspace(0, 1, 9)
    got = together(9, lambda i: gathering.encode([np.full(1600, levels[i], np.float32)] * (i + 1)))
    assert [len(encodings) for encodings in got] == list(range(1, 10))
    assert [[int(e.logits.argmax()) for e in encodings] for encodings in got] == [
        [i] * (i + 1) for i in range(9)
    ]
    assert encoder.most == 1
    assert len(encoder.batches) < 9
    assert sum(encoder.batches) == 45
    assert gathering.encode([]) == []
    assert (gathering.card, gathering.info) == (encoder.card, encoder.info)


def test_an_error_reaches_only_whom_it_concerns() -> None:
    gathering = Gathering(Slow())

    def work(i: int) -> str:
        try:
            return str(len(gathering.encode([np.ones(1600 if i != 2 else 10, np.float32)])))
        except InputError as error:
            return str(error)[:25]

    assert together(5, work) == ["1", "1", "the waveform is too short", "1", "1"]


def test_an_unexpected_error_leaves_nobody_waiting() -> None:
    class Broken(Slow):
        def encode(self, *_: object, **__: object) -> list[Encoding]:
            time.sleep(0.005)
            raise ZeroDivisionError

    gathering = Gathering(Broken())

    def work(i: int) -> bool:
        with pytest.raises(ZeroDivisionError):
            gathering.encode([np.ones(1600, np.float32)])
        return True

    assert all(together(4, work))
