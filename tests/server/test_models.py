from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from emotrace.errors import EmotraceError, ModelError, ModelNotFoundError
from emotrace.models.registry import builtin_folder
from emotrace.recognition import Recognizer
from emotrace.server.models import Models, load_recognizer, resolve
from emotrace.server.settings import Settings
from tests.clock import Clock
from tests.server.served import fake


def test_a_model_is_loaded_once_for_all_who_ask_at_the_same_time() -> None:
    loads, all_here = [], threading.Barrier(8)

    def load(name: str) -> Recognizer:
        loads.append(name)
        return fake(name)

    models = Models(load)

    def ask(_: int) -> Recognizer:
        all_here.wait(30)
        with models.using("compact") as recognizer:
            return recognizer

    with ThreadPoolExecutor(8) as pool:
        found = set(map(id, pool.map(ask, range(8))))
    assert (loads, len(found)) == (["compact"], 1)


def test_an_idle_model_is_released_but_not_one_that_is_used() -> None:
    clock = Clock()
    models = Models(fake, idle_seconds=10, clock=clock)
    with models.using("compact"):
        clock.now = 100
        assert models.release_idle() == []
    clock.now = 109
    assert models.release_idle() == []
    clock.now = 110
    assert models.release_idle() == ["compact"]
    assert models.state("compact") == "unloaded"


def test_a_model_without_idle_time_stays() -> None:
    clock = Clock()
    models = Models(fake, clock=clock)
    models.load("compact")
    clock.now = 1e9
    assert (models.release_idle(), models.state("compact")) == ([], "loaded")


@pytest.mark.parametrize("problem", [ModelError("its graph is broken"), RuntimeError("no memory")])
def test_a_failed_load_stands_a_moment_and_is_then_tried_again(
    problem: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    clock, attempts = Clock(), []

    def load(name: str) -> Recognizer:
        attempts.append(name)
        if len(attempts) < 3:
            raise problem
        return fake(name)

    models = Models(load, retry_seconds=5, clock=clock)
    with caplog.at_level(logging.ERROR, "emotrace.server"):
        for now, tried in ((0, 1), (4.9, 1), (5, 2), (9.9, 2)):
            clock.now = now
            with pytest.raises(ModelError, match=str(problem)):
                models.load("compact")
            assert (len(attempts), models.state("compact")) == (tried, "failed")
    assert caplog.text.count(str(problem)) == 2
    clock.now = 10
    models.load("compact")
    assert models.state("compact") == "loaded"


def test_unloading_lets_what_runs_go_on_and_the_next_loads_anew() -> None:
    loads = []
    models = Models(lambda name: loads.append(name) or fake(name))  # type: ignore[func-returns-value]
    with models.using("compact") as recognizer:
        assert models.unload("compact")
        assert recognizer.card.name == "fake"
    assert not models.unload("compact")
    models.load("compact")
    assert len(loads) == 2


@pytest.mark.parametrize("name", [str(builtin_folder()), "", ".", "../compact", "\0", "x" * 5000, "Auto"])
def test_a_name_is_never_taken_for_a_path(name: str) -> None:
    with pytest.raises(ModelNotFoundError, match="not installed here") as caught:
        resolve(name, Settings())
    assert len(str(caught.value)) < 400


def test_auto_is_the_server_s_own_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOTRACE_HOME", str(tmp_path))
    assert resolve("auto", Settings()) == "compact"
    with pytest.raises(EmotraceError):
        resolve("auto", Settings(model="emotion2vec_base"))


@pytest.mark.parametrize("threads", [0, 2])
def test_torch_on_a_cpu_takes_the_threads_of_the_settings(
    threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    from tests.models.speech_packages import torch_package

    monkeypatch.setenv("EMOTRACE_HOME", str(tmp_path))
    name = torch_package(tmp_path / "models" / "speech").name
    (tmp_path / "models" / "speech").rename(tmp_path / "models" / name)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        settings = Settings(runtime="torch", device="cpu", threads=threads)
        assert load_recognizer(name, settings).info.threads == (threads or 1)
    finally:
        torch.set_num_threads(before)
