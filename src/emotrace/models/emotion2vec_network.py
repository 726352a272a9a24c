"""The emotion2vec network: waveform in, frames and emotions out, one file, torch.

Conversion and the torch runtime need it; the ONNX graph does the same without torch. Only inference: the
mask, the decoder and the teacher of pre-training are not here.

Sources: emotion2vec, Ma et al. 2023, arXiv 2312.15185; its backbone data2vec 2.0, Baevski et al. 2022,
arXiv 2212.07525; ALiBi, Press et al. 2022, arXiv 2108.12409 (here symmetric, with a learned scale for each
head); the waveform's convolutions are wav2vec 2.0's, arXiv 2006.11477. Names of the parameters are those of
the published checkpoints. Agreement with FunASR's implementation is measured in ``tests/peer``.

In the shapes below B is the batch, N samples, T frames, D ``embed_dim``, H heads, E extra tokens, C classes
and L = E + T. Clips of a batch may differ in length: what lies behind a clip's own samples changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from emotrace.models.emotion2vec_config import EPSILON, MASKED_LOGIT, Emotion2vecConfig


class Output(NamedTuple):
    """What the network says; frames behind a clip's own are of no meaning.

    Attributes:
        logits: (B, C), of the mean frame; None without a head.
        frame_logits: (B, T, C), the same head on each frame; None without a head.
        embedding: (B, D), mean over a clip's own frames.
        frames: (B, T, D).
        lengths: (B,), each clip's own frames.
    """

    logits: Tensor | None
    frame_logits: Tensor | None
    embedding: Tensor
    frames: Tensor
    lengths: Tensor


class Attention(nn.Module):
    """Self-attention (B, L, D) -> (B, L, D) with a bias (1 or B, H, L, L) on the scores."""

    def __init__(self, config: Emotion2vecConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.qkv = nn.Linear(config.embed_dim, 3 * config.embed_dim)
        self.proj = nn.Linear(config.embed_dim, config.embed_dim)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """See the class."""
        qkv = self.qkv(x).unflatten(2, (3, self.heads, -1))  # B, L, 3, H, D / H
        query, key, value = qkv.permute(2, 0, 3, 1, 4)  # each B, H, L, D / H
        x = F.scaled_dot_product_attention(query, key, value, bias)  # B, H, L, D / H
        mixed: Tensor = self.proj(x.transpose(1, 2).flatten(2))  # B, L, D
        return mixed


class Block(nn.Module):
    """Transformer block (B, L, D) -> (B, L, D), norms after the additions."""

    def __init__(self, config: Emotion2vecConfig) -> None:
        super().__init__()
        dim = config.embed_dim
        self.attn = Attention(config)
        self.norm1 = nn.LayerNorm(dim, config.norm_eps)
        self.mlp = nn.ModuleDict(
            {"fc1": nn.Linear(dim, config.mlp_dim), "fc2": nn.Linear(config.mlp_dim, dim)}
        )
        self.norm2 = nn.LayerNorm(dim, config.norm_eps)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        """See the class."""
        x = self.norm1(x + self.attn(x, bias))  # B, L, D
        hidden = F.gelu(self.mlp["fc1"](x))  # B, L, mlp_dim
        out: Tensor = self.norm2(x + self.mlp["fc2"](hidden))  # B, L, D
        return out


class Convolutions(nn.Module):
    """Waveform (B, 1, N) -> (B, channels, T): convolution, norm over channels, GELU, some seven times."""

    def __init__(self, layers: Sequence[tuple[int, int, int]]) -> None:
        super().__init__()
        self.conv_layers = nn.ModuleList()
        before = 1
        for channels, kernel, stride in layers:
            conv = nn.Conv1d(before, channels, kernel, stride, bias=False)
            norm = nn.ModuleDict({"1": nn.LayerNorm(channels, EPSILON)})
            self.conv_layers.append(nn.ModuleDict({"0": conv, "2": norm}))
            before = channels

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        for layer in self.conv_layers:
            parts: Any = layer
            x = parts["0"](x)  # B, channels, frames of this layer
            x = F.gelu(parts["2"]["1"](x.transpose(1, 2)).transpose(1, 2))
        return x


class AudioEncoder(nn.Module):
    """Waveform (B, N) and own samples (B,) -> tokens (B, L, D) after the first blocks, and their bias."""

    def __init__(self, config: Emotion2vecConfig) -> None:
        super().__init__()
        self.config = config
        channels, dim, kernel = config.conv_layers[-1][0], config.embed_dim, config.conv_pos_kernel
        self.local_encoder = Convolutions(config.conv_layers)
        self.project_features = nn.ModuleDict(
            {"1": nn.LayerNorm(channels, EPSILON), "2": nn.Linear(channels, dim)}
        )
        self.relative_positional_encoder = nn.ModuleDict(
            {
                str(1 + i): nn.ModuleList(
                    [nn.Conv1d(dim, dim, kernel, padding=kernel // 2, groups=config.conv_pos_groups)]
                )
                for i in range(config.conv_pos_depth)
            }
        )
        self.extra_tokens = nn.Parameter(torch.zeros(1, config.extra_tokens, dim))
        self.alibi_scale = nn.Parameter(torch.ones(1, 1, config.heads, 1, 1))
        self.context_encoder = nn.ModuleDict(
            {
                "norm": nn.LayerNorm(dim, config.norm_eps),
                "blocks": nn.ModuleList(Block(config) for _ in range(config.prenet_depth)),
            }
        )

    def forward(self, waveform: Tensor, samples: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """See the class; the last of the three is the number of own frames (B,)."""
        waveform = self._normalise(waveform.float(), samples)  # B, N
        x = self.local_encoder(waveform[:, None].to(self.extra_tokens.dtype)).transpose(
            1, 2
        )  # B, T, channels
        x = self.project_features["2"](self.project_features["1"](x))  # B, T, D
        lengths = self._frames(samples)  # B
        own = torch.arange(x.shape[1], device=x.device) < lengths[:, None]  # B, T
        x = x + self._positions(x, own)  # B, T, D
        x = torch.cat([self.extra_tokens.expand(len(x), -1, -1), x], 1)  # B, L, D
        bias = self._bias(own, bool((lengths == own.shape[1]).all()))  # 1 or B, H, L, L
        context: Any = self.context_encoder
        x = context["norm"](x)
        for block in context["blocks"]:
            x = block(x, bias)
        return x, bias, lengths

    def _normalise(self, waveform: Tensor, samples: Tensor) -> Tensor:
        """Mean 0 and variance 1 over a clip's own samples; zeros behind them."""
        out = torch.zeros_like(waveform)  # B, N
        for row, clip, count in zip(out, waveform, samples.tolist(), strict=True):
            own = clip[:count]
            row[:count] = F.layer_norm(own, own.shape, eps=EPSILON) if self.config.normalize else own
        return out

    def _frames(self, samples: Tensor) -> Tensor:
        for _, kernel, stride in self.config.conv_layers:
            samples = torch.div(samples - kernel, stride, rounding_mode="floor") + 1
        return samples

    def _positions(self, x: Tensor, own: Tensor) -> Tensor:
        """Positional convolutions (B, T, D) -> (B, T, D); foreign frames are zeroed before each of them."""
        for layer in self.relative_positional_encoder.values():
            (conv,) = layer.children()
            x = conv((x * own[:, :, None]).transpose(1, 2))[:, :, : own.shape[1]]  # B, D, T
            x = F.gelu(F.layer_norm(x.transpose(1, 2), x.shape[1:2], eps=EPSILON))  # B, T, D
        return x

    def _bias(self, own: Tensor, all_own: bool) -> Tensor:
        """Distance bias (1, H, L, L), 0 at the extra tokens; -inf on foreign frames, then (B, H, L, L)."""
        extra = self.config.extra_tokens
        position = torch.arange(own.shape[1], device=own.device, dtype=torch.float32)
        distance = (position[:, None] - position).abs()  # T, T
        slopes = torch.tensor(self.config.alibi_slopes(), device=own.device)
        slopes = slopes * self.alibi_scale.float().flatten().clamp(min=0)  # H
        bias = F.pad(-slopes[:, None, None] * distance, (extra, 0, extra, 0))[None]  # 1, H, L, L
        if not all_own:
            foreign = F.pad(~own, (extra, 0))  # B, L
            bias = bias.masked_fill(foreign[:, None, None], -torch.inf)  # B, H, L, L
        return bias.to(self.extra_tokens.dtype)


