"""``emotrace embed`` writes what the library gives, also for a model without an emotion head."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest

from emotrace.recognition import Recognizer
from tests.cli.command import square, write
from tests.cli.conftest import Run
from tests.models.speech_packages import DIM, speech_package


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write(tmp_path / "clip.wav", square(0.3, 2.0))


def test_a_model_without_a_head_is_embedded(run: Run, clip: Path, tmp_path: Path) -> None:
    speech_package(tmp_path / "bare", head=False)
    expected = Recognizer(str(tmp_path / "bare")).embed(clip, frame_embeddings=True)
    for options, values in (((), expected.embedding), (("--frames",), expected.frame_embeddings)):
        out = tmp_path / "out.npy"
        code, text, told = run("embed", clip, "--out", out, "--model", tmp_path / "bare", *options)
        assert (code, text) == (0, "")
        assert values is not None
        assert f"float32 {values.shape}, speech, fp32 on cpu" in told
        assert np.array_equal(np.load(out), values)
    assert np.load(tmp_path / "out.npy").shape == (99, DIM)


def test_analyze_says_what_to_use_instead(run: Run, clip: Path, tmp_path: Path) -> None:
    speech_package(tmp_path / "bare", head=False)
    code, text, told = run("analyze", clip, "--model", tmp_path / "bare")
    assert (code, text) == (6, "")
    assert "has no emotion head, it gives embeddings only; use `emotrace embed`" in told


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (("--out", "x.txt"), 2, "expected a name that ends in .npy"),
        (("--out", "no/x.npy"), 7, "does not exist; make it first"),
        (("--out", "x.npy", "--device", "tpu"), 2, "expected one of auto, cpu, cuda"),
        (("--out", "x.npy", "--model", "nonsense"), 6, "is not installed"),
    ],
)
def test_what_cannot_be_done_is_told(
    run: Run,
    clip: Path,
    tmp_path: Path,
    options: tuple[str, ...],
    code: int,
    reason: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    found, text, told = run("embed", clip, *options)
    assert (found, text) == (code, "")
    assert reason in told
    assert told.count("\n") == 1
    assert not (tmp_path / "x.npy").exists()


def test_silence_writes_nothing(run: Run, tmp_path: Path) -> None:
    silent = write(tmp_path / "silent.wav", np.zeros(16000))
    code, _, told = run("embed", silent, "--out", tmp_path / "x.npy")
    assert code == 4
    assert "holds only silence" in told
    assert not (tmp_path / "x.npy").exists()


def test_standard_input_is_embedded(
    run: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.npy"
    with clip.open("rb") as file, io.TextIOWrapper(file) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert run("embed", "-", "--out", out)[0] == 0
    assert np.array_equal(np.load(out), Recognizer().embed(clip).embedding)
