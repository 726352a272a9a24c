"""What a published ``config.yaml`` says about an emotion2vec network: every size and switch, checked.

Sources: the configurations that FunASR publishes with the checkpoints; emotion2vec, arXiv 2312.15185;
ALiBi's slopes, Press et al. 2022, arXiv 2108.12409.
"""

from __future__ import annotations

import ast
import math
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from emotrace.errors import MissingExtraError, ModelError
from emotrace.timing import count_frames

EPSILON = 1e-5
"""Added to a variance: of the waveform, of each convolution's channels, of the projected features."""

MASKED_LOGIT = -1e4
"""Logit of a class that is never the answer: its probability is 0, and it can still be interpolated."""

MAX_CONFIG_BYTES = 1_000_000
MAX_LAYERS = 64
MAX_WIDTH = 8192
MAX_SPAN = 1024

Width = Annotated[int, Field(ge=1, le=MAX_WIDTH)]
Layers = Annotated[int, Field(ge=0, le=MAX_LAYERS)]
Span = Annotated[int, Field(ge=1, le=MAX_SPAN)]


class Emotion2vecConfig(BaseModel):
    """Every size of an emotion2vec network.

    Attributes:
        embed_dim: D, width of a frame.
        heads: attention heads of each block; D is a multiple.
        alibi_heads: how many of them have a distance bias; the first ones.
        prenet_depth: blocks of the audio encoder.
        depth: blocks after it.
        mlp_ratio: hidden width of a block's two linear layers divided by D.
        conv_layers: (channels, kernel, stride) of each convolution over the waveform.
        conv_pos_width: kernel of all positional convolutions together, in frames.
        conv_pos_depth: positional convolutions.
        conv_pos_groups: groups of each of them.
        extra_tokens: learned tokens before the frames.
        normalize: whether the waveform is brought to mean 0 and variance 1.
        norm_eps: added to the variance in the layer norms before and inside the blocks.

    >>> config = Emotion2vecConfig(embed_dim=768, heads=12, alibi_heads=12, prenet_depth=4, depth=8)
    >>> config.frames(16000), config.receptive_field, config.hop, config.blocks
    (49, 400, 320, 12)
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    embed_dim: Width
    heads: Width
    alibi_heads: Width
    prenet_depth: Layers
    depth: Layers
    mlp_ratio: float = Field(default=4.0, gt=0, le=16)
    conv_layers: tuple[tuple[Width, Span, Span], ...] = (
        (512, 10, 5),
        *((512, 3, 2),) * 4,
        *((512, 2, 2),) * 2,
    )
    conv_pos_width: Span = 95
    conv_pos_depth: Annotated[int, Field(ge=1, le=MAX_LAYERS)] = 5
    conv_pos_groups: Width = 16
    extra_tokens: int = Field(default=10, ge=0, le=MAX_SPAN)
    normalize: bool = True
    norm_eps: float = Field(default=1e-5, gt=0, le=1)

    @model_validator(mode="after")
    def _fits(self) -> Emotion2vecConfig:
        if not 1 <= len(self.conv_layers) <= MAX_LAYERS:
            raise ValueError(f"there are {len(self.conv_layers)} convolutions; expected 1 to {MAX_LAYERS}")
        if self.hop > 16_000:
            raise ValueError(f"a frame comes every {self.hop} samples; expected a second of them at most")
        if self.alibi_heads > self.heads:
            raise ValueError(f"{self.alibi_heads} of {self.heads} heads have a distance bias")
        for name in ("heads", "conv_pos_groups"):
            if self.embed_dim % getattr(self, name):
                raise ValueError(f"embed_dim {self.embed_dim} is no multiple of {name} {getattr(self, name)}")
        return self

    @property
    def blocks(self) -> int:
        """Transformer blocks, those of the audio encoder included."""
        return self.prenet_depth + self.depth

    @property
    def mlp_dim(self) -> int:
        """Hidden width of a block's two linear layers."""
        return int(self.embed_dim * self.mlp_ratio)

    @property
    def conv_pos_kernel(self) -> int:
        """Kernel of one positional convolution; ``kernel // 2`` zeros before, ``(kernel - 1) // 2`` after."""
        return max(3, self.conv_pos_width // self.conv_pos_depth)

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        return math.prod(stride for _, _, stride in self.conv_layers)

    @property
    def receptive_field(self) -> int:
        """Samples that one frame sees: the shortest waveform."""
        field = 1
        for _, kernel, stride in reversed(self.conv_layers):
            field = (field - 1) * stride + kernel
        return field

    def frames(self, samples: int) -> int:
        """Frames of a waveform; 0 if it is shorter than :attr:`receptive_field`."""
        for _, kernel, stride in self.conv_layers:
            samples = count_frames(samples, kernel, stride)
        return samples

    def alibi_slopes(self) -> tuple[float, ...]:
        """Slope of each head's distance bias, ``heads`` of them; 0 where there is none.

        >>> config = Emotion2vecConfig(embed_dim=8, heads=4, alibi_heads=3, prenet_depth=1, depth=1,
        ...                            conv_pos_groups=4)
        >>> config.alibi_slopes()
        (0.0625, 0.00390625, 0.25, 0.0)
        """
        return (*_slopes(self.alibi_heads), *[0.0] * (self.heads - self.alibi_heads))

    @classmethod
    def from_yaml(cls, text: str) -> Emotion2vecConfig:
        """Read a published ``config.yaml``.

        Args:
            text: content of the file.

        Raises:
            ModelError: it is no YAML, not of an emotion2vec network, or asks for what this one has not.
            MissingExtraError: PyYAML is not installed.
        """
        published = _Published.read(text)
        conf, audio = published.model_conf, published.model_conf.modalities.audio
        try:
            return cls(
                embed_dim=conf.embed_dim,
                heads=conf.num_heads,
                alibi_heads=conf.num_heads if audio.num_alibi_heads is None else audio.num_alibi_heads,
                prenet_depth=audio.prenet_depth,
                depth=conf.depth,
                mlp_ratio=conf.mlp_ratio,
                conv_layers=parse_spec(audio.feature_encoder_spec),
                conv_pos_width=audio.conv_pos_width,
                conv_pos_depth=audio.conv_pos_depth,
                conv_pos_groups=audio.conv_pos_groups,
                extra_tokens=audio.num_extra_tokens,
                normalize=conf.normalize,
                norm_eps=conf.norm_eps,
            )
        except ValidationError as error:
            raise _refused(error) from error


def _slopes(heads: int) -> list[float]:
    """ALiBi's geometric slopes; other counts than powers of two take every second one of the next power."""
    power = 2 ** (heads.bit_length() - 1)
    slopes = [2.0 ** (-8 * (i + 1) / power) for i in range(power)]
    return slopes if power == heads else slopes + _slopes(2 * power)[::2][: heads - power]


def parse_spec(text: str) -> tuple[tuple[int, int, int], ...]:
    """Read a convolution list that is written as a Python expression, without running it.

    Only whole numbers, tuples, lists, ``+`` of lists and ``* number`` of a list are understood.

    Raises:
        ModelError: anything else is in it, or it would be too long.

    >>> parse_spec("[(512, 10, 5)] + [(512, 3, 2)] * 2")
    ((512, 10, 5), (512, 3, 2), (512, 3, 2))
    """
    shown = text if len(text) <= 60 else text[:57] + "..."
    expected = "a list of (channels, kernel, stride) such as '[(512, 10, 5)] + [(512, 3, 2)] * 4'"
    try:
        if len(text) > 1000:
            raise ValueError
        return tuple(_items(ast.parse(text.strip(), mode="eval").body))
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise ModelError(f"feature_encoder_spec is {shown!r}; expected {expected}") from error


def _items(node: ast.expr) -> list[tuple[int, int, int]]:
    match node:
        case ast.List(elts=elements):
            items, times = [_triple(e) for e in elements], 1
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            items, times = _items(left) + _items(right), 1
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            items, times = _items(left), _number(right)
        case _:
            raise ValueError
    if len(items) * times > MAX_LAYERS:
        raise ValueError
    return items * times


def _triple(node: ast.expr) -> tuple[int, int, int]:
    if isinstance(node, ast.Tuple | ast.List) and len(node.elts) == 3:
        channels, kernel, stride = (_number(e) for e in node.elts)
        return channels, kernel, stride
    raise ValueError


def _number(node: ast.expr) -> int:
    if isinstance(node, ast.Constant) and type(node.value) is int and 0 < node.value <= MAX_WIDTH:
        return node.value
    raise ValueError


class _Audio(BaseModel):
    """``model_conf.modalities.audio``: what inference needs, and switches that have one known position."""

    prenet_depth: int
    num_extra_tokens: int
    feature_encoder_spec: str
    conv_pos_width: int
    conv_pos_groups: int
    conv_pos_depth: int
    num_alibi_heads: int | None = None
    extractor_mode: Literal["layer_norm"]
    use_alibi_encoder: Literal[True]
    conv_pos_pre_ln: Literal[False] = False
    learned_alibi: Literal[False] = False
    learned_alibi_scale_per_layer: Literal[False] = False


class _Modalities(BaseModel):
    audio: _Audio


class _ModelConf(BaseModel):
    embed_dim: int
    num_heads: int
    depth: int
    mlp_ratio: float
    norm_eps: float
    normalize: bool
    norm_affine: Literal[True] = True
    layer_norm_first: Literal[False] = False
    modalities: _Modalities


class _Published(BaseModel):
    model: Literal["Emotion2vec"]
    model_conf: _ModelConf

    @classmethod
    def read(cls, text: str) -> _Published:
        """Parse and check the YAML."""
        try:
            import yaml
        except ImportError as error:
            raise MissingExtraError(
                "reading a published checkpoint needs PyYAML, which is not installed; "
                "pip install 'emotrace[convert]'"
            ) from error
        if len(text) > MAX_CONFIG_BYTES:
            raise ModelError(f"config.yaml has {len(text)} characters; expected a few thousand")
        try:
            return cls.model_validate(yaml.safe_load(text))
        except (yaml.YAMLError, RecursionError) as error:
            reason = str(getattr(error, "problem", None) or error).splitlines()[0]
            raise ModelError(
                f"config.yaml is no YAML that can be read ({reason}); download it again"
            ) from error
        except ValidationError as error:
            raise _refused(error) from error


def _refused(error: ValidationError) -> ModelError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the whole"
    message = first["msg"].removeprefix("Value error, ")
    return ModelError(
        f"config.yaml does not describe an emotion2vec network that emotrace has: {where}: {message}"
    )
