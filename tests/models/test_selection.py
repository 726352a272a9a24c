"""What is chosen is what the rule says; what is asked for and missing is an error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emotrace.errors import DeviceError, EmotraceError, MissingExtraError, OptionError
from emotrace.models import cpu, registry, selection
from emotrace.models.encoder import Encoder
from emotrace.models.loading import load_encoder
from emotrace.models.package import ModelPackage
from emotrace.models.runtime import OnnxEncoder
from emotrace.models.torch_runtime import TorchEncoder
from tests.models.speech_packages import figures, speech_package, torch_package

MACHINE = cpu.int8_instructions()


def load(folder: Path, **options: Any) -> Encoder:
    return load_encoder(ModelPackage(folder), **options)


@pytest.mark.parametrize(
    ("changes", "chosen"),
    [
        ({}, "int8"),
        ({"speed_ratio": 0.9}, "fp32"),
        ({"speed_ratio": 1.0}, "fp32"),
        ({"instructions": "another machine"}, "fp32"),
        ({"utterance_agreement": 0.98}, "fp32"),
        ({"frame_agreement": 0.98}, "fp32"),
        ({"utterance_change": 0.04}, "fp32"),
        ({"frame_change": 0.04}, "fp32"),
        ({"frame_change": 0.04, "largest_change": 0.05}, "int8"),
        ({"utterance_agreement": 0.99, "frame_agreement": 0.99, "frame_change": 0.03}, "int8"),
    ],
)
def test_int8_where_it_was_measured_near_and_faster(
    tmp_path: Path, changes: dict[str, Any], chosen: str
) -> None:
    speech_package(tmp_path, quantised=True, int8=figures(**changes))
    assert load(tmp_path).info.precision == chosen
    assert load(tmp_path, precision="fp32").info.precision == "fp32"


def test_int8_without_figures_is_only_what_was_asked_for(tmp_path: Path) -> None:
    speech_package(tmp_path, quantised=True, int8=None)
    assert load(tmp_path).info.precision == "fp32"
    assert load(tmp_path, precision="int8").info.precision == "int8"


def test_int8_outside_its_bound_is_refused_with_the_figures(tmp_path: Path) -> None:
    speech_package(tmp_path, int8=figures(frame_change=0.123, utterance_agreement=0.9))
    with pytest.raises(DeviceError) as error:
        load(tmp_path, precision="int8")
    assert str(error.value) == (
        "model 'speech' offers no int8: against fp32 its probabilities changed by up to 0.123 (bound 0.03) "
        "and 90.0% of the answers stayed (bound 99%); use precision 'fp32'"
    )


def test_the_built_in_model_stays_on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu(monkeypatch)
    info = load(registry.builtin_folder()).info
    assert (info.device, info.precision) == ("cpu", "fp32")


def gpu(monkeypatch: pytest.MonkeyPatch, driver: bool = True) -> None:
    """Pretend that ONNX Runtime's GPU build is installed."""
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: both)
    monkeypatch.setattr(selection, "cuda_driver", lambda: driver)


def test_cuda_where_it_is_installed_and_has_a_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speech_package(tmp_path, quantised=True)
    assert load(tmp_path).info.device == "cpu"
    gpu(monkeypatch)
    info = load(tmp_path).info
    assert (info.device, info.precision) == ("cuda", "fp32")
    assert load(tmp_path, device="cpu").info.precision == "int8"
    with pytest.raises(DeviceError, match="precision 'int8' runs on the CPU only"):
        load(tmp_path, device="cuda", precision="int8")
    gpu(monkeypatch, driver=False)
    assert load(tmp_path).info.device == "cpu"


def test_torch_where_it_is_asked_for_or_alone_can_do_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch_package(tmp_path)
    assert type(load(tmp_path, runtime="torch", device="cpu")) is TorchEncoder
    assert type(load(tmp_path, precision="bf16", device="cpu")) is TorchEncoder
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert load(tmp_path, device="cuda").info.runtime.startswith("torch ")
    assert load(tmp_path, runtime="torch").info.device == "cuda"


def refused(folder: Path, **options: Any) -> tuple[type[EmotraceError], str]:
    with pytest.raises(EmotraceError) as error:
        load(folder, **options)
    assert "\n" not in str(error.value)
    return type(error.value), str(error.value)


def test_what_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speech, weights = tmp_path / "speech", tmp_path / "torch"
    speech_package(speech)
    torch_package(weights)
    assert refused(speech, precision="int8") == (
        DeviceError,
        "model 'speech' has no int8 graph; it has: fp32",
    )
    kind, told = refused(speech, precision="bf16")
    assert kind is DeviceError
    assert "has no weights for torch" in told
    assert refused(weights)[1] == "model 'speech' has no fp32 graph; it has: none for ONNX Runtime"
    kind, told = refused(weights, runtime="torch", precision="int8", device="cpu")
    assert (kind, "torch has none here" in told) == (DeviceError, True)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    kind, told = refused(weights, device="cuda")
    assert (kind, "torch finds none" in told) == (DeviceError, True)
    kind, told = refused(weights, runtime="torch", threads=999, device="cpu")
    assert (kind, "threads is 999, but torch has" in told) == (OptionError, True)
    monkeypatch.setattr(selection, "find_spec", lambda name: None)
    kind, told = refused(weights, runtime="torch")
    assert (kind, "pip install 'emotrace[convert]'" in told) == (MissingExtraError, True)
    assert refused(weights, device="cuda")[1].startswith(
        "device 'cuda' was asked for, but ONNX Runtime has no"
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"precision": "fp16"}, "precision is 'fp16'; expected one of auto, fp32, int8, bf16"),
        ({"device": "tpu"}, "device is 'tpu'; expected one of auto, cpu, cuda"),
        ({"runtime": "jax"}, "runtime is 'jax'; expected one of auto, onnxruntime, torch"),
        ({"threads": -1}, "threads is -1; expected 0 (every core) or more"),
    ],
)
def test_values_that_no_option_has(options: dict[str, Any], told: str) -> None:
    assert refused(registry.builtin_folder(), **options) == (OptionError, told)


def test_threads_are_every_core_or_what_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speech_package(tmp_path)
    assert load(tmp_path).info.threads == cpu.cores()
    assert load(tmp_path, threads=3).info.threads == 3
    monkeypatch.setattr(selection, "cores", lambda: 7)
    encoder = load(tmp_path)
    assert encoder.info.threads == 7
    made: list[Any] = []
    real = OnnxEncoder._make_session

    def session(self: OnnxEncoder, graph: bytes | str) -> Any:
        made.append(real(self, graph))
        return made[-1]

    monkeypatch.setattr(OnnxEncoder, "_make_session", session)
    import numpy as np

    encoder.encode([np.zeros(16000, np.float32)])
    assert made[0].get_session_options().intra_op_num_threads == 7


def test_siblings_of_a_core_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3}, raising=False)
    monkeypatch.setattr(cpu, "_siblings", lambda index: str(index % 2))
    assert cpu._usable.__wrapped__() == 2


def test_no_driver_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr("ctypes.CDLL", missing)
    assert selection.cuda_driver.__wrapped__() is False
