"""From a published emotion2vec checkpoint to a model package: graphs, weights for torch, measured figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from emotrace.errors import MissingExtraError, ModelError, OptionError
from emotrace.models import parity
from emotrace.models.catalogue import ATTRIBUTION, LICENCE, LICENCE_URL
from emotrace.models.checkpoint import Emotion2vecCheckpoint, read_checkpoint
from emotrace.models.checkpoint_archive import OnProgress
from emotrace.models.emotion2vec_graph import write_graph
from emotrace.models.example import keep_example
from emotrace.models.installing import check_name, installing
from emotrace.models.package import ModelCard, entry_of, seal_package
from emotrace.models.quantization import CAREFUL_FILE, measure, write_int8_graph
from emotrace.results import Array
from emotrace.timing import SAMPLING_RATE

WEIGHTS = "weights.safetensors"
PRECISIONS = ("fp32", "int8")
MAX_SECONDS = 60.0
"""Longest clip that is fed whole: attention takes memory with the square of it."""

FRAMES_LIMIT = 5e-5
PROBABILITY_LIMIT = 1e-5
"""Where it is made, the graph agrees with the network to this; else something is wrong with one of them."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a checkpoint comes from.

    Attributes:
        hub: that it was downloaded from, or ``"folder"``.
        name: of its repository, or of its folder.
        revision: commit, if it is known.
    """

    hub: Literal["huggingface", "modelscope", "folder"]
    name: str
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class ConversionReport:
    """What a conversion came to.

    Attributes:
        folder: of the new model.
        card: of the new model, with the measured figures.
        warnings: what the user should know.
    """

    folder: Path
    card: ModelCard
    warnings: tuple[str, ...]


def convert(
    source: Path,
    name: str,
    precisions: Sequence[str] = PRECISIONS,
    *,
    home: Path | None = None,
    force: bool = False,
    on_progress: OnProgress | None = None,
    origin: Origin | None = None,
) -> ConversionReport:
    """Convert a published checkpoint and install it.

    The float32 graph is always made, because the int8 graph is measured against it. An int8 graph outside its
    bound is left out; the figures stay, and a warning says so. The model appears under its name at the end,
    whole; an error, a kill or a power cut before that leaves nothing under it.

    Args:
        source: folder with ``model.pt``, ``config.yaml`` and ``tokens.txt``, or the weights' file in it.
        name: to install it under.
        precisions: ``"fp32"``, or ``"fp32"`` and ``"int8"``.
        home: instead of :func:`emotrace.models.registry.home`.
        force: replace what is installed under the name.
        on_progress: told each step, how much of it is done, and how much there is.
        origin: where the checkpoint comes from; None is the folder.

    Raises:
        ModelError: the checkpoint is damaged or not of an emotion2vec network, its graph does not agree with
            it, or the name is taken.
        OptionError: an unknown precision, or no name for a model.
        OutputError: something cannot be written.
        MissingExtraError: the extra ``convert`` is not installed.
    """
    check_request(name, precisions)
    tell = on_progress or (lambda step, done, total: None)
    with installing(name, home=home, force=force, on_progress=on_progress) as folder:
        checkpoint = read_checkpoint(source, on_progress)
        card, warnings = _facts(checkpoint, name, origin), list(checkpoint.warnings)
        masked = [checkpoint.labels.index(label) for label in checkpoint.masked]
        _write_float32(checkpoint, folder, masked, card, tell)
        if "int8" in precisions:
            tell("write the int8 graphs", 0, 0)
            write = partial(write_int8_graph, checkpoint.config, checkpoint.weights, folder, masked=masked)
            int8 = [write(), write(name=CAREFUL_FILE, careful=True)]
        keep_example(source, folder)
        del checkpoint  # and with it the mapped file
        if "int8" in precisions:
            warnings += _judge_int8(folder, int8, card, tell)
        tell("run the graph on the parity clips", 0, 0)
        card["parity"] = _measured(folder, card["graphs"]["fp32"])
        sizes = [p.stat().st_size for p in folder.iterdir()]
        sealed = seal_package(folder, card, on_progress=_counter(tell, "hash the files", sum(sizes)))
    return ConversionReport(folder.with_name(name), sealed, tuple(warnings))


def check_request(name: str, precisions: Sequence[str]) -> None:
    """Refuse what cannot be converted whatever the checkpoint is: for those who have to download it first.

    Raises:
        OptionError: an unknown precision, or no name for a model.
        MissingExtraError: the extra ``convert`` is not installed.
    """
    if not precisions or not set(precisions) <= set(PRECISIONS):
        raise OptionError(f"precisions are {list(precisions)}; expected some of {', '.join(PRECISIONS)}")
    check_name(name)
    _require_libraries()


def _require_libraries() -> None:
    import importlib.util

    missing = [n for n in ("onnx", "safetensors", "torch", "yaml") if importlib.util.find_spec(n) is None]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise MissingExtraError(
            f"converting a checkpoint needs {', '.join(missing)}, which {are} not installed; "
            "pip install 'emotrace[convert]'"
        )


def _facts(checkpoint: Emotion2vecCheckpoint, name: str, origin: Origin | None) -> dict[str, Any]:
    """Fields of the card that the checkpoint tells."""
    config, path = checkpoint.config, checkpoint.path.resolve()
    origin = origin or Origin("folder", path.parent.name or "checkpoint")
    entry = entry_of(path)
    millions = sum(w.size for w in checkpoint.weights.values()) / 1e6
    what = "emotions and embeddings" if checkpoint.labels else "embeddings only, no emotions"
    return {
        "name": name,
        "family": "emotion2vec",
        "version": "1",
        "labels": checkpoint.labels,
        "masked": checkpoint.masked,
        "frame_hop": config.hop / SAMPLING_RATE,
        "frame_size": config.embed_dim,
        "embedding_size": config.embed_dim,
        "min_seconds": config.receptive_field / SAMPLING_RATE,
        "max_seconds": MAX_SECONDS,
        "network": config,
        "track": {"method": "sliding-window", "window": 1.5, "hop": 0.5},
        "description": f"emotion2vec network of {millions:.0f} million parameters, {config.blocks} blocks, "
        f"{config.embed_dim} wide: {what}.",
        "training_data": "As its publishers say; the checkpoint does not tell.",
        "licence": f"{LICENCE} ({LICENCE_URL})",
        "attribution": ATTRIBUTION,
        "source": f"converted from {origin.name} ({origin.hub})",
        "provenance": {
            "hub": origin.hub,
            "origin": origin.name,
            "revision": origin.revision,
            "checkpoint_sha256": entry.sha256,
            "checkpoint_bytes": entry.bytes,
            "converted_with": f"emotrace {version('emotrace')}",
        },
        "intended_use": "Emotion in speech, of a clip and over time; embeddings of speech."
        if checkpoint.labels
        else "Embeddings of speech.",
        "not_for": "Decisions about people: hiring, credit, policing, health.",
    }


def _write_float32(
    checkpoint: Emotion2vecCheckpoint, folder: Path, masked: list[int], card: dict[str, Any], tell: OnProgress
) -> None:
    """The graph, the weights for torch, and what the torch network says about the parity clips."""
    import torch
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    from emotrace.models.emotion2vec_network import Emotion2vec

    tell("write the graph", 0, 0)
    graph, *external = write_graph(checkpoint.config, checkpoint.weights, folder, masked=masked)
    card["graphs"], card["external"] = {"fp32": graph}, {graph: tuple(external)}
    tell("write the weights for torch", 0, 0)
    try:
        save_file(dict(checkpoint.weights), folder / WEIGHTS)
    except SafetensorError as error:  # what a full disk is there
        raise OSError(str(error)) from error
    (folder / WEIGHTS).chmod((folder / graph).stat().st_mode)  # safetensors makes it private
    card["weights"] = WEIGHTS
    network = Emotion2vec.from_weights(checkpoint.config, checkpoint.weights, masked)

    def run(waveform: Array) -> tuple[Array, Array | None]:
        with torch.inference_mode():
            output = network(torch.from_numpy(waveform)[None], torch.tensor([len(waveform)]))
        return output.frames[0].numpy(), None if output.logits is None else output.logits[0].numpy()

    tell("run the network on the parity clips", 0, 0)
    parity.write(folder / parity.FILE, run)


def _judge_int8(
    folder: Path, graphs: Sequence[list[str]], card: dict[str, Any], tell: OnProgress
) -> list[str]:
    """Keep the first int8 graph that is inside its bound; the others go, and if all do, a warning says so."""

    def measured(done: int, total: int) -> None:
        tell("measure the int8 graph", done, total)

    kept = False
    for files in graphs:
        if not kept:
            figures = measure(folder / card["graphs"]["fp32"], folder / files[0], on_progress=measured)
            if kept := figures.within_bound:
                card["graphs"]["int8"], card["external"][files[0]] = files[0], tuple(files[1:])
                continue
        for file in files:
            (folder / file).unlink()
    card["int8"] = figures
    if kept:
        return []
    change = max(figures.utterance_change, figures.frame_change)
    return [
        "int8 is left out, because it differs too much from fp32 on this CPU: both name the same label in "
        f"{figures.utterance_agreement:.1%} of clips and {figures.frame_agreement:.1%} of frames (expected "
        f"{figures.lowest_agreement:.0%} or more), and a probability changes by up to {change:.3f} (expected "
        f"{figures.largest_change:g} or less)"
    ]


def _measured(folder: Path, graph: str) -> dict[str, Any]:
    """How far the graph is from the network.

    Raises:
        ModelError: too far.
    """
    import onnxruntime

    found = parity.compare((folder / parity.FILE).read_bytes(), parity.run_of_graph(folder / graph))
    if found.frames_max_abs > FRAMES_LIMIT or found.probability_max_abs > PROBABILITY_LIMIT:
        raise ModelError(
            f"the converted graph is {found.frames_max_abs:.2g} off the network in its frames and "
            f"{found.probability_max_abs:.2g} in its probabilities; expected {FRAMES_LIMIT:g} and "
            f"{PROBABILITY_LIMIT:g} at most: try another version of ONNX Runtime"
        )
    return {
        "file": parity.FILE,
        "frames_max_abs": found.frames_max_abs,
        "probability_max_abs": found.probability_max_abs,
        "frames_tolerance": parity.FRAMES_TOLERANCE,
        "probability_tolerance": parity.PROBABILITY_TOLERANCE,
        "runtime": f"onnxruntime {onnxruntime.__version__}",
    }


def _counter(tell: OnProgress, step: str, total: float) -> Any:
    done = 0

    def add(count: int) -> None:
        nonlocal done
        done += count
        tell(step, done, total)

    return add
