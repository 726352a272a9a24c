"""Packages of the family emotion2vec behind the Encoder seam: integrity, padding, labels, devices."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emotrace.errors import DeviceError, ModelError
from emotrace.labels import LABELS
from emotrace.models import integrity
from emotrace.models.batching import Limits
from emotrace.models.emotion2vec_config import MASKED_LOGIT
from emotrace.models.encoder import Encoder
from emotrace.models.loading import load_encoder
from emotrace.models.package import CARD_FILE, ModelPackage, seal_package
from emotrace.models.runtime import OnnxEncoder
from tests.models.speech_packages import DIM, speech_card, speech_graph, speech_package, torch_package
from tests.voices import voice


def flip(path: Path, at: float) -> None:
    """Change one bit of a file."""
    content = bytearray(path.read_bytes())
    content[int(at * (len(content) - 1))] ^= 4
    path.write_bytes(content)


def reason(error: pytest.ExceptionInfo[BaseException]) -> str:
    text = str(error.value)
    assert text and "\n" not in text
    return text


WEIGHTS = ("model.onnx.data", "weights.safetensors")


@pytest.mark.parametrize("small", [0, 1 << 20], ids=["hashed meanwhile", "hashed before"])
@pytest.mark.parametrize("at", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("name", ["model.onnx", *WEIGHTS])
def test_one_flipped_bit_is_one_clear_error(
    tmp_path: Path, name: str, at: float, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrity, "SMALL", small)
    torch = name == "weights.safetensors"
    (torch_package if torch else speech_package)(tmp_path)
    flip(tmp_path / name, at)
    encoder = load_encoder(ModelPackage(tmp_path), runtime="torch" if torch else "onnxruntime", device="cpu")
    for _ in range(2):  # the second try is no better than the first
        with pytest.raises(ModelError, match="has another sha256 than its card says; it is damaged") as error:
            encoder.encode([voice(8000)])
        assert str(tmp_path / name) in reason(error)
    assert not [t for t in threading.enumerate() if t.name == "emotrace hashes"]


@pytest.mark.parametrize("small", [0, 1 << 20])
@pytest.mark.parametrize("name", ["model.onnx", *WEIGHTS])
def test_a_file_cut_short_or_gone_is_told_before_anything_is_loaded(
    tmp_path: Path, name: str, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integrity, "SMALL", small)
    torch = name == "weights.safetensors"
    card = (torch_package if torch else speech_package)(tmp_path)
    monkeypatch.setattr(
        OnnxEncoder, "_make_session", lambda *_: pytest.fail("a session was made of a broken package")
    )
    encoder = load_encoder(ModelPackage(tmp_path), runtime="torch" if torch else "onnxruntime", device="cpu")
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-1])
    with pytest.raises(ModelError, match=f"has {card.files[name].bytes - 1} bytes, its card says"):
        encoder.encode([voice(8000)])
    (tmp_path / name).unlink()
    with pytest.raises(ModelError, match=r"cannot read .*No such file") as error:
        encoder.encode([voice(8000)])
    assert name in reason(error)


def test_the_other_precision_is_not_looked_at(tmp_path: Path) -> None:
    speech_package(tmp_path, quantised=True)
    (tmp_path / "model.onnx.data").unlink()
    [encoding] = OnnxEncoder(ModelPackage(tmp_path), precision="int8").encode([voice(8000)])
    assert np.isfinite(encoding.logits).all()


def test_the_revision_is_that_of_the_weights_too(tmp_path: Path) -> None:
    speech_package(tmp_path, quantised=True)
    package = ModelPackage(tmp_path)
    revisions = {OnnxEncoder(package, precision=p).info.revision for p in ("fp32", "int8")}
    assert len(revisions) == 2
    graph = package.card.files["model.onnx"].sha256[:12]
    assert graph not in revisions
    flip(tmp_path / "model.onnx.data", 0.5)
    seal_package(tmp_path, package.card.model_dump(exclude={"files"}))
    assert OnnxEncoder(ModelPackage(tmp_path), precision="fp32").info.revision not in revisions


def test_nothing_is_loaded_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speech_package(tmp_path)
    monkeypatch.setattr(OnnxEncoder, "_make_session", lambda *_: pytest.fail("loaded"))
    encoder = OnnxEncoder(ModelPackage(tmp_path))
    assert encoder.info.precision == "fp32"
    assert encoder.encode([]) == []


EXACT: dict[str, Encoder] = {}


@pytest.fixture(scope="module", params=["onnx", "torch"])
def exact(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name of a loaded encoder in ``EXACT``."""
    name = str(request.param)
    folder = tmp_path_factory.mktemp(name)
    (torch_package if name == "torch" else speech_package)(folder)
    runtime = "torch" if name == "torch" else "auto"
    EXACT[name] = load_encoder(ModelPackage(folder), runtime=runtime, device="cpu", precision="fp32")
    return name


