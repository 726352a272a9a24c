"""Published emotion2vec checkpoints, read without running anything that is in them.

Layout: ``model.pt`` (a torch archive of a dictionary: the weights, and what training left), ``config.yaml``,
``tokens.txt``. Weights are mapped from the file, not copied; nothing but tensors, numbers, strings and their
containers is accepted from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotrace.errors import LabelError, ModelError
from emotrace.labels import LABELS, label_index
from emotrace.models.checkpoint_archive import OnProgress, load_archive
from emotrace.models.emotion2vec_config import Emotion2vecConfig
from emotrace.results import Array

if TYPE_CHECKING:
    from torch import Tensor

PREFIX = "d2v_model."
"""Published checkpoints put it before every name but those of the head; without it they load as well."""

PRETRAINING = ("modality_encoders.AUDIO.decoder.", "shared_decoder.", "recon_proj.", "_ema", "ema.")
"""Starts of the names of parts that only pre-training uses: the decoder and the teacher."""

ALIBI_SCALE = "modality_encoders.AUDIO.alibi_scale"
UNUSED = "unuse"  # how old revisions begin the lines of labels that the head was not trained for
MAX_TEXT_BYTES = 2 << 20


@dataclass(frozen=True, slots=True, eq=False)
class Emotion2vecCheckpoint:
    """A checkpoint that was read and checked.

    Attributes:
        path: of the file with the weights.
        config: sizes of the network.
        weights: float32 by published name, without :data:`PREFIX`; mapped from the file where they can be.
        labels: the nine, or none for a checkpoint without a head.
        masked: labels that its head was not trained for.
        warnings: what the user should know.
    """

    path: Path
    config: Emotion2vecConfig
    weights: Mapping[str, Array]
    labels: tuple[str, ...]
    masked: tuple[str, ...]
    warnings: tuple[str, ...]


def read_checkpoint(source: Path, on_progress: OnProgress | None = None) -> Emotion2vecCheckpoint:
    """Read a published checkpoint.

    Args:
        source: its folder, or the file with the weights; ``config.yaml`` and ``tokens.txt`` lie beside it.
        on_progress: told how much of the file was checked.

    Raises:
        ModelError: a file is missing or damaged, wants to run code, or is not of an emotion2vec network.
        MissingExtraError: torch or PyYAML is not installed.
    """
    path = source / "model.pt" if source.is_dir() else source
    config = Emotion2vecConfig.from_yaml(_text(path.parent / "config.yaml", "the sizes of the network"))
    content = load_archive(path, on_progress)
    state = _bare_names(_state(content))
    head = any(name.startswith("proj.") for name in state)
    tokens = path.parent / "tokens.txt"
    labels, masked = _labels(tokens, state) if head or tokens.exists() else ((), ())
    weights = _weights(state, config, len(labels))
    warnings = _compare_labels(content, labels, masked) if labels else []
    if masked:
        warnings.insert(
            0,
            f"this is an old revision: its head was not trained for {', '.join(masked)}, which it never "
            "answers; newer revisions know all nine emotions",
        )
    return Emotion2vecCheckpoint(path, config, weights, labels, masked, tuple(warnings))


def _text(path: Path, what: str) -> str:
    try:
        with path.open("rb") as file:
            return file.read(MAX_TEXT_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{str(path)!r} is not UTF-8 text; expected {what}: download it again") from error
    except OSError as error:
        raise ModelError(
            f"{str(path)!r} cannot be read ({error.strerror}); expected {what} there, in a folder with "
            "model.pt, config.yaml and tokens.txt"
        ) from error


def _state(content: Any) -> dict[str, Tensor]:
    """The weights among what training saved, where FunASR looks for them."""
    import torch

    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(content, dict) and key in content:
            content = content[key]
    if not isinstance(content, dict) or not content:
        raise ModelError("the checkpoint holds no dictionary of weights; expected one under 'model'")
    for name, value in content.items():
        if not isinstance(name, str):
            raise ModelError(f"the checkpoint has a weight called {name!r}; expected names")
        if not isinstance(value, torch.Tensor) and not _of_pretraining(name.removeprefix(PREFIX)):
            raise ModelError(f"weight {name!r} is a {type(value).__name__}; expected a tensor")
    return content


def _of_pretraining(name: str) -> bool:
    return name.startswith(PRETRAINING)


def _bare_names(state: dict[str, Tensor]) -> dict[str, Tensor]:
    bare: dict[str, Tensor] = {}
    for name, value in state.items():
        short = name.removeprefix(PREFIX)
        if _of_pretraining(short):
            continue
        if short in bare:
            raise ModelError(
                f"weight {short!r} is there twice, with and without {PREFIX!r}; expected one of them"
            )
        bare[short] = value
    return bare


def _weights(state: dict[str, Tensor], config: Emotion2vecConfig, classes: int) -> dict[str, Array]:
    """Exactly the weights that the network has, each of its shape, float32 and finite."""
    import torch

    from emotrace.models.emotion2vec_network import Emotion2vec

    with torch.device("meta"):
        network = Emotion2vec(config, classes)
    shapes = {name: tuple(value.shape) for name, value in network.state_dict().items()}
    for what, names in {
        "lacks": shapes.keys() - state.keys(),
        "has the unknown": state.keys() - shapes.keys(),
    }.items():
        if names:
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            raise ModelError(
                f"the checkpoint {what} weight {min(names)!r}{more}; expected exactly those of the network "
                "in config.yaml"
            )
    weights = {}
    for name in sorted(shapes):
        value = state[name]
        if name == ALIBI_SCALE:
            value = _scale_of_each_head(value, config)
        if tuple(value.shape) != shapes[name]:
            raise ModelError(
                f"weight {name!r} has the shape {tuple(value.shape)}; expected {shapes[name]}, by config.yaml"
            )
        if not value.is_floating_point() or value.layout != torch.strided:
            raise ModelError(
                f"weight {name!r} is of type {value.dtype}, {value.layout}; expected dense floats"
            )
        value = value.detach().to(torch.float32).contiguous()
        if not bool(torch.isfinite(value).all()):
            raise ModelError(f"weight {name!r} has values that are not finite; the checkpoint is of no use")
        weights[name] = value.numpy()
    return weights


def _scale_of_each_head(value: Tensor, config: Emotion2vecConfig) -> Tensor:
    """(1, 1, heads with a distance bias or 1, 1, 1) -> (1, 1, heads, 1, 1); 1 for heads without a bias."""
    import torch

    if tuple(value.shape) not in {(1, 1, 1, 1, 1), (1, 1, config.alibi_heads, 1, 1)}:
        return value
    value = value.expand(1, 1, config.alibi_heads, 1, 1)
    return torch.nn.functional.pad(value, (0, 0, 0, 0, 0, config.heads - config.alibi_heads), value=1.0)


def _labels(path: Path, state: Mapping[str, Tensor]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The nine labels, and those that an old revision's head does not know, by ``tokens.txt``."""
    if "proj.weight" not in state:
        raise ModelError(
            f"the checkpoint lacks weight 'proj.weight', but {str(path)!r} names labels; remove that file to "
            "use the checkpoint for embeddings only"
        )
    tokens = [line.strip() for line in _text(path, "the labels").splitlines() if line.strip()]
    rows = state["proj.weight"].shape[0] if state["proj.weight"].dim() else 0
    if len(tokens) != len(LABELS) or rows != len(LABELS):
        raise ModelError(
            f"{path.name} has {len(tokens)} labels and the head {rows} classes; "
            f"expected {len(LABELS)} of both"
        )
    masked = tuple(LABELS[i] for i, token in enumerate(tokens) if token.startswith(UNUSED))
    for i, token in enumerate(tokens):
        if not token.startswith(UNUSED) and _index(token) != i:
            raise ModelError(f"line {i + 1} of {path.name} is {token!r}; expected the label {LABELS[i]!r}")
    if len(masked) == len(LABELS):
        raise ModelError(f"{path.name} says that none of its labels is used; expected some that are")
    return LABELS, masked


def _index(token: str) -> int | None:
    try:
        return label_index(token)
    except LabelError:
        return None


def _compare_labels(content: Any, labels: tuple[str, ...], masked: tuple[str, ...]) -> list[str]:
    """Refuse labels of the training that contradict ``tokens.txt``; warn about names that nobody knows."""
    task = content.get("task_state") if isinstance(content, dict) else None
    trained = task.get("labels") if isinstance(task, dict) else None
    if not isinstance(trained, dict) or not trained:
        return []
    unknown = []
    for name, index in trained.items():
        found = _index(str(name))
        if str(name).startswith(UNUSED) or name == "<unk>":
            continue
        if found is None:
            unknown.append(str(name))
        elif found != index:
            raise ModelError(
                f"the checkpoint was trained with {name!r} as class {index}, tokens.txt has it as class "
                f"{found}; expected the same order: the two files do not belong together"
            )
    if len(trained) not in (len(labels), len(labels) - len(masked)):
        raise ModelError(
            f"the checkpoint was trained with {len(trained)} labels, tokens.txt has {len(labels)}; "
            "the two files do not belong together"
        )
    if not unknown:
        return []
    return [f"not compared with tokens.txt are the labels of the training {', '.join(unknown)}"[:300]]
