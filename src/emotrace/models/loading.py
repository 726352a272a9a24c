"""From a model package to an Encoder."""

from __future__ import annotations

from emotrace.models.encoder import Encoder
from emotrace.models.package import ModelPackage
from emotrace.models.selection import check_choices, choose_runtime, has_torch


def load_encoder(
    package: ModelPackage,
    *,
    precision: str = "auto",
    device: str = "auto",
    threads: int = 0,
    runtime: str = "auto",
) -> Encoder:
    """The Encoder that is asked for, or that the rules of :mod:`emotrace.models.selection` choose.

    Weights are loaded on its first use.

    Args:
        package: the model.
        precision: ``"auto"``, ``"fp32"``, ``"int8"`` or ``"bf16"``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        threads: for one inference; 0 is every core.
        runtime: ``"auto"``, ``"onnxruntime"`` or ``"torch"``.

    Raises:
        DeviceError: the device or the precision is not there.
        MissingExtraError: the runtime is not installed.
        OptionError: a value that none of the options has.

    >>> from emotrace.models import registry
    >>> load_encoder(registry.find("compact"), threads=1).info.precision
    'fp32'
    """
    check_choices(precision, device, threads, runtime)
    if choose_runtime(package.card, runtime, precision, device) == "torch":
        from emotrace.models.torch_runtime import TorchEncoder

        return TorchEncoder(package, precision=precision, device=device, threads=threads)
    from emotrace.models.runtime import OnnxEncoder

    return OnnxEncoder(package, precision=precision, device=device, threads=threads)


def tell_torch(threads: int) -> None:
    """Give torch, if it is there, a number of threads: it has one for all encoders of the process."""
    if has_torch():
        from emotrace.models.torch_runtime import set_threads

        set_threads(threads)
