"""The first half of the emotion2vec graph: from the waveform to frames, as ONNX operators.

See :mod:`emotrace.models.emotion2vec_graph`, which also says what the letters in the shapes are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from emotrace.models.emotion2vec_config import EPSILON, Emotion2vecConfig
from emotrace.models.onnx_writing import MICROSOFT, Writer
from emotrace.results import Array

CHUNK = 25
"""Most frames of one piece of the waveform's convolutions: half a second."""

AUDIO = "modality_encoders.AUDIO."


class FrameGraph:
    """Writes the operators up to the projected frames, in float32.

    Args:
        config: sizes of the network.
        weights: float32 arrays under their published names, without ``d2v_model.``.

    Attributes:
        g: where the operators go.
    """

    def __init__(self, config: Emotion2vecConfig, weights: Mapping[str, Array]) -> None:
        self.config = config
        self.weights = weights
        self.g = Writer()

    def linear(self, x: str, name: str) -> str:
        """(M, I) -> (M, O) with the weight (O, I) and the bias of this name."""
        return self.linears(x, name, 1, [0])[0]

    def linears(self, x: str, name: str, parts: int, chosen: Sequence[int]) -> list[str]:
        """Some of the equal parts (M, O / parts) of a linear layer (M, I) -> (M, O)."""
        out = []
        for i in chosen:
            weight, bias = (
                self.g.const(np.split(self.weights[f"{name}.{kind}"], parts)[i].T, f"{name}.{kind}.{i}")
                for kind in ("weight", "bias")
            )
            out.append(self.g("Gemm", x, weight, bias))
        return out

    def convolution(self, x: str, layer: int, rows: str) -> str:
        """(B, ., I) -> (B, ., O) without padding; for ``rows`` see :meth:`windows`."""
        name = conv_name(layer)
        weight = self.g.const(flat_kernel(self.weights[name]), name)
        return self.g("MatMul", self.windows(x, layer, rows), weight)

    def frames(self, waveform: str, samples: str) -> tuple[str, str]:
        """Projected frames (B, T, D) and own frames (B, T), 1 or 0."""
        g, config = self.g, self.config
        count = g("Shape", waveform, start=1, end=2)  # (1,): N
        total = self.frame_count(count)  # (1,): T
        pieces, rows = self.pieces(self.normalised(waveform, samples, count), count, total)
        width = config.conv_layers[-1][0]
        with g.scan(piece=(pieces, ["B", "S", config.conv_layers[0][1]])) as scan:
            scan.value, scan.shape = self.features(scan.slices["piece"], rows), ["B", "F", width]
        x = g("Transpose", scan.stacked, perm=[1, 0, 2, 3])  # B, P, F, channels
        x = g("Slice", g("Reshape", x, g.ints(0, -1, width)), g.ints(0), total, g.ints(1))
        x = g("Reshape", x, g.ints(-1, width))  # B * T, channels
        x = self.linear(self.norm(x, AUDIO + "project_features.1", EPSILON), AUDIO + "project_features.2")
        batch = g("Shape", waveform, start=0, end=1)
        x = g("Reshape", x, g("Concat", batch, g.ints(-1, config.embed_dim), axis=0))  # B, T, D
        own = self.below(total, g("Unsqueeze", self.frame_count(samples), g.ints(1)))
        return x, own

    def frame_count(self, samples: str) -> str:
        """Frames of so many samples, int64 of any shape."""
        g = self.g
        for _, kernel, stride in self.config.conv_layers:
            samples = g("Add", g("Div", g("Sub", samples, g.ints(kernel)), g.ints(stride)), g.ints(1))
        return samples

    def below(self, size: str, bound: str) -> str:
        """float32 (B, size): 1 where the index is less than the bound (B, 1), 0 elsewhere."""
        g = self.g
        index = g("Range", g.scalar(0), g("Squeeze", size), g.scalar(1))
        return g("Cast", g("Less", index, bound), to=1)

    def normalised(self, waveform: str, samples: str, count: str) -> str:
        """Mean 0 and variance 1 over each clip's own samples, zeros behind them."""
        g = self.g
        own = self.below(count, g("Unsqueeze", samples, g.ints(1)))  # B, N
        waveform = g("Mul", waveform, own)
        if not self.config.normalize:
            return waveform
        number = g("Unsqueeze", g("Cast", samples, to=11), g.ints(1))  # B, 1
        # Sums in float64: ONNX Runtime adds up one by one, which over a clip loses two digits of float32.
        mean = g("Div", g("ReduceSum", g("Cast", waveform, to=11), g.ints(1)), number)
        waveform = g("Mul", g("Sub", waveform, g("Cast", mean, to=1)), own)
        variance = g("Div", g("ReduceSumSquare", g("Cast", waveform, to=11), g.ints(1)), number)
        epsilon = g.const(np.array([EPSILON]), "epsilon")
        scale = g("Reciprocal", g("Sqrt", g("Add", variance, epsilon)))
        # Times the reciprocal, as torch does: quotients round otherwise, and near-silence magnifies that.
        return g("Mul", waveform, g("Cast", scale, to=1))

    def pieces(self, waveform: str, count: str, total: str) -> tuple[str, list[str]]:
        """P = ceil(T / CHUNK) overlapping pieces of F = ceil(T / P) frames, zeros behind the end.

        Returns:
            What the first convolution sees of each (P, B, S, kernel), and for each convolution after it the
            rows of :meth:`windows`.
        """
        g, config = self.g, self.config
        number = self.ceil(total, g.ints(CHUNK))  # (1,): P
        frames = self.ceil(total, number)  # (1,): F
        outputs = frames
        rows: list[str] = []
        for _, kernel, stride in config.conv_layers[:0:-1]:
            rows.insert(0, "" if kernel == stride else self.rows(outputs, kernel, stride))
            outputs = g("Mul", g("Sub", outputs, g.ints(1)), g.ints(stride))
            outputs = g("Add", outputs, g.ints(kernel))  # of the layer before
        _, kernel, stride = config.conv_layers[0]
        unit, hop = math.gcd(kernel, stride), config.hop
        length = g("Mul", g("Sub", g("Mul", number, frames), g.ints(1)), g.ints(hop))
        length = g("Add", length, g.ints(config.receptive_field))
        waveform = g("Slice", waveform, g.ints(0), length, g.ints(1))
        missing = g("Max", g("Sub", length, count), g.ints(0))
        waveform = g("Pad", waveform, g("Concat", g.ints(0, 0, 0), missing, axis=0))
        step = g("Squeeze", g("Mul", frames, g.ints(hop // unit)))
        starts = g("Mul", g("Range", g.scalar(0), g("Squeeze", number), g.scalar(1)), step)
        first = self.rows(outputs, kernel, stride)  # S, kernel / unit
        seen = g("Add", g("Unsqueeze", starts, g.ints(1, 2)), first)  # P, S, kernel / unit
        windows = g("Gather", g("Reshape", waveform, g.ints(0, -1, unit)), seen, axis=1)
        windows = g("Reshape", windows, g("Concat", g.ints(0), number, g.ints(-1, kernel), axis=0))
        return g("Transpose", windows, perm=[1, 0, 2, 3]), rows

    def ceil(self, a: str, b: str) -> str:
        """Quotient of integers, rounded up."""
        g = self.g
        return g("Div", g("Add", a, g("Sub", b, g.ints(1))), b)

    def features(self, x: str, rows: Sequence[str]) -> str:
        """Convolution, norm and GELU, some seven times: (B, S, kernel) -> (B, F, channels)."""
        first = self.g.const(flat_kernel(self.weights[conv_name(0)]), conv_name(0))
        for layer in range(len(self.config.conv_layers)):
            x = self.convolution(x, layer, rows[layer - 1]) if layer else self.g("MatMul", x, first)
            x = self.gelu(self.norm(x, f"{AUDIO}local_encoder.conv_layers.{layer}.2.1", EPSILON))
        return x

    def rows(self, count: str, kernel: int, stride: int) -> str:
        """int64 (count, kernel / unit): the rows that each position of a kernel sees, see :meth:`windows`."""
        g, unit = self.g, math.gcd(kernel, stride)
        step = stride // unit
        first = g("Range", g.scalar(0), g("Squeeze", g("Mul", count, g.ints(step))), g.scalar(step))
        return g("Add", g("Unsqueeze", first, g.ints(1)), g.ints(*range(kernel // unit)))

    def windows(self, x: str, layer: int, rows: str) -> str:
        """(B, ., I) of any type -> (B, ., kernel * I): what each position of a layer's kernel sees.

        A row is as many positions as divide kernel and stride; ``rows`` says which make up each window. It is
        empty where each row is one.
        """
        g, (_, kernel, stride) = self.g, self.config.conv_layers[layer]
        width, unit = self.config.conv_layers[layer - 1][0], math.gcd(kernel, stride)
        x = g("Reshape", x, g.ints(0, -1, unit * width))
        if not rows:
            return x
        return g("Reshape", g("Gather", x, rows, axis=1), g.ints(0, -1, kernel * width))

    def norm(self, x: str, name: str, epsilon: float) -> str:
        """Layer norm over the last axis with the weight and the bias of this name."""
        parts = [
            self.g.const(self.weights[f"{name}.{part}"], f"{name}.{part}") for part in ("weight", "bias")
        ]
        return self.g("LayerNormalization", x, *parts, axis=-1, epsilon=epsilon)

    def gelu(self, x: str) -> str:
        """GELU with the error function."""
        return self.g("Gelu", x, domain=MICROSOFT)


def conv_name(layer: int) -> str:
    """Name of the weight of a convolution over the waveform."""
    return f"{AUDIO}local_encoder.conv_layers.{layer}.0.weight"


def flat_kernel(weight: Array) -> Array:
    """(O, I, K) -> (K * I, O): rows in the order of :meth:`FrameGraph.windows`."""
    return np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(-1, len(weight)))
