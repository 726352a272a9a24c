"""The emotion2vec network as an ONNX graph, written operator by operator from its weights, without torch.

It computes what :mod:`emotrace.models.emotion2vec_network` does (sources there) in the order that ONNX
Runtime is fastest at:

- Channels last throughout. A convolution over the waveform is one matrix product over its windows: nothing is
  transposed for the norms, and the product can be quantised like any other.
- The convolutions run over pieces of ``CHUNK`` frames in a ``Scan``, which keeps their activations in the
  cache and their memory bounded; a frame sees the same samples as in one go.
- The distance bias is computed from the input's shape.

In the shapes below B is the batch, N samples, T frames, D ``embed_dim``, H heads, E extra tokens and
L = E + T.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from emotrace.models.emotion2vec_config import EPSILON, MASKED_LOGIT, Emotion2vecConfig
from emotrace.models.onnx_writing import Writer
from emotrace.results import Array

GRAPH_FILE = "model.onnx"
CHUNK = 25
"""Frames of one piece of the waveform's convolutions: half a second."""

ROWS = 256
"""Most tokens that go through a block at once."""

HEADS = 2
"""Heads whose scores are computed together: those of ``ROWS`` tokens then stay in the caches of two cores."""

FAR = 1e30
"""Distance of a key that belongs to padding."""

AUDIO = "modality_encoders.AUDIO."


def write_graph(
    config: Emotion2vecConfig,
    weights: Mapping[str, Array],
    folder: Path,
    *,
    masked: Sequence[int] = (),
    name: str = GRAPH_FILE,
) -> list[str]:
    """Write the float32 graph and, beside it, the file with its weights.

    Inputs of the graph are ``waveform`` float32 (B, N), zeros behind a shorter clip, and ``samples`` int64
    (B,), own samples of each clip, at least ``config.receptive_field``. Outputs are ``logits`` (B, C),
    ``frame_logits`` (B, T, C), ``embedding`` (B, D) and ``frames`` (B, T, D); without a head in the weights
    the last two only. Frames behind a clip's own are of no meaning.

    Args:
        config: sizes of the network.
        weights: float32 arrays under their published names, without ``d2v_model.``.
        folder: where the files go.
        masked: classes that are never the answer.
        name: of the graph's file; its weights go into ``name + ".data"``.

    Returns:
        Names of the files, the graph first.

    Raises:
        MissingExtraError: onnx is not installed.
    """
    return Emotion2vecGraph(config, weights, masked).write(folder, name)


