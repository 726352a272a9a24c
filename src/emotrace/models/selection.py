"""Which runtime, device, precision and how many threads: what is asked for, or these rules.

* Runtime: ONNX Runtime. Torch where it is asked for, for ``bf16``, and for CUDA where ONNX Runtime has none.
* Device: the CPU. CUDA for emotion2vec models where ONNX Runtime's GPU build and a driver are installed.
* Precision: on the CPU int8, where the card says that it stays within its bound and was measured faster on
  a CPU with the same integer instructions; else fp32.
* Threads: every core that the process may use.

What is asked for and not there is an error. What was chosen stands in every result.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from importlib.util import find_spec

from emotrace.errors import DeviceError, MissingExtraError, OptionError
from emotrace.models.card import ModelCard
from emotrace.models.cpu import cores, int8_instructions

RUNTIMES = ("auto", "onnxruntime", "torch")
PRECISIONS = ("auto", "fp32", "int8", "bf16")
DEVICES = ("auto", "cpu", "cuda")


def check_choices(precision: str, device: str, threads: int, runtime: str = "auto") -> None:
    """Refuse values that none of the options has.

    Raises:
        OptionError: there is one.
    """
    for name, value, known in (
        ("precision", precision, PRECISIONS),
        ("device", device, DEVICES),
        ("runtime", runtime, RUNTIMES),
    ):
        if value not in known:
            raise OptionError(f"{name} is {value!r}; expected one of {', '.join(known)}")
    if threads < 0:
        raise OptionError(f"threads is {threads}; expected 0 (every core) or more")


def choose_runtime(card: ModelCard, runtime: str, precision: str, device: str) -> str:
    """``"onnxruntime"`` or ``"torch"``; see the module for the rule.

    Raises:
        DeviceError: torch is asked for, but the package has no weights for it.
        MissingExtraError: torch is asked for, but not installed.
    """
    if runtime == "auto":
        without = device == "cuda" and card.weights is not None and not onnx_has_cuda()
        runtime = "torch" if precision == "bf16" or (without and has_torch()) else "onnxruntime"
    if runtime == "torch":
        if card.weights is None or card.network is None:
            raise DeviceError(
                f"model {card.name!r} has no weights for torch, which precision 'bf16' and runtime 'torch' "
                "need; use runtime 'onnxruntime' with another precision"
            )
        if not has_torch():
            raise MissingExtraError(
                "runtime 'torch' was asked for (precision 'bf16' needs it, too), but torch is not installed; "
                "pip install 'emotrace[convert]', or use runtime 'onnxruntime'"
            )
    return runtime


def choose_device(card: ModelCard, device: str) -> str:
    """``"cpu"`` or ``"cuda"``, for ONNX Runtime.

    Raises:
        DeviceError: CUDA is asked for, and ONNX Runtime has none, or there is no GPU.
    """
    if device == "auto":
        return "cuda" if card.family == "emotion2vec" and onnx_has_cuda() and cuda_driver() else "cpu"
    if device == "cuda" and not onnx_has_cuda():
        raise DeviceError(
            "device 'cuda' was asked for, but ONNX Runtime has no CUDA provider here; "
            "install onnxruntime-gpu and a driver, or use device 'cpu'"
        )
    if device == "cuda" and not cuda_driver():
        raise DeviceError(
            "device 'cuda' was asked for, but there is no GPU whose driver answers; "
            "see nvidia-smi and CUDA_VISIBLE_DEVICES, or use device 'cpu'"
        )
    return device


def choose_precision(card: ModelCard, precision: str, device: str) -> str:
    """``"fp32"`` or ``"int8"``, for ONNX Runtime.

    Raises:
        DeviceError: the precision is asked for, and the package does not offer it, or not on this device.
    """
    if precision == "auto":
        precision = "int8" if device == "cpu" and int8_pays(card) else "fp32"
    if precision == "bf16":
        raise DeviceError("precision 'bf16' was asked for, but ONNX Runtime has none; use runtime 'torch'")
    if precision == "int8" and card.int8 is not None and not card.int8.within_bound:
        figures = card.int8
        raise DeviceError(
            f"model {card.name!r} offers no int8: against fp32 its probabilities changed by up to "
            f"{max(figures.utterance_change, figures.frame_change):.3f} (bound {figures.largest_change:g}) "
            f"and {min(figures.utterance_agreement, figures.frame_agreement):.1%} of the answers stayed "
            f"(bound {figures.lowest_agreement:.0%}); use precision 'fp32'"
        )
    if precision not in card.graphs:
        there = ", ".join(card.graphs) or "none for ONNX Runtime"
        raise DeviceError(f"model {card.name!r} has no {precision} graph; it has: {there}")
    if precision == "int8" and device == "cuda":
        raise DeviceError("precision 'int8' runs on the CPU only; use device 'cpu', or precision 'fp32'")
    return precision


def int8_pays(card: ModelCard) -> bool:
    """Whether int8 is there, within its bound, and was measured faster on a CPU like this one."""
    figures = card.int8
    return (
        "int8" in card.graphs
        and figures is not None
        and figures.within_bound
        and figures.speed_ratio > 1
        and figures.instructions == int8_instructions()
    )


def choose_threads(threads: int) -> int:
    """The asked-for number, else every core.

    >>> choose_threads(3), choose_threads(0) >= 1
    (3, True)
    """
    return threads or cores()


def onnx_has_cuda() -> bool:
    """Whether the installed ONNX Runtime is its GPU build."""
    import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


@cache
def cuda_driver() -> bool:
    """Whether there is a CUDA driver with at least one device."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return False
    count = ctypes.c_int(0)
    return driver.cuInit(0) == 0 and driver.cuDeviceGetCount(ctypes.byref(count)) == 0 and count.value > 0


def has_torch() -> bool:
    """Whether torch is installed."""
    return find_spec("torch") is not None
