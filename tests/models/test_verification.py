"""Verification finds what is wrong with a package, and runs nothing of a damaged one."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from emotrace.labels import LABELS
from emotrace.models import parity, verification
from emotrace.models.catalogue import CATALOGUE, Golden
from emotrace.models.example import EXAMPLE_FILE, GOLDEN_TOLERANCE, golden_of, keep_example
from emotrace.models.package import ModelPackage, write_package
from emotrace.models.runtime import OnnxEncoder
from emotrace.models.verification import Check, verify
from emotrace.results import Array
from tests.models.packages import card, graph

LARGE = "emotion2vec_plus_large"


def clip(path: Path, level: float = 0.2) -> Path:
    samples = np.full(8000, level * 32767, "<i2")
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return path


@pytest.fixture(scope="module")
def parity_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What the tiny graph itself says about the parity clips; no clip is shorter than it takes."""
    folder = tmp_path_factory.mktemp("parity")
    write_package(folder / "plain", {"tiny.onnx": graph()}, card(min_seconds=0.0))
    encoder = OnnxEncoder(ModelPackage(folder / "plain"), threads=1)

    def run(waveform: Array) -> tuple[Array, Array]:
        [encoding] = encoder.encode([waveform])
        return encoding.frames, encoding.logits

    parity.write(folder / parity.FILE, run)
    return (folder / parity.FILE).read_bytes()


def make(folder: Path, parity_file: bytes, **changes: Any) -> ModelPackage:
    """A package with a parity check and an example clip."""
    files = {
        "tiny.onnx": graph(),
        parity.FILE: parity_file,
        EXAMPLE_FILE: clip(folder / "clip.wav").read_bytes(),
    }
    figures = {
        "file": parity.FILE,
        "frames_max_abs": 0.0,
        "probability_max_abs": 0.0,
        "frames_tolerance": 1e-4,
        "probability_tolerance": 1e-4,
        "runtime": "a test",
    }
    write_package(folder / "model", files, card(**{"min_seconds": 0.0, "parity": figures, **changes}))
    return ModelPackage(folder / "model")


def results(package: ModelPackage) -> dict[str, bool | None]:
    return {check.name: check.passed for check in verify(package)}


def test_a_model_that_is_as_it_was(tmp_path: Path, parity_file: bytes) -> None:
    package = make(tmp_path, parity_file)
    steps: list[tuple[str, float, float]] = []
    files, same, example = verify(package, lambda *step: steps.append(step))
    total = sum(entry.bytes for entry in package.card.files.values())
    assert (files.passed, same.passed, example.passed) == (True, True, None)
    assert files.detail == f"3 files, {total / 1e6:.1f} MB, every hash is right"
    assert "(bound 1e-04)" in same.detail
    assert ("hash the files", total, total) in steps


