"""One member of the compact model's ensemble: trained, refined, kept in a file.

A module of its own because worker processes import it; what ``__main__`` defines, they cannot find.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from emotrace.models.compact_network import Crnn
from emotrace.training import validation
from emotrace.training.corpora import JUDGED, Store, build_store
from emotrace.training.fit import train
from emotrace.training.recipe import Recipe, refinements
from emotrace.training.teachers import answers_of, teach, teacher_recipe

REFINED_SHARE = 0.7
"""How far the weights go from the first phase to the mean of the refined ones: clean speech gains by it as by
going all the way, and noise costs less."""


def say(text: str) -> None:
    """One line of the log, at once."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)  # noqa: T201


def new_network(recipe: Recipe) -> Crnn:
    """An untrained network of the recipe's shape."""
    return Crnn(recipe.mel_channels, recipe.pitch_channels, recipe.width, recipe.hidden, recipe.dropout)


def train_teacher(data: Path, runs: Path, recipe: Recipe, part: int, device: str = "cpu") -> Path:
    """Train one teacher of the members and keep its answers, unless that was done; their file."""
    path = runs / f"teacher-{part}.npz"
    settings = _settings(teacher_recipe(recipe, part))
    if path.exists() and str(np.load(path)["recipe"]) == settings:
        say(f"teacher {part} is there")
        return path
    store, chosen = _material(data, runs)
    report = lambda line: say(f"teacher {part}: {line}")  # noqa: E731
    clips, answers = teach(store, chosen, recipe, part, report, device)
    right = np.mean(answers.argmax(1) == [store.clips[i].label for i in clips])
    say(f"teacher {part}, speakers that it did not hear: {right:.3f} of {len(clips)} clips")
    np.savez(path, recipe=settings, clips=clips, answers=answers)
    return path


def train_member(
    data: Path, runs: Path, recipe: Recipe, device: str = "cpu", teachers: Sequence[Path] = ()
) -> Path:
    """Train one member on the training speakers, unless that was done; its file.

    Args:
        data: folder of the corpora.
        runs: where the features and members lie.
        recipe: of this member.
        device: ``"cpu"`` or ``"cuda"``.
        teachers: files of :func:`train_teacher`; none if the recipe is not ``soft``.
    """
    path = runs / f"member-{recipe.seed}.pt"
    settings = _settings(recipe)
    if path.exists() and torch.load(path, weights_only=True)["recipe"] == settings:
        say(f"member {recipe.seed} is there")
        return path
    store, chosen = _material(data, runs)
    kept = [np.load(file) for file in teachers]
    answers = answers_of(store, [(k["clips"], k["answers"]) for k in kept]) if kept else None
    first = _first_phase(runs, store, chosen, recipe, device, answers)
    network = refine(first, store, chosen, recipe, device, answers)
    clips = [i for i, clip in enumerate(store.clips) if clip.split == "validation" and clip.corpus in JUDGED]
    for name, reference in (("clip alone", None), ("with reference", validation.references(store, clips))):
        recall = validation.recall_by_corpus(
            store, clips, validation.predict(network, store, clips, reference)
        )
        say(f"member {recipe.seed}, validation speakers, {name}: {recall}")
    torch.save({"state": network.state_dict(), "recipe": settings}, path)
    return path


def _material(data: Path, runs: Path) -> tuple[Store, list[int]]:
    """The features, and the clips to train on, for a process of one thread."""
    torch.set_num_threads(1)
    store = build_store(data, runs)
    return store, [i for i, clip in enumerate(store.clips) if clip.split == "train"]


def _settings(recipe: Recipe) -> str:
    return json.dumps(asdict(recipe), sort_keys=True)


def refine(
    first: Crnn,
    store: Store,
    chosen: list[int],
    recipe: Recipe,
    device: str,
    answers: NDArray[np.float32] | None = None,
) -> Crnn:
    """The second phase, and the weights between both: better than either (Wortsman et al. 2022).

    Sources: arXiv 2203.05482 (the mean of networks refined from the same weights) and 2109.01903 (between the
    weights before and after).
    """
    report = lambda line: say(f"network {recipe.seed}, refined: {line}")  # noqa: E731
    refined = [
        train(store, chosen, r, report, first, device, answers).state_dict() for r in refinements(recipe)
    ]
    before = first.state_dict()
    network = new_network(recipe).eval()
    network.load_state_dict(
        {
            name: torch.lerp(before[name], torch.stack([r[name] for r in refined]).mean(0), REFINED_SHARE)
            if before[name].is_floating_point()
            else refined[0][name]
            for name in before
        }
    )
    return network


def _first_phase(
    runs: Path,
    store: Store,
    chosen: list[int],
    recipe: Recipe,
    device: str,
    answers: NDArray[np.float32] | None,
) -> Crnn:
    """The network before its refinement; kept, because it is most of the work."""
    path, settings = runs / f"member-{recipe.seed}-first.pt", _settings(recipe)
    if path.exists() and torch.load(path, weights_only=True)["recipe"] == settings:
        return load_members([path], recipe)[0]
    report = lambda line: say(f"member {recipe.seed}: {line}")  # noqa: E731
    network = train(store, chosen, recipe, report, device=device, answers=answers)
    torch.save({"state": network.state_dict(), "recipe": settings}, path)
    return network


def load_members(paths: Sequence[Path], recipe: Recipe) -> list[Crnn]:
    """Trained members in evaluation mode."""
    networks = []
    for path in paths:
        network = new_network(recipe)
        network.load_state_dict(torch.load(path, weights_only=True)["state"])
        networks.append(network.eval())
    return networks
