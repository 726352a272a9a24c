"""ONNX Runtime behind the Encoder seam."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Mapping
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

from emotrace.errors import DeviceError, ModelError
from emotrace.models.batching import ALONE, CUDA, EQUAL, BatchedEncoder, Limits
from emotrace.models.external_data import locations
from emotrace.models.integrity import IntegrityCheck
from emotrace.models.package import ModelPackage
from emotrace.models.selection import (
    check_choices,
    choose_device,
    choose_precision,
    choose_threads,
)
from emotrace.results import Array, ModelInfo

PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}

SLEEPING = {"intra_op.allow_spinning": "0"}
"""How threads wait for the next operator of a small model: others can have the core."""

SPINNING = {
    "intra_op.allow_spinning": "1",
    "intra_op.spin_duration_us": "50",  # longer gains nothing, and takes cores from other sessions
    "force_spinning_stop": "1",
}
"""Of a large one: awake for a moment between two operators, since waking up costs a seventh of the time."""

CUDA_OPTIONS = {
    "use_tf32": "0",  # its ten bits are too few
    "cudnn_conv_algo_search": "HEURISTIC",  # the default tries every algorithm anew for each length
    "arena_extend_strategy": "kSameAsRequested",  # the default doubles what it takes
}


class OnnxEncoder(BatchedEncoder):
    """A model package run by ONNX Runtime.

    What ``auto`` and 0 threads become is the rule of :mod:`emotrace.models.selection`. The compact model
    takes waveforms of equal length only, so nothing is padded there. The session is made on the first call,
    once, also with many threads, which then share it. Weights beside the graph are mapped, not read, and
    their hashes are checked meanwhile: before the first result, what was changed is an error.

    Args:
        package: the model.
        precision: ``"auto"``, or one that the package has a graph for.
        device: ``"auto"``, ``"cpu"``, or ``"cuda"`` (needs ONNX Runtime's GPU build).
        threads: for one inference; 0 is every core.

    Raises:
        DeviceError: the device or the precision is not there.
        OptionError: a value that none of the options has.

    >>> import numpy as np
    >>> from emotrace.models import registry
    >>> encoder = OnnxEncoder(registry.find("compact"))
    >>> [encoding] = encoder.encode([np.zeros(16000, np.float32)])
    >>> encoding.logits.shape
    (9,)
    """

    def __init__(
        self, package: ModelPackage, *, precision: str = "auto", device: str = "auto", threads: int = 0
    ) -> None:
        check_choices(precision, device, threads)
        self.card = package.card
        self._package = package
        self._asked = (precision, device)
        self._choose(device)
        self._threads = choose_threads(threads)
        self._lock = threading.Lock()
        self._loaded: Any = None

    def _choose(self, device: str) -> None:
        self._device = choose_device(self.card, device)
        self._precision = choose_precision(self.card, self._asked[0], self._device)

    @property
    def _graph(self) -> str:
        return self.card.graphs[self._precision]  # type: ignore[index]

    @property
    def info(self) -> ModelInfo:
        """Which graph runs, and where."""
        import onnxruntime

        return ModelInfo(
            self.card.name,
            self._package.revision(self._graph),
            self._precision,
            self._device,
            f"onnxruntime {onnxruntime.__version__}",
            self._threads,
        )

    @property
    def limits(self) -> Limits:
        """Of one batch."""
        if self.card.network is None:
            return EQUAL
        return CUDA if self._device == "cuda" else ALONE

    def _session(self) -> Any:
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    self._loaded = self._load()
        return self._loaded

    def _load(self) -> Any:
        with IntegrityCheck(self._package, self._package.files_of(self._graph)) as checked:
            try:
                source = checked.source(self._graph)
                self._check_weights(source)
                session = self._make_session(source)
            except Exception as error:  # of ONNX Runtime's own kinds
                raise self._broken("ONNX Runtime cannot load its graph", error) from error
        if PROVIDERS[self._device] not in session.get_providers():  # a line in its log is all that it says
            if self._asked[1] == "auto":
                self._choose("cpu")
                return self._load()
            raise DeviceError(
                f"device {self._device!r} was asked for, but ONNX Runtime could not start it; check the "
                "driver and its libraries, or use device 'cpu'"
            )
        self._check_shapes(session)
        return session

    def _make_session(self, graph: bytes | str) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 3
        waiting = SLEEPING
        if self.card.network is not None:
            waiting = SPINNING
            options.enable_mem_pattern = False  # it keeps a plan for each length that was ever seen
            # More would join additions and norms to an operator that is ten times slower.
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
        for key, value in waiting.items():
            options.add_session_config_entry(f"session.{key}", value)
        if self._device == "cpu":
            return onnxruntime.InferenceSession(graph, options, providers=[PROVIDERS["cpu"]])
        find_libraries()
        return onnxruntime.InferenceSession(
            graph, options, providers=[(PROVIDERS["cuda"], CUDA_OPTIONS), PROVIDERS["cpu"]]
        )

    def _check_weights(self, graph: bytes | str) -> None:
        """Refuse a graph whose weights lie in files that its card does not name.

        Raises:
            ValueError: it does, or is none.
        """
        if isinstance(graph, bytes):
            found = locations(graph)
        else:
            with Path(graph).open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
                found = locations(content)
        others = sorted(found.difference(self.card.external.get(self._graph, ())))
        if others:
            raise ValueError(f"its weights lie in {others[0][:80]!r}, which its card does not name")

    def _check_shapes(self, session: Any) -> None:
        """Refuse a graph whose inputs or outputs are not those that the card promises."""
        card = self.card
        inputs = {"waveform"} | ({"reference", "has_reference"} if card.speaker_reference else set())
        inputs |= {"samples"} if card.network else set()
        found = {i.name for i in session.get_inputs()}
        if found != inputs:
            raise ModelError(
                f"model {card.name!r}: its graph has the inputs {sorted(found)}; expected {sorted(inputs)}"
            )
        shapes = {o.name: o.shape for o in session.get_outputs()}
        expected = {"embedding": card.embedding_size, "frames": card.frame_size}
        if card.has_head:
            expected |= {"logits": len(card.labels), "frame_logits": len(card.labels)}
        if card.speaker_reference:
            expected["spectrum"] = card.reference_size
        for name, width in expected.items():
            if not shapes.get(name) or shapes[name][-1] != width:
                raise ModelError(
                    f"model {card.name!r}: output {name!r} has shape {shapes.get(name)}; "
                    f"expected a last axis of {width}"
                )

    def _broken(self, what: str, error: Exception) -> ModelError:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        return ModelError(f"model {self.card.name!r}: {what}: {reason}")

    def _run(self, feed: dict[str, Array]) -> Mapping[str, Array]:
        session = self._session()
        names = [o.name for o in session.get_outputs()]
        try:
            return dict(zip(names, session.run(None, feed), strict=True))
        except Exception as error:  # of ONNX Runtime's own kinds
            raise self._broken("ONNX Runtime cannot run its graph", error) from error


def find_libraries() -> None:
    """Load CUDA's libraries from pip's packages, where ONNX Runtime's GPU build does not look by itself."""
    import onnxruntime

    if hasattr(onnxruntime, "preload_dlls"):
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does not find
            onnxruntime.preload_dlls()
