from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emotrace.server.access.limits import Buckets, Limits
from emotrace.server.problems import RequestError


@given(st.lists(st.tuples(st.floats(0, 90), st.sampled_from("ab")), max_size=80))
def test_no_minute_has_more_than_the_size_and_the_rate(steps: list[tuple[float, str]]) -> None:
    now = 0.0
    buckets = Buckets(lambda: now)
    taken: dict[str, list[float]] = {"a": [], "b": []}
    for wait, name in steps:
        now += wait
        left = buckets.take(name, per_minute=6, size=4)
        if left:
            assert 0 < left <= 10
        else:
            taken[name].append(now)
    for moments in taken.values():
        for first in moments:
            assert sum(first <= moment <= first + 60 for moment in moments) <= 4 + 6


def test_who_waits_as_long_as_told_is_let_in() -> None:
    now = 0.0
    buckets = Buckets(lambda: now)
    while not (wait := buckets.take("a", 7, 3)):
        pass
    now += wait + 1e-9
    assert buckets.take("a", 7, 3) == 0
    assert buckets.take("a", 7, 3) > 0


def test_only_so_many_names_are_remembered() -> None:
    buckets = Buckets(lambda: 0.0, most=100)
    for number in range(10_000):
        buckets.take(str(number), 1, 1)
    assert len(buckets._levels) == 100


def test_a_minute_of_requests_may_come_at_once() -> None:
    limits = Limits(lambda: 0.0)
    for _ in range(5):
        limits.count("phone", 5)
    limits.count("other", 5)
    limits.count("phone", 0)
    with pytest.raises(RequestError, match="more than 5 requests a minute") as caught:
        limits.count("phone", 5)
    assert (caught.value.code, caught.value.headers) == ("rate", {"Retry-After": "12"})


def test_places_are_freed_and_forgotten() -> None:
    limits = Limits()
    for _ in range(3):
        with limits.place("phone", 2), limits.place("phone", 2), limits.place("other", 2):
            with pytest.raises(RequestError) as caught, limits.place("phone", 2):
                pass
            assert caught.value.code == "busy"
    with pytest.raises(KeyError), limits.place("phone", 1):
        raise KeyError
    assert not limits._running
