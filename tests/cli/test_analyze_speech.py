"""``emotrace analyze`` with models of the family emotion2vec: what is chosen, several inputs."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from emotrace.models.runtime import OnnxEncoder
from tests.cli.command import square, write
from tests.cli.conftest import Run
from tests.models.speech_packages import speech_package
from tests.voices import voice


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of an installed model that is better than the built-in one."""
    monkeypatch.setenv("EMOTRACE_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("emotrace.models.selection.cores", lambda: 2)
    speech_package(
        tmp_path / "home" / "models" / "emotion2vec_plus_base", quantised=True, name="emotion2vec_plus_base"
    )
    return "emotion2vec_plus_base"


@pytest.fixture
def clips(tmp_path: Path) -> list[Path]:
    paths = [write(tmp_path / f"{i}.wav", voice(9000 + 1000 * i, seed=i)) for i in range(4)]
    return [*paths[:2], tmp_path / "missing.wav", *paths[2:]]


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_several_inputs_are_recognised_at_the_same_time_and_come_in_order(
    run: Run, model: str, clips: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[str] = set()
    real = OnnxEncoder._run

    def watched(self: OnnxEncoder, feed: Any) -> Any:
        threads.add(threading.current_thread().name)
        return real(self, feed)

    monkeypatch.setattr(OnnxEncoder, "_run", watched)
    code, out, err = run("analyze", *clips, "--json", "--granularity", "frame")
    assert code == 5
    assert "missing.wav" in err
    got = records(out)
    assert [r["source"] for r in got] == [str(clip) for clip in clips]
    assert got[2]["error"]["code"] == "audio"
    assert all(name.startswith("emotrace") for name in threads)
    for clip, record in zip(clips, got, strict=True):
        if "error" not in record:
            [alone] = records(run("analyze", clip, "--json", "--granularity", "frame")[1])
            assert record["model"].pop("threads") == 1
            assert alone["model"].pop("threads") == 2
            assert record.keys() == alone.keys()
            assert record["scores"] == pytest.approx(alone["scores"], abs=2e-6)
            for one, other in zip(record["frames"], alone["frames"], strict=True):
                assert one["timestamp"] == other["timestamp"]
                assert one["scores"] == pytest.approx(other["scores"], abs=2e-6)
            assert record["track_method"] == "sliding-window 1.5 s"


def test_auto_says_what_it_took(run: Run, model: str, clips: list[Path]) -> None:
    told = "emotrace: model emotion2vec_plus_base, the best that is installed\n"
    assert told in run("analyze", *clips)[2]
    assert told not in run("analyze", *clips, "--model", model)[2]
    assert "model emotion2vec_plus_base" in run("analyze", clips[0])[1]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ((), {"precision": "int8", "device": "cpu", "threads": 2}),
        (("--precision", "fp32", "--threads", "1"), {"precision": "fp32", "threads": 1}),
        (("--model", "compact"), {"name": "compact", "precision": "fp32"}),
    ],
)
def test_the_choice_is_in_the_result(
    run: Run, model: str, clips: list[Path], options: tuple[str, ...], expected: dict[str, Any]
) -> None:
    [record] = records(run("analyze", clips[0], "--json", *options)[1])
    assert expected.items() <= record["model"].items()


def test_the_frame_head_on_request(run: Run, model: str, clips: list[Path]) -> None:
    options = ("--granularity", "frame", "--track-method", "frame-head", "--hop", "0.02", "--json")
    [record] = records(run("analyze", clips[0], *options)[1])
    assert record["track_method"] == "frame-head"
    assert len(record["frames"]) == 28
    code, _, err = run("analyze", clips[0], "--track-method", "frame-head")
    assert (code, "--track-method has no effect without --granularity frame" in err) == (2, True)


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (("--device", "cuda", "--runtime", "onnxruntime"), 6, "ONNX Runtime has no CUDA provider here"),
        (("--precision", "bf16"), 6, "has no weights for torch"),
        (("--whole-seconds", "90"), 2, "takes at most 60 s in one piece"),
    ],
)
def test_what_is_not_there_is_told_once(
    run: Run, model: str, clips: list[Path], options: tuple[str, ...], code: int, reason: str
) -> None:
    for inputs in (clips[:1], clips[:2]):
        found, out, err = run("analyze", *inputs, *options)
        assert (found, out) == (code, "")
        assert reason in err
        assert err.count("\n") == 1


def test_a_damaged_model_is_told_once(run: Run, model: str, clips: list[Path], tmp_path: Path) -> None:
    file = tmp_path / "home" / "models" / model / "model.int8.onnx.data"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    code, out, err = run("analyze", *clips)
    assert (code, out) == (6, "")
    assert "has another sha256 than its card says; it is damaged" in err
    assert err.count("\n") == 1


def test_a_bug_on_one_input_does_not_stop_the_others(
    run: Run, model: str, clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = write(tmp_path / "odd.wav", square(0.3, 0.4321))
    real = OnnxEncoder._run

    def broken(self: OnnxEncoder, feed: Any) -> Any:
        if feed["waveform"].shape[1] == 6914:
            raise ZeroDivisionError("odd")
        return real(self, feed)

    monkeypatch.setattr(OnnxEncoder, "_run", broken)
    code, out, err = run("analyze", clips[0], odd, clips[1], "--json")
    assert code == 1
    assert [r.get("error", {}).get("code") for r in records(out)] == [None, "bug", None]
    assert "unexpected error, a bug of emotrace: ZeroDivisionError: odd" in err