class Emotion2vec(nn.Module):
    """The whole network.

    Args:
        config: its sizes.
        classes: of the head; 0 for a network without one.
        masked: classes that are never the answer.

    >>> config = Emotion2vecConfig(embed_dim=16, heads=2, alibi_heads=2, prenet_depth=1, depth=1,
    ...                            conv_layers=((8, 10, 5), (8, 8, 8)), conv_pos_groups=4)
    >>> network = Emotion2vec(config, classes=9).eval()
    >>> network(torch.zeros(2, 1600), torch.tensor([1600, 800])).frames.shape
    torch.Size([2, 39, 16])
    """

    def __init__(self, config: Emotion2vecConfig, classes: int = 9, masked: Sequence[int] = ()) -> None:
        super().__init__()
        self.config = config
        self.masked = list(masked)
        self.modality_encoders = nn.ModuleDict({"AUDIO": AudioEncoder(config)})
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.proj = nn.Linear(config.embed_dim, classes) if classes else None

    @classmethod
    def from_weights(
        cls, config: Emotion2vecConfig, weights: Mapping[str, Any], masked: Sequence[int] = ()
    ) -> Emotion2vec:
        """A network for inference around given weights, which are not copied.

        Args:
            config: its sizes.
            weights: arrays or tensors under their published names, without ``d2v_model.``.
            masked: classes that are never the answer.
        """
        with torch.device("meta"):
            network = cls(config, len(weights["proj.bias"]) if "proj.bias" in weights else 0, masked)
        network.load_state_dict({k: torch.as_tensor(v) for k, v in weights.items()}, assign=True)
        return network.requires_grad_(False).eval()

    def forward(self, waveform: Tensor, samples: Tensor) -> Output:
        """Run it.

        Args:
            waveform: float (B, N), 16 kHz, zeros behind a shorter clip.
            samples: int64 (B,), own samples of each clip, at least ``config.receptive_field``.
        """
        x, bias, lengths = self.modality_encoders["AUDIO"](waveform, samples)
        for block in self.blocks:
            x = block(x, bias)  # B, L, D
        frames = x[:, self.config.extra_tokens :]  # B, T, D
        own = torch.arange(frames.shape[1], device=x.device) < lengths[:, None]  # B, T
        embedding = (frames.float() * own[:, :, None]).sum(1) / lengths[:, None]  # B, D
        return Output(
            self._head(embedding.to(x.dtype)), self._head(frames), embedding, frames.float(), lengths
        )

    def _head(self, x: Tensor) -> Tensor | None:
        if self.proj is None:
            return None
        logits: Tensor = self.proj(x).float()  # ..., C
        logits[..., self.masked] = MASKED_LOGIT
        return logits
