from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest

from emotrace.recognition.parallel import GivenUp
from emotrace.server.problems import RequestError
from emotrace.server.work import ClientGoneError, GoOn, WorkQueue


@pytest.fixture
def queue() -> Iterator[WorkQueue]:
    queue = WorkQueue(workers=1, begun=2, waiting=2)
    yield queue
    queue.close()


async def stays() -> None:
    await asyncio.Event().wait()


def run(queue: WorkQueue, work: Any, seconds: float = 30, **options: Any) -> Coroutine[Any, Any, Any]:
    gone = options.pop("gone", None) or stays()
    return queue.run(work, seconds=seconds, gone=gone, **options)


def test_what_is_more_than_there_is_room_for_is_refused_at_once(queue: WorkQueue) -> None:
    let, ended = threading.Event(), []

    async def crowd() -> list[Any]:
        jobs = [
            asyncio.ensure_future(run(queue, lambda _: let.wait(30), at_end=lambda: ended.append(1)))
            for _ in range(5)
        ]
        await asyncio.sleep(0)
        done, _ = await asyncio.wait(jobs, return_when=asyncio.FIRST_COMPLETED)
        assert len(done) == 2
        with pytest.raises(RequestError, match="3 requests"):
            queue.check()
        let.set()
        return await asyncio.gather(*jobs, return_exceptions=True)

    results = asyncio.run(crowd())
    assert results[:3] == [True] * 3
    for refused in results[3:]:
        assert isinstance(refused, RequestError)
        assert refused.code == "busy"
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
    queue.close()
    assert (queue.taken, len(ended)) == (0, 5)


def test_work_past_its_deadline_is_ended_and_frees_its_thread(queue: WorkQueue) -> None:
    stopped = threading.Event()

    def endless(go_on: GoOn) -> None:
        try:
            while True:
                go_on("recognise", 1.0, 2.0)
        except GivenUp:
            stopped.set()
            raise

    with pytest.raises(RequestError, match=r"within 0\.05 s"):
        asyncio.run(run(queue, endless, seconds=0.05))
    assert stopped.wait(30)
    assert asyncio.run(run(queue, lambda _: "next")) == "next"


def test_work_that_waits_past_its_deadline_never_begins(queue: WorkQueue) -> None:
    let, begun, ended = threading.Event(), [], []

    async def both() -> None:
        first = asyncio.ensure_future(run(queue, lambda _: let.wait(30)))
        await asyncio.sleep(0)
        with pytest.raises(RequestError, match="no answer"):
            await run(queue, lambda _: begun.append(1), seconds=0.02, at_end=lambda: ended.append(1))
        let.set()
        await first

    asyncio.run(both())
    queue.close()
    assert (begun, ended) == ([], [1])


def test_work_of_a_client_that_went_away_is_given_up(queue: WorkQueue) -> None:
    begun = threading.Event()

    def endless(go_on: GoOn) -> None:
        begun.set()
        while True:
            go_on()

    async def leaves() -> None:
        assert await asyncio.to_thread(begun.wait, 30)

    with pytest.raises(ClientGoneError):
        asyncio.run(run(queue, endless, gone=leaves()))
    queue.close()
    assert queue.taken == 0


def test_an_error_of_the_work_is_its_result(queue: WorkQueue) -> None:
    def fails(_: GoOn) -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        asyncio.run(run(queue, fails))
    assert asyncio.run(run(queue, lambda _: 1)) == 1


def test_callers_take_turns() -> None:
    queue = WorkQueue(workers=1, begun=2, waiting=20)
    let, order = threading.Event(), []

    async def crowd() -> None:
        first = asyncio.ensure_future(run(queue, lambda _: let.wait(30)))
        await asyncio.sleep(0)
        jobs = [
            asyncio.ensure_future(run(queue, lambda _, who=who: order.append(who), caller=who[0]))
            for who in ("a1", "a2", "a3", "a4", "b1", "c1", "b2")
        ]
        await asyncio.sleep(0)
        let.set()
        await asyncio.gather(first, *jobs)

    asyncio.run(crowd())
    queue.close()
    assert order == ["a1", "b1", "c1", "a2", "b2", "a3", "a4"]


def test_the_turn_of_a_client_that_went_away_is_the_next_one_s() -> None:
    queue = WorkQueue(workers=1, begun=2, waiting=20)
    let, order = threading.Event(), []

    async def crowd() -> None:
        first = asyncio.ensure_future(run(queue, lambda _: let.wait(30)))
        await asyncio.sleep(0)
        gone = asyncio.ensure_future(run(queue, lambda _: order.append("gone"), caller="a"))
        stays = asyncio.ensure_future(run(queue, lambda _: order.append("stays"), caller="a"))
        await asyncio.sleep(0)
        gone.cancel()
        while queue.taken != 2:
            await asyncio.sleep(0)
        let.set()
        await asyncio.gather(first, stays)

    asyncio.run(crowd())
    queue.close()
    assert (order, queue.taken) == (["stays"], 0)