@given(
    lengths=st.lists(st.integers(400, 9000) | st.sampled_from([400, 719, 720, 16000]), max_size=9),
    seconds=st.sampled_from([0.2, 1.0, 6.0]),
    shortest=st.sampled_from([0.0, 0.5, 0.9, 1.0]),
    data=st.data(),
)
@settings(max_examples=10, deadline=None)
def test_padding_is_exact_for_any_mix_order_and_limits(
    exact: str, lengths: list[int], seconds: float, shortest: float, data: st.DataObject
) -> None:
    encoder = EXACT[exact]
    waveforms = [voice(n, seed=i) + np.float32(0.01 * i) for i, n in enumerate(lengths)]
    alone = [encoder.encode([w])[0] for w in waveforms]
    order = data.draw(st.permutations(range(len(lengths))))
    limits = Limits(seconds, np.inf, shortest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emotrace.models.runtime.ALONE", limits)
        patch.setattr("emotrace.models.torch_runtime.CPU", limits)
        together = encoder.encode([waveforms[i] for i in order])
    for one, i in zip(together, order, strict=True):
        assert len(one.frames) == (lengths[i] - 400) // 320 + 1
        for field in ("logits", "embedding", "frames", "frame_logits"):
            assert np.abs(getattr(one, field) - getattr(alone[i], field)).max() < 1e-5


@pytest.mark.parametrize("make", [speech_package, torch_package])
def test_a_model_without_a_head_gives_embeddings(tmp_path: Path, make: Callable[..., object]) -> None:
    make(tmp_path, head=False)
    runtime = "torch" if make is torch_package else "auto"
    encoder = load_encoder(ModelPackage(tmp_path), runtime=runtime, device="cpu")
    long, short = encoder.encode([voice(16000), voice(4000)])
    assert not encoder.card.has_head
    assert (long.logits.shape, long.frame_logits.shape, short.frame_logits.shape) == ((0,), (49, 0), (12, 0))
    assert long.embedding == pytest.approx(long.frames.mean(0), abs=1e-5)
    assert long.frames.shape == (49, encoder.card.frame_size)


@pytest.mark.parametrize("make", [speech_package, torch_package])
def test_masked_labels_are_never_the_answer(tmp_path: Path, make: Callable[..., object]) -> None:
    make(tmp_path, masked=("disgusted", "fearful", "other", "surprised"))
    runtime = "torch" if make is torch_package else "auto"
    encoder = load_encoder(ModelPackage(tmp_path), runtime=runtime, device="cpu")
    hidden = [LABELS.index(label) for label in encoder.card.masked]
    for encoding in encoder.encode([voice(9000, seed=i) for i in range(5)]):
        assert (encoding.logits[hidden] == MASKED_LOGIT).all()
        assert (encoding.frame_logits[:, hidden] == MASKED_LOGIT).all()
        assert np.isfinite(encoding.logits).all()
        assert np.exp(encoding.logits[hidden] - encoding.logits.max()).sum() == 0


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "all masked": ({"masked": LABELS}, "expected some of the labels, not all"),
    "masked what is none": ({"masked": ("bored",)}, "expected some of the labels"),
    "eight labels": ({"labels": LABELS[:8]}, "expected the nine, in order"),
    "no network": ({"network": None}, "and its network do not fit together"),
    "not of the family": ({"family": "compact"}, "and its network do not fit together"),
    "too short": ({"max_seconds": 1.0}, "max_seconds 1.0 is shorter than a window"),
    "weights not hashed": ({"weights": "w.safetensors"}, r"graphs without a hash: \['w\.safetensors'\]"),
    "external not hashed": ({"external": {"model.onnx": ("x",)}}, r"graphs without a hash: \['x'\]"),
}