@pytest.mark.parametrize("name", ["tiny.onnx", parity.FILE, EXAMPLE_FILE])
@pytest.mark.parametrize("how", ["flipped", "shorter", "gone"])
def test_every_damage_is_found_and_nothing_is_run(
    tmp_path: Path, parity_file: bytes, name: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make(tmp_path, parity_file)
    path = package.folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(content if how == "flipped" else content[:-1])
    monkeypatch.setattr("emotrace.models.loading.load_encoder", lambda *_, **__: pytest.fail("it ran"))
    checks = verify(package)
    assert [check.passed for check in checks] == [False, None, None]
    assert str(path) in checks[0].detail


def test_another_graph_with_right_hashes_is_found(tmp_path: Path, parity_file: bytes) -> None:
    package = make(tmp_path, parity_file)
    other = card(min_seconds=0.0, parity=package.card.parity, labels=LABELS)
    folder = tmp_path / "other"
    write_package(
        folder, {"tiny.onnx": graph(frames=5), parity.FILE: parity_file}, {**other, "frame_size": 5}
    )
    assert results(ModelPackage(folder)) == {"files": True, "parity": False, "example": None}


def other_graph() -> bytes:
    """The tiny graph with much larger logits."""
    model = onnx.load_model_from_string(graph())
    for weights in model.graph.initializer:
        if weights.name == "logits.row":
            larger = onnx.numpy_helper.to_array(weights) * np.float32(1e5)
            weights.CopyFrom(onnx.numpy_helper.from_array(larger, weights.name))
    return bytes(model.SerializeToString())


def test_the_int8_graph_is_held_to_its_own_bound(tmp_path: Path, parity_file: bytes) -> None:
    figures = make(tmp_path, parity_file).card.parity
    both = card(min_seconds=0.0, parity=figures, graphs={"fp32": "tiny.onnx", "int8": "small.onnx"})
    for name, small, passed in (("same", graph(), True), ("other", other_graph(), False)):
        files = {"tiny.onnx": graph(), "small.onnx": small, parity.FILE: parity_file}
        write_package(tmp_path / name, files, both)
        found = {(c.name, c.graph): c.passed for c in verify(ModelPackage(tmp_path / name))}
        assert found[("parity", "fp32")] is True
        assert found[("parity", "int8")] is passed


def test_a_graph_that_does_not_run_is_a_check_that_failed(tmp_path: Path, parity_file: bytes) -> None:
    package = make(tmp_path, parity_file)
    figures = package.card.parity
    write_package(
        tmp_path / "broken",
        {"tiny.onnx": b"none", parity.FILE: parity_file},
        card(min_seconds=0.0, parity=figures),
    )
    same = verify(ModelPackage(tmp_path / "broken"))[1]
    assert (same.passed, "cannot load its graph" in same.detail) == (False, True)


def test_a_result_outside_the_bound_is_found(tmp_path: Path, parity_file: bytes) -> None:
    package = make(tmp_path, parity_file, temperature=3.0)
    assert results(package)["parity"] is False


def scores(package: ModelPackage) -> dict[str, float]:
    """What the model hears in its example clip."""
    from emotrace.audio import load

    [encoding] = OnnxEncoder(package, threads=1).encode([load(package.folder / EXAMPLE_FILE).samples])
    weights = np.exp(encoding.logits - encoding.logits.max())
    return dict(zip(LABELS, map(float, weights / weights.sum()), strict=True))


def test_the_example_is_compared_with_what_was_published(
    tmp_path: Path, parity_file: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = make(tmp_path, parity_file, name=LARGE)
    check = verify(package)[2]
    assert isinstance(check, Check)
    assert (check.graph, check.passed) == ("fp32", False)
    assert "published: sad 0.8684" in check.detail
    heard = scores(package)
    most = max(heard, key=lambda label: heard[label])
    for off, passed in ((0.9, True), (1.1, False)):
        golden = Golden({most: heard[most] + off * GOLDEN_TOLERANCE}, "a page")
        monkeypatch.setattr(verification, "golden_of", lambda _, golden=golden: golden)
        assert results(package)["example"] is passed


def test_the_published_result_goes_with_the_checkpoint_and_not_with_the_name(
    tmp_path: Path, parity_file: bytes
) -> None:
    provenance = {
        "hub": "modelscope",
        "origin": f"iic/{LARGE}",
        "checkpoint_sha256": "0" * 64,
        "checkpoint_bytes": 1,
        "converted_with": "a test",
    }
    assert golden_of(make(tmp_path, parity_file, provenance=provenance).card) is CATALOGUE[LARGE].golden
    provenance["origin"] = "iic/emotion2vec_plus_base"
    assert golden_of(make(tmp_path, parity_file, name=LARGE, provenance=provenance).card) is None


def test_the_published_probabilities_are_probabilities() -> None:
    golden = CATALOGUE[LARGE].golden
    assert golden is not None
    assert golden.scores.keys() <= set(LABELS)
    assert sum(golden.scores.values()) == pytest.approx(1, abs=0.01)


def test_the_example_clip_is_taken_along(tmp_path: Path) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    keep_example(tmp_path / "checkpoint", folder)
    assert list(folder.iterdir()) == []
    content = clip(tmp_path / "checkpoint" / "example" / "test.wav").read_bytes()
    (tmp_path / "checkpoint" / "model.pt").write_bytes(b"")
    keep_example(tmp_path / "checkpoint" / "model.pt", folder)
    assert (folder / EXAMPLE_FILE).read_bytes() == content
