"""The emotion2vec network as an ONNX graph, written operator by operator from its weights, without torch.

It computes what :mod:`emotrace.models.emotion2vec_network` does (sources there) in the order that ONNX
Runtime is fastest at:

- Channels last throughout. A convolution over the waveform is one matrix product over its windows: nothing is
  transposed for the norms, and the product can be quantised like any other.
- The convolutions run over pieces of at most ``CHUNK`` frames in a ``Scan``, which keeps their activations in
  the cache and their memory bounded; a frame sees the same samples as in one go.
- Attention takes as many heads at once as ``SCORES`` allows.
- The distance bias is computed from the input's shape.

In the shapes below B is the batch, N samples, T frames, D ``embed_dim``, H heads, E extra tokens and
L = E + T.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from emotrace.models.emotion2vec_config import EPSILON, MASKED_LOGIT, Emotion2vecConfig
from emotrace.models.emotion2vec_frames import AUDIO, FrameGraph
from emotrace.results import Array

GRAPH_FILE = "model.onnx"
ROWS = 256
"""Most tokens that go through a block at once."""

SCORES = 3 << 18
"""Most scores that are computed at once, but for those of one head: 3 MB stay in the caches of two cores."""

FAR = 1e30
"""Distance of a key that belongs to padding."""


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


class Layout(NamedTuple):
    """How attention is cut: R tokens at a time to all P * R, in G groups of heads.

    Attributes:
        pieces: int64 (1,): P.
        heads: int64 (5,): (., B, G, H / G, D / H), the shape of tokens by heads.
        slopes: float32 (G, H / G, 1, 1, 1), of the distance bias.
        distance: float32 (P, 1, B, R, P * R).
    """

    pieces: str
    heads: str
    slopes: str
    distance: str


class Emotion2vecGraph(FrameGraph):
    """The graph in float32; :mod:`emotrace.models.quantization` overrides the three kinds of products.

    Args:
        config: sizes of the network.
        weights: see :func:`write_graph`.
        masked: classes that are never the answer.
    """

    def __init__(
        self, config: Emotion2vecConfig, weights: Mapping[str, Array], masked: Sequence[int] = ()
    ) -> None:
        super().__init__(config, weights)
        self.masked = list(masked)

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

    def grouped(self, x: str, name: str) -> str:
        """(B, T, D) -> (B, T, D) with the weight (D, D / G, K) and the bias of this name, zeros around."""
        g, kernel = self.g, self.config.conv_pos_kernel
        parts = [g.const(self.weights[f"{name}.{part}"], f"{name}.{part}") for part in ("weight", "bias")]
        pads, groups = [kernel // 2, (kernel - 1) // 2], self.config.conv_pos_groups
        x = g("Transpose", x, perm=[0, 2, 1])  # B, D, T
        return g("Transpose", g("Conv", x, *parts, pads=pads, group=groups), perm=[0, 2, 1])

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
        batch, frames = g("Shape", own, start=0, end=1), g("Shape", own, start=1, end=2)  # (1,): B, T
        length = g("Add", frames, g.ints(extra))
        pieces = self.ceil(length, g.ints(ROWS))  # (1,): P
        rows = self.ceil(length, pieces)  # (1,): R
        padding = g("Sub", g("Mul", pieces, rows), length)
        own = g("Pad", own, g("Concat", g.ints(0, 0, 0), padding, axis=0))  # B, P * R - E
        x = g("Pad", x, g("Concat", g.ints(0, 0, 0, 0), padding, g.ints(0), axis=0))
        x = g("Transpose", x, perm=[1, 0, 2])  # P * R - E, B, D
        if extra:
            tokens = g.const(self.weights[AUDIO + "extra_tokens"].reshape(extra, 1, dim), "extra_tokens")
            tokens = g("Expand", tokens, g("Concat", g.ints(extra), batch, g.ints(dim), axis=0))
            x = g("Concat", tokens, x, axis=0)  # P * R, B, D
        x = self.norm(g("Reshape", x, g.ints(-1, dim)), AUDIO + "context_encoder.norm", config.norm_eps)
        layout = self.layout(own, pieces, rows, batch)
        names = [f"{AUDIO}context_encoder.blocks.{i}" for i in range(config.prenet_depth)]
        for name in names + [f"blocks.{i}" for i in range(config.depth)]:
            x = self.block(x, layout, name)
        x = g("Reshape", x, g("Concat", g.ints(-1), batch, g.ints(dim), axis=0))  # P * R, B, D
        return g("Transpose", g("Slice", x, g.ints(extra), length, g.ints(0)), perm=[1, 0, 2])

    def layout(self, own: str, pieces: str, rows: str, batch: str) -> Layout:
        """As few groups of heads as there can be."""
        g, heads = self.g, self.config.heads
        divisors = [n for n in range(1, heads + 1) if heads % n == 0]
        scores = g("Mul", g("Mul", g.ints(heads), batch), g("Mul", pieces, g("Mul", rows, rows)))
        less = g("Cast", g("Less", g.ints(*divisors[:-1]), self.ceil(scores, g.ints(SCORES))), to=7)
        groups = g("Gather", g.ints(*divisors), g("ReduceSum", less))  # (1,): G
        width = g.ints(self.config.embed_dim // heads)
        shape = g("Concat", g.ints(-1), batch, groups, g("Div", g.ints(heads), groups), width, axis=0)
        scales = np.maximum(self.weights[AUDIO + "alibi_scale"].reshape(-1), 0)
        # Never quite 0, so that padding stays far off.
        slopes = -np.maximum(scales * self.config.alibi_slopes(), 1e-12).astype(np.float32)
        grouped = g("Reshape", g.const(slopes, "slopes"), g("Concat", groups, g.ints(-1, 1, 1, 1), axis=0))
        return Layout(pieces, shape, grouped, self.distance(own, pieces, rows))

    def distance(self, own: str, pieces: str, rows: str) -> str:
        """|i - j|, 0 at the extra tokens, far off at keys that are padding: (P, 1, B, R, P * R)."""
        g, extra = self.g, self.config.extra_tokens
        count = g("Cast", g("Squeeze", g("Shape", own, start=1, end=2)), to=1)
        index = g("Range", g.scalar(0.0), count, g.scalar(1.0))
        distance = g("Abs", g("Sub", g("Unsqueeze", index, g.ints(1)), index))
        distance = g("Pad", distance, g.ints(extra, extra, 0, 0))  # P * R, P * R
        foreign = g("Mul", g("Sub", g.floats(1), own), g.floats(FAR))  # 0 or FAR
        foreign = g("Pad", foreign, g.ints(0, extra, 0, 0))  # B, P * R
        distance = g("Add", distance, g("Unsqueeze", foreign, g.ints(1)))  # B, P * R, P * R
        distance = g("Reshape", distance, g("Concat", g.ints(0, 1), pieces, rows, g.ints(-1), axis=0))
        return g("Transpose", distance, perm=[2, 1, 0, 3, 4])

    def block(self, x: str, layout: Layout, name: str) -> str:
        """One block (P * R * B, D) -> (P * R * B, D): keys and values at once, the rest by pieces."""
        g, dim = self.g, self.config.embed_dim
        keys, values = (self.by_heads(y, layout) for y in self.linears(x, f"{name}.attn.qkv", 3, [1, 2]))
        pieces = g("Reshape", x, g("Concat", layout.pieces, g.ints(-1, dim), axis=0))  # P, R * B, D
        with g.scan(piece=(pieces, ["M", dim]), distance=(layout.distance, [1, "B", "R", "L"])) as scan:
            x = scan.slices["piece"]
            [query] = self.linears(x, f"{name}.attn.qkv", 3, [0])
            queries = self.by_heads(query, layout)
            mixed = self.attention(queries, keys, values, scan.slices["distance"], layout)
            x = self.residual(x, self.linear(mixed, f"{name}.attn.proj"), f"{name}.norm1")
            hidden = self.gelu(self.linear(x, f"{name}.mlp.fc1"))  # R * B, mlp_dim
            x = self.residual(x, self.linear(hidden, f"{name}.mlp.fc2"), f"{name}.norm2")
            scan.value, scan.shape = x, ["M", dim]
        return g("Reshape", scan.stacked, g.ints(-1, dim))

    def by_heads(self, x: str, layout: Layout) -> str:
        """(M * B, D) -> (G, H / G, B, M, D / H)."""
        return self.g("Transpose", self.g("Reshape", x, layout.heads), perm=[2, 3, 1, 0, 4])

    def attention(self, queries: str, keys: str, values: str, distance: str, layout: Layout) -> str:
        """Attention of some queries to all keys, by groups of heads: (R * B, D)."""
        g, width = self.g, self.config.embed_dim // self.config.heads
        with g.scan(
            query=(queries, ["h", "B", "R", width]),
            key=(keys, ["h", "B", "L", width]),
            value=(values, ["h", "B", "L", width]),
            slope=(layout.slopes, ["h", 1, 1, 1]),
        ) as scan:
            query, key, value, slope = scan.slices.values()
            scores = g.fused_matmul(query, key, transB=1, alpha=width**-0.5)  # H / G, B, R, L
            share = g("Softmax", g.add(scores, g("Mul", distance, slope)), axis=-1)
            scan.value, scan.shape = g("MatMul", share, value), ["h", "B", "R", width]
        together = g("Transpose", scan.stacked, perm=[3, 2, 0, 1, 4])  # R, B, G, H / G, D / H
        return g("Reshape", together, g.ints(-1, self.config.embed_dim))

    def residual(self, x: str, change: str, name: str) -> str:
        """Norm of the sum."""
        return self.norm(self.g.add(x, change), name, self.config.norm_eps)
