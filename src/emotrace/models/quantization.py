"""The int8 graph of an emotion2vec network, and the measurement that tells whether it can be trusted.

Weights are int8, symmetric, one scale for each output channel. Activations are uint8, with the range that
they have in this piece of this clip (dynamic quantisation): there is nothing to calibrate, and nothing that
another loudness or language could leave the range of. Unsigned times signed is what AVX-512 VNNI and AVX-VNNI
multiply; on x86 processors without them, sums of two products can saturate, which is why
:func:`measure` has the last word on each machine. Every matrix product but the first convolution (ten samples
wide), the attention's own and the head is quantised; norms, GELU and softmax are float32.

Because the range is one for all that goes through a product together, a batch of several waveforms would
mix them: the runtime gives this graph one waveform at a time.

Sources: Jacob et al. 2018, arXiv 1712.05877; the operators are ONNX Runtime's ``DynamicQuantizeLinear``,
``DynamicQuantizeMatMul`` and ``MatMulIntegerToFloat``.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotrace.models.card import Int8Figures
from emotrace.models.cpu import cpu_name, int8_instructions
from emotrace.models.emotion2vec_config import Emotion2vecConfig
from emotrace.models.emotion2vec_frames import AUDIO, conv_name, flat_kernel
from emotrace.models.emotion2vec_graph import Emotion2vecGraph
from emotrace.models.onnx_writing import MICROSOFT
from emotrace.results import Array
from emotrace.sample import sample_path
from emotrace.timing import SAMPLING_RATE, seconds_to_samples

INT8_FILE = "model.int8.onnx"
CAREFUL_FILE = "model.int8-careful.onnx"
SECONDS = (0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 4.5, 6.5, 10.0, 15.0, 30.0)
"""Lengths of the clips that are measured by default."""

BEFORE_BLOCKS = tuple(
    AUDIO + part for part in ("local_encoder.", "project_features.", "relative_positional_encoder.")
)
"""How the names of the weights start that a frame passes before the first block."""

SPEED_CLIPS = 5
SPEED_SECONDS = (1.0, 5.0)
"""So many clips of these lengths tell the speed: longer ones say the same and take their time."""


def write_int8_graph(
    config: Emotion2vecConfig,
    weights: Mapping[str, Array],
    folder: Path,
    *,
    masked: Sequence[int] = (),
    name: str = INT8_FILE,
    careful: bool = False,
) -> list[str]:
    """Write the int8 graph; its inputs, outputs and files are those of ``write_graph``.

    Args:
        config: sizes of the network.
        weights: float32 arrays under their published names, without ``d2v_model.``.
        folder: where the files go.
        masked: classes that are never the answer.
        name: of the graph's file; its weights go into ``name + ".data"``.
        careful: leave everything before the blocks in float32. That is where most of the error comes from,
            and a third of the operations; the graph is still about twice as fast as in float32.

    Raises:
        MissingExtraError: onnx is not installed.
    """
    return Int8Graph(config, weights, masked, BEFORE_BLOCKS if careful else ()).write(folder, name)


class Int8Graph(Emotion2vecGraph):
    """The graph with quantised products; see the module.

    Args:
        config: sizes of the network.
        weights: see :func:`write_int8_graph`.
        masked: classes that are never the answer.
        exact: how the names of the weights start whose products stay float32.
    """

    def __init__(
        self,
        config: Emotion2vecConfig,
        weights: Mapping[str, Array],
        masked: Sequence[int] = (),
        exact: tuple[str, ...] = (),
    ) -> None:
        super().__init__(config, weights, masked)
        self.exact = exact

    def linear(self, x: str, name: str) -> str:
        """See :meth:`Emotion2vecGraph.linear`."""
        if name.startswith(self.exact):
            return super().linear(x, name)
        g = self.g
        weight, scale = quantise(self.weights[f"{name}.weight"].T, 0)
        constants = [g.const(weight, f"{name}.weight"), g.const(scale.ravel(), f"{name}.scale")]
        bias = g.const(self.weights[f"{name}.bias"], f"{name}.bias")
        return g("DynamicQuantizeMatMul", x, *constants, "", bias, domain=MICROSOFT)

    def linears(self, x: str, name: str, parts: int, chosen: Sequence[int]) -> list[str]:
        """See :meth:`Emotion2vecGraph.linears`."""
        if name.startswith(self.exact):
            return super().linears(x, name, parts, chosen)
        quantised = self.quantised(x)
        weights, biases = (np.split(self.weights[f"{name}.{kind}"], parts) for kind in ("weight", "bias"))
        return [self.product(quantised, weights[i].T, f"{name}.{i}", biases[i]) for i in chosen]

    def convolution(self, x: str, layer: int, rows: str) -> str:
        """See :meth:`Emotion2vecGraph.convolution`."""
        name = conv_name(layer)
        if name.startswith(self.exact):
            return super().convolution(x, layer, rows)
        values, scale, zero = self.quantised(x)
        windows = self.windows(values, layer, rows)
        return self.product((windows, scale, zero), flat_kernel(self.weights[name]), name)

    def grouped(self, x: str, name: str) -> str:
        """See :meth:`Emotion2vecGraph.grouped`: one product of windows for each group."""
        if name.startswith(self.exact):
            return super().grouped(x, name)
        g, kernel, groups = self.g, self.config.conv_pos_kernel, self.config.conv_pos_groups
        width = self.config.embed_dim // groups
        values, scale, zero = self.quantised(x)
        values = g("Pad", values, g.ints(0, kernel // 2, 0, 0, (kernel - 1) // 2, 0), zero)
        values = g("Reshape", values, g.ints(0, 0, groups, width))
        values = g("Transpose", values, perm=[0, 2, 1, 3])  # B, G, T + K - 1, D / G
        taps = [
            g("Slice", values, g.ints(tap), g.ints(tap - kernel + 1 or 2**62), g.ints(2))
            for tap in range(kernel)
        ]
        windows = g("Concat", *taps, axis=3)  # B, G, T, K * D / G
        weight = self.weights[f"{name}.weight"].reshape(groups, width, width, kernel)  # G, O, I, K
        weight = weight.transpose(0, 3, 2, 1).reshape(1, groups, kernel * width, width)
        x = self.product((windows, scale, zero), weight, name)  # B, G, T, D / G
        x = g("Reshape", g("Transpose", x, perm=[0, 2, 1, 3]), g.ints(0, 0, self.config.embed_dim))
        return g.add(x, g.const(self.weights[f"{name}.bias"], f"{name}.bias"))

    def quantised(self, x: str) -> tuple[str, str, str]:
        """uint8 values, their scale and their zero."""
        values, scale, zero = self.g.several(3, "DynamicQuantizeLinear", x)
        return values, scale, zero

    def product(
        self, quantised: tuple[str, str, str], weight: Array, name: str, bias: Array | None = None
    ) -> str:
        """Quantised values (..., M, K) times a weight (..., K, N), float32."""
        g, (values, scale, zero) = self.g, quantised
        integers, scales = quantise(weight, -2)
        scales = scales if scales.ndim > 2 else scales.ravel()
        inputs = [g.const(integers, f"{name}.weight"), scale, g.const(scales, f"{name}.scale"), zero]
        inputs += [] if bias is None else ["", g.const(bias, f"{name}.bias")]
        return g("MatMulIntegerToFloat", values, *inputs, domain=MICROSOFT)


def quantise(weight: Array, axis: int) -> tuple[NDArray[np.int8], Array]:
    """Symmetric int8 with one scale along an axis.

    Args:
        weight: float32.
        axis: over which the scale is shared.

    Returns:
        Integers from -127 to 127, and the scale, whose ``axis`` has length 1.

    >>> integers, scale = quantise(np.array([[1.0, -4.0], [0.5, 2.0]], np.float32), 0)
    >>> integers.tolist(), scale.shape
    ([[127, -127], [64, 64]], (1, 2))
    """
    scale = np.abs(weight).max(axis=axis, keepdims=True) / np.float32(127)
    scale = np.where(scale > 0, scale, np.float32(1)).astype(np.float32)
    return np.clip(np.rint(weight / scale), -127, 127).astype(np.int8), scale


def sample_clips(seconds: Sequence[float] = SECONDS, copies: int = 3) -> list[Array]:
    """Speech of many lengths, cut from the shipped synthetic sample, which repeats where it is too short.

    Args:
        seconds: lengths.
        copies: cuts of each length, spread over the sample; of those over 10 s there is one.

    Returns:
        float32 (n,) each, 16 kHz.

    >>> [len(clip) / 16000 for clip in sample_clips((0.5, 30.0), copies=2)]
    [0.5, 0.5, 30.0]
    """
    from emotrace.audio import load

    speech = load(sample_path()).samples
    clips = []
    for length in map(seconds_to_samples, seconds):
        for copy in range(copies if length <= 10 * SAMPLING_RATE else 1):
            start = (copy * len(speech)) // copies
            clips.append(np.resize(np.roll(speech, -start), length))
    return clips


def measure(
    fp32: Path,
    int8: Path,
    clips: Sequence[Array] | None = None,
    *,
    speech: str = "shipped synthetic speech",
    on_progress: Callable[[int, int], None] | None = None,
) -> Int8Figures:
    """How far the int8 graph is from the fp32 graph on this CPU, and how much faster it is (on one core).

    Of a model without a head the embeddings are compared: the change is the cosine distance, and they agree
    where it is within the bound.

    Args:
        fp32: the float32 graph.
        int8: the int8 graph.
        clips: float32 (n,) each, 16 kHz; by default :func:`sample_clips`.
        speech: what the clips are, for the record.
        on_progress: called with clips done and clips in all.
    """
    import onnxruntime

    clips = sample_clips() if clips is None else clips
    sessions = [_session(path) for path in (fp32, int8)]
    compared: dict[str, list[Array]] = {"utterance": [], "frame": []}
    changes: dict[str, list[Array]] = {"utterance": [], "frame": []}
    ratios: list[float] = []
    limit = Int8Figures.model_fields["largest_change"].default
    for done, clip in enumerate(clips, 1):
        feed = {"waveform": clip[None], "samples": np.array([len(clip)])}
        exact, rough = (_outputs(session, feed) for session in sessions)
        shortest, longest = map(seconds_to_samples, SPEED_SECONDS)
        if shortest <= len(clip) <= longest and len(ratios) < SPEED_CLIPS:
            ratios.append(_time_ratio(sessions, feed))
        for kind, scores, vectors in (
            ("utterance", "logits", "embedding"),
            ("frame", "frame_logits", "frames"),
        ):
            same, change = (
                _compare_scores(exact[scores], rough[scores])
                if scores in exact
                else _compare_vectors(exact[vectors], rough[vectors], limit)
            )
            compared[kind].append(same.ravel())
            changes[kind].append(change.ravel())
        if on_progress:
            on_progress(done, len(clips))
    return Int8Figures(
        utterance_agreement=float(np.mean(np.concatenate(compared["utterance"]))),
        frame_agreement=float(np.mean(np.concatenate(compared["frame"]))),
        utterance_change=float(np.max(np.concatenate(changes["utterance"]))),
        frame_change=float(np.max(np.concatenate(changes["frame"]))),
        speed_ratio=statistics.median(ratios) if ratios else _time_ratio(sessions, feed),
        clips=len(clips),
        speech=speech,
        cpu=cpu_name(),
        instructions=int8_instructions(),
        runtime=f"onnxruntime {onnxruntime.__version__}",
    )


def _session(graph: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    return onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])


def _outputs(session: Any, feed: dict[str, NDArray[Any]]) -> dict[str, Array]:
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feed), strict=True))


def _time_ratio(sessions: Sequence[Any], feed: dict[str, NDArray[Any]]) -> float:
    """Time of the first session divided by that of the second, both warm, in turn; the median of three.

    Sessions of one thread run in the calling one, whose CPU time does not count what other programs do.
    """
    seconds: list[list[float]] = [[], []]
    for _, (session, taken) in itertools.product(range(3), zip(sessions, seconds, strict=True)):
        started = time.thread_time()
        session.run(None, feed)
        taken.append(time.thread_time() - started)
    return statistics.median(seconds[0]) / max(statistics.median(seconds[1]), 1e-9)


def _compare_scores(exact: Array, rough: Array) -> tuple[Array, Array]:
    """Same likeliest class or not, and the largest change of a probability: both without the last axis."""
    difference = np.abs(_softmax(exact) - _softmax(rough)).max(axis=-1)
    same: Array = exact.argmax(axis=-1) == rough.argmax(axis=-1)
    return same, difference


def _compare_vectors(exact: Array, rough: Array, limit: float) -> tuple[Array, Array]:
    """Cosine distance within the limit or not, and the distance: both without the last axis."""
    norms = np.linalg.norm(exact, axis=-1) * np.linalg.norm(rough, axis=-1)
    distance = np.clip(1 - (exact * rough).sum(axis=-1) / np.maximum(norms, 1e-12), 0, 1)
    same: Array = distance <= limit
    return same, distance


def _softmax(logits: Array) -> Array:
    shares = np.exp(logits - logits.max(axis=-1, keepdims=True))
    out: Array = shares / shares.sum(axis=-1, keepdims=True)
    return out