@pytest.mark.parametrize(("change", "told"), WRONG.values(), ids=WRONG)
def test_a_card_that_contradicts_itself(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    (tmp_path / "model.onnx").write_bytes(b"x")
    with pytest.raises(ModelError, match=told) as error:
        seal_package(tmp_path, speech_card(**change))
    reason(error)
    assert not (tmp_path / CARD_FILE).exists()


def test_a_graph_that_does_not_give_what_the_card_says(tmp_path: Path) -> None:
    speech_package(tmp_path, head=False, labels=LABELS)
    with pytest.raises(ModelError, match="output 'logits' has shape None; expected a last axis of 9"):
        OnnxEncoder(ModelPackage(tmp_path)).encode([voice(8000)])
    speech_package(tmp_path, frame_size=DIM + 1)
    with pytest.raises(ModelError, match="output 'frames' has shape"):
        OnnxEncoder(ModelPackage(tmp_path)).encode([voice(8000)])


def test_a_graph_that_looks_for_its_weights_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(bytes(1 << 16))
    folder = tmp_path / "package"
    speech_package(folder)
    model = onnx.load(folder / "model.onnx", load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = "../secret"
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    card = json.loads((folder / CARD_FILE).read_text())
    del card["files"]
    seal_package(folder, card)
    with pytest.raises(ModelError, match=r"its weights lie in '\.\./secret', which its card does not name"):
        OnnxEncoder(ModelPackage(folder)).encode([voice(8000)])


def test_torch_weights_that_do_not_fit_the_card(tmp_path: Path) -> None:
    torch_package(tmp_path, head=False, labels=LABELS)
    with pytest.raises(ModelError, match="its weights have 0 classes; expected 9"):
        load_encoder(ModelPackage(tmp_path), runtime="torch", device="cpu").encode([voice(8000)])
    (tmp_path / "weights.safetensors").write_bytes(b"no safetensors")
    seal_package(tmp_path, ModelPackage(tmp_path).card.model_dump(exclude={"files"}))
    with pytest.raises(ModelError, match="torch cannot load its weights") as error:
        load_encoder(ModelPackage(tmp_path), runtime="torch", device="cpu").encode([voice(8000)])
    reason(error)


def test_bf16_is_near_fp32_and_says_so(tmp_path: Path) -> None:
    torch_package(tmp_path)
    package = ModelPackage(tmp_path)
    exact, near = (
        load_encoder(package, precision=p, runtime="torch", device="cpu") for p in ("fp32", "bf16")
    )
    assert near.info.precision == "bf16"
    assert near.info.runtime.startswith("torch ")
    [a], [b] = exact.encode([voice(16000)]), near.encode([voice(16000)])
    assert b.frames.dtype == np.float32
    assert 0 < np.abs(a.frames - b.frames).max() < 0.1


def test_cuda_that_does_not_start_is_the_cpu_if_it_was_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speech_package(tmp_path, quantised=True)
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: both)
    monkeypatch.setattr("emotrace.models.selection.cuda_driver", lambda: True)
    monkeypatch.setattr(
        "emotrace.models.runtime.PROVIDERS", {"cpu": "CPUExecutionProvider", "cuda": "CPUExecutionProvider "}
    )
    monkeypatch.setattr(OnnxEncoder, "_make_session", _on_the_cpu)
    encoder = OnnxEncoder(ModelPackage(tmp_path))
    assert (encoder.info.device, encoder.info.precision) == ("cuda", "fp32")
    encoder.encode([voice(8000)])
    assert (encoder.info.device, encoder.info.precision) == ("cpu", "int8")
    with pytest.raises(DeviceError, match="ONNX Runtime could not start it"):
        OnnxEncoder(ModelPackage(tmp_path), device="cuda").encode([voice(8000)])


def _on_the_cpu(self: OnnxEncoder, graph: bytes | str) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])


def test_the_graph_by_hand_is_a_valid_one() -> None:
    onnx.checker.check_model(speech_graph())
    onnx.checker.check_model(speech_graph(head=False))
