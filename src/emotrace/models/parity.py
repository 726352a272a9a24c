"""What the source network said about a few clips, kept in the package: any runtime can be compared with it.

The clips are cut from the shipped recording, which is synthetic speech; they go into the file, so that it
needs nothing else.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emotrace.errors import ModelError
from emotrace.models.encoder import Encoder
from emotrace.models.package import ModelPackage
from emotrace.results import Array
from emotrace.sample import sample_path
from emotrace.timing import seconds_to_samples

FILE = "parity.npz"
SPANS = ((1.0, 0.025), (2.0, 0.5), (4.3, 1.7), (7.0, 4.2), (11.0, 10.0))
"""Start and length of each clip in seconds."""

FRAMES_TOLERANCE = 1e-4
"""Of a frame feature: other CPUs add up in another order. Where the package is made it is far less."""

PROBABILITY_TOLERANCE = 1e-4

Run = Callable[[Array], tuple[Array, Array | None]]
"""From a waveform float32 (n,) to its frames (T, D) and its logits (C,), None without a head."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How far a runtime is from the source network.

    Attributes:
        frames_max_abs: largest difference of any frame feature.
        probability_max_abs: largest difference of any probability of a clip.
    """

    frames_max_abs: float
    probability_max_abs: float


def clips() -> list[Array]:
    """The clips, float32, 16 kHz, whole multiples of 1 / 32768.

    >>> [len(clip) for clip in clips()]
    [400, 8000, 27200, 67200, 160000]
    """
    from emotrace.audio import load

    recording = load(sample_path()).samples
    starts = [(seconds_to_samples(start), seconds_to_samples(length)) for start, length in SPANS]
    return [np.round(recording[start : start + n] * 32768) / np.float32(32768) for start, n in starts]


def write(path: Path, run: Run) -> None:
    """Run the source network on the clips and keep what it says.

    Raises:
        OSError: the file cannot be written.
    """
    waveforms = clips()
    results = [run(waveform) for waveform in waveforms]
    arrays: dict[str, Any] = {
        "samples": np.array([len(w) for w in waveforms]),
        "waveforms": (np.concatenate(waveforms) * 32768).astype(np.int16),
        "frame_counts": np.array([len(frames) for frames, _ in results]),
        "frames": np.concatenate([frames for frames, _ in results]).astype(np.float32),
    }
    logits = [values for _, values in results if values is not None]
    if logits:
        arrays["logits"] = np.stack(logits).astype(np.float32)
    with path.open("wb") as file:
        np.savez(file, **arrays)


def compare(content: bytes, run: Run) -> Difference:
    """How far a runtime is from what a parity file says.

    Args:
        content: of the file.
        run: the runtime.

    Raises:
        ModelError: the file is none, or the runtime gives another number of frames or classes.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            arrays = dict(file)
        waveforms = np.split(
            arrays["waveforms"].astype(np.float32) / 32768, np.cumsum(arrays["samples"])[:-1]
        )
        frames = np.split(arrays["frames"], np.cumsum(arrays["frame_counts"])[:-1])
        logits = arrays.get("logits", [None] * len(frames))
        expected = list(zip(waveforms, frames, logits, strict=True))
    except (ValueError, KeyError, TypeError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"{FILE} is no parity file that can be read ({error}); convert the model again"
        ) from error
    frame_differences, probability_differences = [0.0], [0.0]
    for waveform, true_frames, true_logits in expected:
        found_frames, found_logits = run(waveform)
        frame_differences.append(_distance(found_frames, true_frames, "frames"))
        if true_logits is not None and found_logits is not None:
            probabilities = _softmax(found_logits), _softmax(true_logits)
            probability_differences.append(_distance(*probabilities, "probabilities"))
    return Difference(max(frame_differences), max(probability_differences))


def run_of_graph(graph: Path) -> Run:
    """An emotion2vec graph on the CPU, one clip at a time, with ONNX Runtime's own settings."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]

    def run(waveform: Array) -> tuple[Array, Array | None]:
        feed = {"waveform": waveform[None], "samples": np.array([len(waveform)], np.int64)}
        values = dict(zip(names, session.run(None, feed), strict=True))
        return values["frames"][0], values["logits"][0] if "logits" in values else None

    return run


def check_package(package: ModelPackage, encoder: Encoder) -> Difference:
    """How far an encoder is from the network that its package was made from.

    Args:
        package: the model.
        encoder: runs it.

    Raises:
        ModelError: the package has no parity file, a damaged one, or the encoder cannot run.
    """
    if package.card.parity is None:
        raise ModelError(f"model {package.card.name!r} has no parity file; convert it again to get one")

    def run(waveform: Array) -> tuple[Array, Array | None]:
        [encoding] = encoder.encode([waveform])
        return encoding.frames, encoding.logits if len(encoding.logits) else None

    return compare(package.file(package.card.parity.file), run)


def _distance(found: Array, expected: Array, what: str) -> float:
    if found.shape != expected.shape:
        raise ModelError(
            f"the runtime gives {what} of shape {found.shape}; the source network {expected.shape}"
        )
    return float(np.nan_to_num(np.abs(found - expected), nan=np.inf).max())


def _softmax(logits: Array) -> Array:
    weights = np.exp(logits - logits.max())
    return np.asarray(weights / weights.sum(), np.float32)
