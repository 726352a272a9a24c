"""ONNX Runtime behind the Encoder seam."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from emotrace.errors import DeviceError, ModelError, OptionError
from emotrace.models.encoder import Encoding, check_length
from emotrace.models.package import ModelPackage
from emotrace.results import Array, ModelInfo

MAX_BATCH_SECONDS = 48.0
"""Waveforms of one batch, together: bounds the memory that a batch takes."""

PRECISIONS = ("auto", "fp32", "int8")
DEVICES = ("auto", "cpu", "cuda")


class OnnxEncoder:
    """A model package run by ONNX Runtime.

    The rule for ``auto``: the CPU, and fp32. Waveforms of equal length share a batch, so nothing is ever
    padded. The session is made on the first call, once, also with many threads.

    Args:
        package: the model.
        precision: ``"auto"``, or one that the package has a graph for.
        device: ``"auto"``, ``"cpu"``, or ``"cuda"`` (needs ONNX Runtime's GPU build).
        threads: for one inference; 0 leaves it to ONNX Runtime, which takes every core.

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
        self.card = package.card
        self._package = package
        self._precision = _choose_precision(package, precision)
        self._device = _choose_device(device)
        if threads < 0:
            raise OptionError(f"threads is {threads}; expected 0 (all cores) or more")
        self._threads = threads
        self._lock = threading.Lock()
        self._loaded: Any = None

    @property
    def info(self) -> ModelInfo:
        """Which graph runs, and where."""
        import onnxruntime

        return ModelInfo(
            self.card.name,
            self._package.revision(self.card.graphs[self._precision]),  # type: ignore[index]
            self._precision,
            self._device,
            f"onnxruntime {onnxruntime.__version__}",
            self._threads,
        )

    def _session(self) -> Any:
        if self._loaded is None:
            with self._lock:
                if self._loaded is None:
                    self._loaded = self._load()
        return self._loaded

    def _load(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 3
        # Waiting threads sleep: another session, or the decoder, can have the core.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        graph = self._package.file(self.card.graphs[self._precision])  # type: ignore[index]
        provider = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}[self._device]
        try:
            session = onnxruntime.InferenceSession(graph, options, providers=[provider])
        except Exception as error:  # of ONNX Runtime's own kinds
            raise self._broken("ONNX Runtime cannot load its graph", error) from error
        if provider not in session.get_providers():  # it goes on without, with no more than a line in its log
            raise DeviceError(
                f"device {self._device!r} was asked for, but ONNX Runtime could not start it; check the "
                "driver and its libraries, or use device 'cpu'"
            )
        self._check_shapes(session)
        return session

    def _check_shapes(self, session: Any) -> None:
        """Refuse a graph whose inputs or outputs are not those that the card promises."""
        inputs = {"waveform"} | ({"reference", "has_reference"} if self.card.speaker_reference else set())
        found = {i.name for i in session.get_inputs()}
        if found != inputs:
            raise ModelError(
                f"model {self.card.name!r}: its graph has the inputs {sorted(found)}; "
                f"expected {sorted(inputs)}"
            )
        shapes = {o.name: o.shape for o in session.get_outputs()}
        expected = {
            "logits": len(self.card.labels),
            "frame_logits": len(self.card.labels),
            "embedding": self.card.embedding_size,
            "frames": self.card.frame_size,
        }
        if self.card.speaker_reference:
            expected["spectrum"] = self.card.reference_size
        for name, width in expected.items():
            if not shapes.get(name) or shapes[name][-1] != width:
                raise ModelError(
                    f"model {self.card.name!r}: output {name!r} has shape {shapes.get(name)}; "
                    f"expected a last axis of {width}"
                )

    def _broken(self, what: str, error: Exception) -> ModelError:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        return ModelError(f"model {self.card.name!r}: {what}: {reason}")

    def encode(
        self, waveforms: Sequence[Array], references: Sequence[Array | None] | None = None
    ) -> list[Encoding]:
        """See :meth:`emotrace.models.encoder.Encoder.encode`."""
        for waveform in waveforms:
            check_length(len(waveform), self.card)
        given = references if references is not None else [None] * len(waveforms)
        if len(given) != len(waveforms):
            raise ValueError(f"{len(waveforms)} waveforms came with {len(given)} references")
        out: list[Encoding | None] = [None] * len(waveforms)
        by_length: dict[int, list[int]] = {}
        for i, waveform in enumerate(waveforms):
            by_length.setdefault(len(waveform), []).append(i)
        for length, members in by_length.items():
            size = max(1, int(MAX_BATCH_SECONDS * self.card.sampling_rate / length))
            for start in range(0, len(members), size):
                chosen = members[start : start + size]
                results = self._run([waveforms[i] for i in chosen], [given[i] for i in chosen])
                for i, result in zip(chosen, results, strict=True):
                    out[i] = result
        return [e for e in out if e is not None]

    def _run(self, waveforms: list[Array], references: list[Array | None]) -> list[Encoding]:
        feed = {"waveform": np.stack(waveforms)}
        if size := self.card.reference_size:
            empty = np.zeros(size, np.float32)
            feed["reference"] = np.stack([empty if r is None else r for r in references])
            feed["has_reference"] = np.array([[float(r is not None)] for r in references], np.float32)
        session = self._session()
        names = [o.name for o in session.get_outputs()]
        try:
            values = dict(zip(names, session.run(None, feed), strict=True))
        except Exception as error:  # of ONNX Runtime's own kinds
            raise self._broken("ONNX Runtime cannot run its graph", error) from error
        count = len(waveforms)
        spectrum = values.get("spectrum", np.zeros((count, 0), np.float32))
        active = values.get("active_seconds", np.zeros(count, np.float32))
        return [
            Encoding(
                values["logits"][i] / np.float32(self.card.temperature),
                values["embedding"][i],
                values["frames"][i],
                values["frame_logits"][i] / np.float32(self.card.temperature),
                spectrum[i],
                float(active[i]),
            )
            for i in range(count)
        ]


def _choose_precision(package: ModelPackage, precision: str) -> str:
    if precision not in PRECISIONS:
        raise OptionError(f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)}")
    chosen = "fp32" if precision == "auto" else precision
    if chosen not in package.card.graphs:
        there = ", ".join(package.card.graphs)
        raise DeviceError(f"model {package.card.name!r} has no {chosen} graph; it has: {there}")
    return chosen


def _choose_device(device: str) -> str:
    if device not in DEVICES:
        raise OptionError(f"device is {device!r}; expected one of {', '.join(DEVICES)}")
    if device == "cuda":
        import onnxruntime

        if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
            raise DeviceError(
                "device 'cuda' was asked for, but ONNX Runtime has no CUDA provider here; "
                "install onnxruntime-gpu and a driver, or use device 'cpu'"
            )
    return "cuda" if device == "cuda" else "cpu"
