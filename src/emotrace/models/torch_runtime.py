"""Torch behind the Encoder seam: the emotion2vec network itself, from ``weights.safetensors``."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from emotrace.errors import DeviceError, ModelError, OptionError
from emotrace.models.batching import CPU, CUDA, BatchedEncoder, Limits
from emotrace.models.integrity import IntegrityCheck
from emotrace.models.package import ModelPackage
from emotrace.models.selection import check_choices
from emotrace.results import Array, ModelInfo

if TYPE_CHECKING:
    from emotrace.models.emotion2vec_network import Emotion2vec


_ONE_AT_A_TIME = threading.Lock()


@contextmanager
def float32_products() -> Iterator[None]:
    """Convolutions of cuDNN in float32 meanwhile, not in the TF32 that torch lets it take.

    What torch keeps of it is one switch for the process, so only one thread at a time is inside.
    """
    import torch

    cudnn = torch.backends.cudnn
    kept = {"enabled": cudnn.enabled, "benchmark": cudnn.benchmark, "deterministic": cudnn.deterministic}
    with _ONE_AT_A_TIME, cudnn.flags(**kept, allow_tf32=False):
        yield


def set_threads(count: int) -> None:
    """Torch's number for the whole process."""
    import torch

    torch.set_num_threads(count)


class TorchEncoder(BatchedEncoder):
    """A model package run by torch.

    ``auto`` is CUDA where torch has it, and fp32. The weights are mapped from their file; the network is
    made on the first call, once, also with many threads, which then share it.

    Args:
        package: a model of the family emotion2vec with weights for torch.
        precision: ``"auto"``, ``"fp32"`` or ``"bf16"``.
        device: ``"auto"``, ``"cpu"`` or ``"cuda"``.
        threads: 0, or on the CPU torch's own number: torch has one for the whole process.

    Raises:
        DeviceError: the device or the precision is not there.
        OptionError: a value that none of the options has, or another number of threads than torch's.
        ModelError: the package has no weights for torch.
    """

    def __init__(
        self, package: ModelPackage, *, precision: str = "auto", device: str = "auto", threads: int = 0
    ) -> None:
        import torch

        check_choices(precision, device, threads)
        self.card = package.card
        if self.card.weights is None or self.card.network is None:
            raise ModelError(f"model {self.card.name!r} has no weights for torch; use ONNX Runtime")
        if precision == "int8":
            raise DeviceError("precision 'int8' was asked for, but torch has none here; use ONNX Runtime")
        if device == "cuda" and not torch.cuda.is_available():
            raise DeviceError(
                "device 'cuda' was asked for, but torch finds none; install torch with CUDA and a driver, or "
                "use device 'cpu'"
            )
        self._device = ("cuda" if torch.cuda.is_available() else "cpu") if device == "auto" else device
        if self._device == "cpu" and threads not in (0, torch.get_num_threads()):
            raise OptionError(
                f"threads is {threads}, but torch has {torch.get_num_threads()} in this process; expected 0: "
                "set OMP_NUM_THREADS, or call torch.set_num_threads"
            )
        self._precision = "fp32" if precision == "auto" else precision
        self._package, self._weights, self._network = package, self.card.weights, self.card.network
        self._lock = threading.Lock()
        self._loaded: Emotion2vec | None = None

    @property
    def info(self) -> ModelInfo:
        """Which weights run, and where."""
        import torch

        return ModelInfo(
            self.card.name,
            self._package.revision(self._weights),
            self._precision,
            self._device,
            f"torch {torch.__version__}",
            torch.get_num_threads(),
        )

    @property
    def limits(self) -> Limits:
        """Of one batch."""
        return CUDA if self._device == "cuda" else CPU

    def _model(self) -> Emotion2vec:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> Emotion2vec:
        import torch
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        from emotrace.models.emotion2vec_network import Emotion2vec

        masked = [self.card.labels.index(label) for label in self.card.masked]
        with IntegrityCheck(self._package, [self._weights]):
            try:
                weights = load_file(self._package.folder / self._weights, device=self._device)
                network = Emotion2vec.from_weights(self._network, weights, masked)
            except (SafetensorError, RuntimeError, OSError) as error:  # RuntimeError: of load_state_dict
                raise self._broken("torch cannot load its weights", error) from error
        classes = network.proj.out_features if network.proj else 0
        if classes != len(self.card.labels):
            raise ModelError(
                f"model {self.card.name!r}: its weights have {classes} classes; "
                f"expected {len(self.card.labels)}, as its card says"
            )
        return network.to(torch.bfloat16) if self._precision == "bf16" else network

    def _broken(self, what: str, error: Exception) -> ModelError:
        reason = next((line.strip() for line in str(error).splitlines()[1:2] or str(error).splitlines()), "")
        return ModelError(f"model {self.card.name!r}: {what}: {reason or type(error).__name__}")

    def _run(self, feed: dict[str, Array]) -> Mapping[str, Array]:
        import torch

        model = self._model()
        products = (
            float32_products() if self._device == "cuda" else nullcontext()
        )  # a CPU need not take turns
        try:
            with torch.inference_mode(), products:
                given: list[Any] = [torch.from_numpy(feed[name]) for name in ("waveform", "samples")]
                output = model(*(tensor.to(self._device) for tensor in given))
                return {
                    name: value.float().cpu().numpy()
                    for name, value in output._asdict().items()
                    if value is not None and name != "lengths"
                }
        except RuntimeError as error:  # torch.OutOfMemoryError is one
            raise self._broken("torch cannot run its network", error) from error
