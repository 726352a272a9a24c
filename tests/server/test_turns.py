"""Threads that take turns, and what waits for the network shares its next run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from emotrace.errors import InputError
from emotrace.models.batching import ALONE, BatchedEncoder
from emotrace.models.encoder import Encoder, Encoding, FakeEncoder
from emotrace.recognition import Recognizer
from emotrace.results import Array
from emotrace.server.turns import TakingTurns, Turns, rule_of
from tests.server.served import Gated, wait_for


def equal(lengths: Sequence[int]) -> bool:
    return len(set(lengths)) == 1


@contextmanager
def waiting(
    turns: Turns, works: Sequence[Callable[[], list[Encoding]]]
) -> Iterator[list[Future[list[Encoding]]]]:
    """Works that all wait for a place before the first of them gets one, at the beginning of the block."""
    let = threading.Event()

    def hold() -> bool:
        with turns.place():
            return let.wait(30)

    def take(work: Callable[[], list[Encoding]]) -> list[Encoding]:
        with turns.place():
            return work()

    with ThreadPoolExecutor(len(works) + 2) as pool:
        for _ in range(2):
            pool.submit(hold)
        wait_for(lambda: not turns._free, "all places are taken")
        futures = []
        for count, work in enumerate(works, 1):
            futures.append(pool.submit(take, work))
            wait_for(lambda count=count: len(turns._comers) == count, "it waits")  # type: ignore[misc]
        let.set()
        yield futures


def gathered(encoder: Gated, waveforms: Sequence[Array]) -> list[Future[list[Encoding]]]:
    """Two places; all come while the first run of the network lasts."""
    turns = Turns(2)
    taking = TakingTurns(encoder, equal, turns)
    works = [lambda waveform=waveform: taking.encode([waveform]) for waveform in waveforms]
    with waiting(turns, works) as futures:
        wait_for(lambda: not turns._comers, "all of them came to the network")
        encoder.let.set()
    assert (turns._free, turns._running, len(turns._runs)) == (2, 0, 0)
    return futures


def test_what_waits_for_the_network_shares_a_run() -> None:
    encoder = Gated()
    levels = np.arange(1, 9) / 8
    futures = gathered(encoder, [np.full(1600, level, np.float32) for level in levels])
    assert [int(future.result()[0].logits.argmax()) for future in futures] == list(range(1, 9))
    assert encoder.batches == [1, 7] or encoder.batches == [7, 1]


def test_only_what_the_rule_allows_shares_one() -> None:
    encoder = Gated()
    futures = gathered(encoder, [np.ones(1600 + i % 2, np.float32) for i in range(7)])
    assert all(len(future.result()) == 1 for future in futures)
    assert sorted(encoder.batches) in ([1, 3, 3], [1, 2, 4])  # of which length the first was


def test_an_error_reaches_only_whom_it_concerns() -> None:
    encoder = Gated()
    futures = gathered(encoder, [np.ones(n, np.float32) for n in (1600, 1600, 10, 1600)])
    with pytest.raises(InputError, match="too short"):
        futures[2].result()
    assert [len(futures[i].result()) for i in (0, 1, 3)] == [1, 1, 1]


def test_nobody_waits_while_there_is_a_place() -> None:
    """Two at a time, two places: the network runs twice side by side."""
    encoder, turns = Gated(), Turns(2)
    taking = TakingTurns(encoder, equal, turns)

    def work() -> int:
        with turns.place():
            return len(taking.encode([np.ones(1600, np.float32)]))

    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(work) for _ in range(2)]
        for _ in futures:
            assert encoder.begun.acquire(timeout=30)
        encoder.let.set()
    assert encoder.batches == [1, 1]


def test_whoever_has_no_place_asks_the_network_itself() -> None:
    encoder, turns = FakeEncoder(), Turns(1)
    with turns.place(), ThreadPoolExecutor(1) as pool:  # the only one
        taking = TakingTurns(encoder, equal, turns)
        assert len(pool.submit(taking.encode, [np.ones(1600, np.float32)]).result(30)) == 1


def test_a_recording_in_many_pieces_offers_its_place_once() -> None:
    encoder = Gated()
    turns = Turns(2)
    taking = TakingTurns(encoder, equal, turns)
    piece = [np.ones(1600, np.float32)]
    with waiting(turns, [lambda: taking.encode(piece) + taking.encode(piece)] * 4) as futures:
        wait_for(lambda: not turns._comers, "all of them came to the network")
        encoder.let.set()
    assert [len(future.result()) for future in futures] == [2] * 4
    assert sorted(encoder.batches) == [1, 1, 1, 1, 1, 3]


def test_a_place_is_free_again_after_an_error() -> None:
    turns = Turns(1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), turns.place():
            raise ZeroDivisionError
    assert not turns.gathers


def test_many_threads_get_what_each_would_get_alone() -> None:
    """The built-in model, lengths that may share a run and others."""
    encoder = Recognizer("compact", threads=1).encoder
    rule = rule_of(encoder)
    assert rule is not None
    turns, chance = Turns(2), np.random.default_rng(0)
    taking = TakingTurns(encoder, rule, turns)
    clips = [chance.normal(0, 0.1, (12000, 12000, 9000)[i % 3]).astype(np.float32) for i in range(24)]

    def work(clip: Array) -> Encoding:
        with turns.place():
            return taking.encode([clip])[0]

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(work, clips))
    for clip, got in zip(clips, found, strict=True):
        [alone] = encoder.encode([clip])
        np.testing.assert_allclose(got.logits, alone.logits, atol=1e-5)
        np.testing.assert_allclose(got.embedding, alone.embedding, atol=1e-5)


def test_the_encoder_says_what_may_share_a_run() -> None:
    encoder: Encoder = Recognizer("compact", threads=1).encoder
    rule = rule_of(encoder)
    assert rule is not None
    assert [rule(n) for n in ([48000] * 2, [48000, 47000], [16000] * 48, [16000] * 49)] == [
        True,
        False,
        True,
        False,
    ]
    assert rule_of(FakeEncoder()) is None

    class Alone(BatchedEncoder):
        card = encoder.card
        limits = ALONE
        _run = None  # type: ignore[assignment]

    assert rule_of(Alone()) is None  # type: ignore[arg-type]
