from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from emotrace.server.jobs.executors import Identity, LifeSigns
from tests.clock import Clock


def test_a_server_that_starts_again_has_its_name_again_and_no_two_have_one(tmp_path: Path) -> None:
    first, second = Identity(tmp_path), Identity(tmp_path)
    assert first.name != second.name
    first.release()
    third = Identity(tmp_path)
    assert third.name == first.name
    second.release()
    third.release()


def test_the_name_of_a_killed_server_is_free(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from emotrace.server.jobs.executors import Identity;"
        "print(Identity(Path(sys.argv[1])).name, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == -9
    again = Identity(tmp_path)
    assert again.name == done.stdout.strip()
    again.release()


def test_another_folder_gives_another_name(tmp_path: Path) -> None:
    first, second = Identity(tmp_path / "a"), Identity(tmp_path / "b")
    assert first.name != second.name
    first.release()
    second.release()


def test_who_shows_no_sign_for_long_is_dead_and_alive_again_with_the_next() -> None:
    clock = Clock()
    signs = LifeSigns(10, clock)
    assert signs.dead({"a": "1"}, {"a", "never-seen"}) == set()
    clock.now = 10.0
    assert signs.dead({"a": "1"}, {"a", "never-seen"}) == set()
    clock.now = 10.1
    assert signs.dead({"a": "1"}, {"a", "never-seen"}) == {"a", "never-seen"}
    clock.now = 12
    assert signs.dead({"a": "2"}, {"a"}) == set()


def test_nobody_is_dead_because_nothing_could_be_seen() -> None:
    clock = Clock()
    signs = LifeSigns(10, clock)
    signs.dead({"a": "1"}, {"a"})
    clock.now = 100  # this server was paused
    assert signs.dead({"a": "1"}, {"a"}) == set()
    clock.now = 105
    signs.reset()  # the database was away
    assert signs.dead({"a": "1"}, {"a"}) == set()
    clock.now = 114
    assert signs.dead({"a": "1"}, {"a"}) == set()


@given(st.lists(st.floats(0.1, 2.4), min_size=1, max_size=60))
def test_who_beats_in_time_is_never_dead(pauses: list[float]) -> None:
    clock = Clock()
    signs = LifeSigns(5, clock)
    for beat, pause in enumerate(pauses):
        assert signs.dead({"a": str(beat)}, {"a"}) == set()
        clock.now += pause