class Emotion2vecGraph:
    """The graph in float32; :mod:`emotrace.models.quantization` overrides the three kinds of products.

    Args:
        config: sizes of the network.
        weights: see :func:`write_graph`.
        masked: classes that are never the answer.
    """

    def __init__(
        self, config: Emotion2vecConfig, weights: Mapping[str, Array], masked: Sequence[int] = ()
    ) -> None:
        self.config = config
        self.weights = weights
        self.masked = list(masked)
        self.g = Writer()

    def write(self, folder: Path, name: str) -> list[str]:
        """Build the graph and write it; see :func:`write_graph`."""
        g = self.g
        samples = g.input("samples", np.int64, ["B"])
        waveform = g.input("waveform", np.float32, ["B", "N"])
        x, own = self.frames(waveform, samples)  # (B, T, D), (B, T)
        x = g.add(x, self.positions(x, own))
        x = self.blocks(x, own)
        g.output(x, "frames", np.float32, ["B", "T", self.config.embed_dim])
        own_frames = g("Unsqueeze", own, g.ints(2))  # B, T, 1
        total = g("ReduceSum", g("Mul", x, own_frames), g.ints(1), keepdims=0)  # B, D
        embedding = g("Div", total, g("ReduceSum", own, g.ints(1), keepdims=1))  # B, D
        g.output(embedding, "embedding", np.float32, ["B", self.config.embed_dim])
        if "proj.weight" in self.weights:
            weight, bias = self.weights["proj.weight"].T.copy(), self.weights["proj.bias"].copy()
            weight[:, self.masked], bias[self.masked] = 0, MASKED_LOGIT
            axes: dict[str, list[str | int]] = {"logits": ["B"], "frame_logits": ["B", "T"]}
            for source, target in ((embedding, "logits"), (x, "frame_logits")):
                product = g("MatMul", source, g.const(weight, "proj.weight"))
                total = g.add(product, g.const(bias, "proj.bias"))
                g.output(total, target, np.float32, [*axes[target], len(bias)])
        return g.write(folder, name)

    # -- the three kinds of products ----------------------------------------------------------------------

    def linear(self, x: str, name: str) -> str:
        """(..., I) -> (..., O) with the weight (O, I) and the bias of this name."""
        product = self.g("MatMul", x, self.g.const(self.weights[f"{name}.weight"].T, f"{name}.weight"))
        return self.g.add(product, self.g.const(self.weights[f"{name}.bias"], f"{name}.bias"))

    def linears(self, x: str, name: str, start: int, stop: int) -> list[str]:
        """Some of the equal parts (..., D) of a product whose weight is (n * D, D), D ``embed_dim``."""
        g, dim, out = self.g, self.config.embed_dim, []
        for i in range(start, stop):
            rows = slice(i * dim, (i + 1) * dim)
            weight = g.const(self.weights[f"{name}.weight"][rows].T, f"{name}.weight.{i}")
            out.append(
                g.add(g("MatMul", x, weight), g.const(self.weights[f"{name}.bias"][rows], f"{name}.bias.{i}"))
            )
        return out

    def convolution(self, x: str, name: str, length: int, stride: int) -> str:
        """(B, length, I) -> (B, ., O) with the weight (O, I, K) of this name, without padding."""
        weight = self.weights[name]  # O, I, K
        windows = self.windows(x, weight.shape[1], length, weight.shape[2], stride)
        return self.g("MatMul", windows, self.g.const(flat_kernel(weight), name))

    def grouped(self, x: str, name: str) -> str:
        """(B, T, D) -> (B, T, D) with the weight (D, D / G, K) and the bias of this name, zeros around."""
        g, kernel = self.g, self.config.conv_pos_kernel
        parts = [g.const(self.weights[f"{name}.{part}"], f"{name}.{part}") for part in ("weight", "bias")]
        pads, groups = [kernel // 2, (kernel - 1) // 2], self.config.conv_pos_groups
        x = g("Transpose", x, perm=[0, 2, 1])  # B, D, T
        return g("Transpose", g("Conv", x, *parts, pads=pads, group=groups), perm=[0, 2, 1])

    # -- from the waveform to frames ----------------------------------------------------------------------

    def frames(self, waveform: str, samples: str) -> tuple[str, str]:
        """Projected frames (B, T, D) and own frames (B, T), 1 or 0."""
        g, config = self.g, self.config
        count = g("Shape", waveform, start=1, end=2)  # (1,): N
        total = self.frame_count(count)  # (1,): T
        pieces = self.pieces(self.normalised(waveform, samples, count), count, total)  # P, B, S
        width = config.conv_layers[-1][0]
        with g.scan(piece=(pieces, ["B", self.piece_samples])) as scan:
            scan.value, scan.shape = self.features(scan.slices["piece"]), ["B", CHUNK, width]
        x = g("Transpose", scan.stacked, perm=[1, 0, 2, 3])  # B, P, CHUNK, channels
        x = g("Reshape", x, g.ints(0, -1, width))
        x = g("Slice", x, g.ints(0), total, g.ints(1))  # B, T, channels
        x = self.norm(x, AUDIO + "project_features.1", EPSILON)
        x = self.linear(x, AUDIO + "project_features.2")  # B, T, D
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

    @property
    def piece_samples(self) -> int:
        """Samples of one piece: those of its frames' hops, and what its last frame sees beyond its hop."""
        return self.config.hop * CHUNK + max(0, self.config.receptive_field - self.config.hop)

    def pieces(self, waveform: str, count: str, total: str) -> str:
        """Overlapping pieces (P, B, piece_samples), zeros behind the end, P = ceil(T / CHUNK)."""
        g, step = self.g, self.config.hop * CHUNK
        number = g("Div", g("Add", total, g.ints(CHUNK - 1)), g.ints(CHUNK))  # (1,): P
        beyond = max(0, self.config.receptive_field - self.config.hop)
        rows = math.ceil(beyond / step) + 1  # a piece, and the whole rows that hold what lies beyond it
        length = g("Mul", g("Add", number, g.ints(rows - 1)), g.ints(step))
        waveform = g("Slice", waveform, g.ints(0), length, g.ints(1))
        missing = g("Max", g("Sub", length, count), g.ints(0))
        padded = g("Pad", waveform, g("Concat", g.ints(0, 0, 0), missing, axis=0))
        x = g("Transpose", g("Reshape", padded, g.ints(0, -1, step)), perm=[1, 0, 2])  # P + rows - 1, B, step
        parts = []
        for row in range(rows):
            part = g("Slice", x, g.ints(row), g("Add", number, g.ints(row)), g.ints(0))
            if row and row * step > beyond:
                part = g("Slice", part, g.ints(0), g.ints(beyond - (row - 1) * step), g.ints(2))
            parts.append(part)
        return parts[0] if len(parts) == 1 else g("Concat", *parts, axis=2)

    def features(self, x: str) -> str:
        """Convolution, norm and GELU, some seven times: (B, piece_samples) -> (B, CHUNK, channels)."""
        g = self.g
        x, length = g("Unsqueeze", x, g.ints(2)), self.piece_samples  # B, S, 1
        for i, (_, kernel, stride) in enumerate(self.config.conv_layers):
            name = f"{AUDIO}local_encoder.conv_layers.{i}"
            product = Emotion2vecGraph.convolution if i == 0 else type(self).convolution
            x = product(self, x, f"{name}.0.weight", length, stride)
            x = self.gelu(self.norm(x, f"{name}.2.1", EPSILON))
            length = (length - kernel) // stride + 1
        return x

    def windows(self, x: str, width: int, length: int, kernel: int, stride: int) -> str:
        """(B, length, width) of any type -> (B, ., kernel * width): what each position of a kernel sees."""
        g, count = self.g, (length - kernel) // stride + 1
        parts = []
        for first in range(0, kernel, stride):
            taps = min(stride, kernel - first)
            if taps == stride:  # whole steps: the rows of each lie one behind the other
                whole = g("Slice", x, g.ints(first), g.ints(first + count * stride), g.ints(1))
                parts.append(g("Reshape", whole, g.ints(0, count, stride * width)))
                continue
            for tap in range(first, first + taps):
                last = tap + (count - 1) * stride + 1
                parts.append(g("Slice", x, g.ints(tap), g.ints(last), g.ints(1), g.ints(stride)))
        return parts[0] if len(parts) == 1 else g("Concat", *parts, axis=2)

    # -- positions ----------------------------------------------------------------------------------------

    def positions(self, x: str, own: str) -> str:
        """Positional convolutions (B, T, D) -> (B, T, D); padding is zeroed before each of them."""
        g, dim = self.g, self.config.embed_dim
        own = g("Unsqueeze", own, g.ints(2))  # B, T, 1
        one, zero = np.ones(dim, np.float32), np.zeros(dim, np.float32)
        for i in range(self.config.conv_pos_depth):
            x = self.grouped(g("Mul", x, own), f"{AUDIO}relative_positional_encoder.{i + 1}.0")
            x = g(
                "LayerNormalization", x, g.const(one, "one"), g.const(zero, "zero"), axis=-1, epsilon=EPSILON
            )
            x = self.gelu(x)
        return x

    # -- transformer --------------------------------------------------------------------------------------

    def blocks(self, x: str, own: str) -> str:
        """Extra tokens put in front, all blocks, extra tokens dropped: (B, T, D) -> (B, T, D).

        Rows (tokens) come first inside, in P pieces of R each; rows behind the last are padding.
        """
        g, config = self.g, self.config
        extra, dim = config.extra_tokens, config.embed_dim
        frames = g("Shape", own, start=1, end=2)  # (1,): T
        length = g("Add", frames, g.ints(extra))
        pieces = g("Div", g("Add", length, g.ints(ROWS - 1)), g.ints(ROWS))  # (1,): P
        rows = g("Div", g("Add", length, g("Sub", pieces, g.ints(1))), pieces)  # (1,): R
        padding = g("Sub", g("Mul", pieces, rows), length)
        own = g("Pad", own, g("Concat", g.ints(0, 0, 0), padding, axis=0))  # B, P * R - E
        x = g("Pad", x, g("Concat", g.ints(0, 0, 0, 0), padding, g.ints(0), axis=0))
        x = g("Transpose", x, perm=[1, 0, 2])  # P * R - E, B, D
        if extra:
            batch = g("Shape", own, start=0, end=1)
            tokens = g.const(self.weights[AUDIO + "extra_tokens"].reshape(extra, 1, dim), "extra_tokens")
            tokens = g("Expand", tokens, g("Concat", g.ints(extra), batch, g.ints(dim), axis=0))
            x = g("Concat", tokens, x, axis=0)  # P * R, B, D
        x = self.norm(x, AUDIO + "context_encoder.norm", config.norm_eps)
        split = g("Concat", pieces, rows, g.ints(-1, dim), axis=0)
        distance = self.distance(own, pieces, rows)  # P, B, 1, R, P * R
        names = [f"{AUDIO}context_encoder.blocks.{i}" for i in range(config.prenet_depth)]
        for name in names + [f"blocks.{i}" for i in range(config.depth)]:
            x = self.block(x, distance, split, name)
        x = g("Slice", x, g.ints(extra), length, g.ints(0))
        return g("Transpose", x, perm=[1, 0, 2])

    def distance(self, own: str, pieces: str, rows: str) -> str:
        """|i - j|, 0 at the extra tokens, far off at keys that are padding: (P, B, 1, R, P * R)."""
        g, extra = self.g, self.config.extra_tokens
        count = g("Cast", g("Squeeze", g("Shape", own, start=1, end=2)), to=1)
        index = g("Range", g.scalar(0.0), count, g.scalar(1.0))
        distance = g("Abs", g("Sub", g("Unsqueeze", index, g.ints(1)), index))
        distance = g("Pad", distance, g.ints(extra, extra, 0, 0))  # P * R, P * R
        foreign = g("Mul", g("Sub", g.floats(1), own), g.floats(FAR))  # 0 or FAR
        foreign = g("Pad", foreign, g.ints(0, extra, 0, 0))  # B, P * R
        distance = g("Add", distance, g("Unsqueeze", foreign, g.ints(1)))  # B, P * R, P * R
        distance = g("Reshape", distance, g("Concat", g.ints(0, 1), pieces, rows, g.ints(-1), axis=0))
        return g("Transpose", distance, perm=[2, 0, 1, 3, 4])

    def block(self, x: str, distance: str, split: str, name: str) -> str:
        """One block (P * R, B, D) -> (P * R, B, D): keys and values at once, the rest by pieces."""
        g, dim = self.g, self.config.embed_dim
        keys, values = (self.by_heads(y) for y in self.linears(x, f"{name}.attn.qkv", 1, 3))
        pieces = g("Reshape", x, split)  # P, R, B, D
        with g.scan(piece=(pieces, ["R", "B", dim]), distance=(distance, ["B", 1, "R", "L"])) as scan:
            x = scan.slices["piece"]
            queries = self.by_heads(*self.linears(x, f"{name}.attn.qkv", 0, 1))
            mixed = self.attention(queries, keys, values, scan.slices["distance"])
            x = self.residual(x, self.linear(mixed, f"{name}.attn.proj"), f"{name}.norm1")
            hidden = self.gelu(self.linear(x, f"{name}.mlp.fc1"))  # R, B, mlp_dim
            x = self.residual(x, self.linear(hidden, f"{name}.mlp.fc2"), f"{name}.norm2")
            scan.value, scan.shape = x, ["R", "B", dim]
        batch = g("Shape", scan.stacked, start=2, end=3)
        return g("Reshape", scan.stacked, g("Concat", g.ints(-1), batch, g.ints(dim), axis=0))

    def by_heads(self, x: str) -> list[str]:
        """(R, B, D) -> for each group of heads (R, B, heads of the group, D / H)."""
        g, heads, groups = self.g, self.config.heads, len(self.groups)
        x = g("Reshape", x, g.ints(0, 0, heads, self.config.embed_dim // heads))
        if groups == 1:
            return [x]
        return g.several(groups, "Split", x, g.ints(*map(len, self.groups)), axis=2)

    @property
    def groups(self) -> list[range]:
        """Heads whose scores are computed together."""
        heads = self.config.heads
        return [range(first, min(first + HEADS, heads)) for first in range(0, heads, HEADS)]

    def attention(self, queries: list[str], keys: list[str], values: list[str], distance: str) -> str:
        """Attention of some queries to all keys, by groups of heads: (R, B, D)."""
        g, scale = self.g, (self.config.embed_dim // self.config.heads) ** -0.5
        scales = np.maximum(self.weights[AUDIO + "alibi_scale"].reshape(-1), 0)
        # Never quite 0, so that padding stays far off.
        slopes = -np.maximum(scales * self.config.alibi_slopes(), 1e-12).astype(np.float32)
        mixed = []
        for heads, query, key, value in zip(self.groups, queries, keys, values, strict=True):
            slope = g.const(slopes[heads].reshape(1, -1, 1, 1), f"slopes_{heads.start}")
            bias = g("Mul", distance, slope)  # B, heads of the group, R, L
            scores = g.fused_matmul(query, key, transBatchA=1, transBatchB=1, transB=1, alpha=scale)
            share = g("Softmax", g.add(scores, bias), axis=-1)
            mixed.append(g.fused_matmul(share, value, transBatchB=1))  # B, heads of the group, R, D / H
        together = g("Transpose", g("Concat", *mixed, axis=1), perm=[2, 0, 1, 3])  # R, B, H, D / H
        return g("Reshape", together, g.ints(0, 0, self.config.embed_dim))

    def residual(self, x: str, change: str, name: str) -> str:
        """Norm of the sum."""
        return self.norm(self.g.add(x, change), name, self.config.norm_eps)

    def norm(self, x: str, name: str, epsilon: float) -> str:
        """Layer norm over the last axis with the weight and the bias of this name."""
        parts = [
            self.g.const(self.weights[f"{name}.{part}"], f"{name}.{part}") for part in ("weight", "bias")
        ]
        return self.g("LayerNormalization", x, *parts, axis=-1, epsilon=epsilon)

    def gelu(self, x: str) -> str:
        """GELU with the error function."""
        return self.g("Gelu", x, domain="com.microsoft")


def flat_kernel(weight: Array) -> Array:
    """(O, I, K) -> (K * I, O): rows in the order of :meth:`Emotion2vecGraph.windows`."""
    return np.ascontiguousarray(weight.transpose(2, 1, 0).reshape(-1, len(weight)))
