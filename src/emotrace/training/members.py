"""One member of the compact model's ensemble: trained, refined, kept in a file.

A module of its own because worker processes import it; what ``__main__`` defines, they cannot find.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import torch

from emotrace.models.compact_network import Crnn
from emotrace.training import validation
from emotrace.training.corpora import JUDGED, Store, build_store
from emotrace.training.fit import new_network, train
from emotrace.training.recipe import Recipe, refinements

REFINED_SHARE = 0.7
"""How far the weights go from the first phase to the mean of the refined ones: clean speech gains by it as by
going all the way, and noise costs less."""


def say(text: str) -> None:
    """One line of the log, at once."""
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)  # noqa: T201


def train_member(data: Path, runs: Path, recipe: Recipe, device: str = "cpu") -> Path:
    """Train one member on the training speakers, unless that was done; its file."""
    path = runs / f"member-{recipe.seed}.pt"
    settings = json.dumps(asdict(recipe), sort_keys=True)
    if path.exists() and torch.load(path, weights_only=True)["recipe"] == settings:
        say(f"member {recipe.seed} is there")
        return path
    torch.set_num_threads(1)
    store = build_store(data, runs)
    chosen = [i for i, clip in enumerate(store.clips) if clip.split == "train"]
    first = _first_phase(runs, store, chosen, recipe, settings, device)
    network = refine(first, store, chosen, recipe, device)
    clips = [i for i, clip in enumerate(store.clips) if clip.split == "validation" and clip.corpus in JUDGED]
    for name, reference in (("clip alone", None), ("with reference", validation.references(store, clips))):
        recall = validation.recall_by_corpus(
            store, clips, validation.predict(network, store, clips, reference)
        )
        say(f"member {recipe.seed}, validation speakers, {name}: {recall}")
    torch.save({"state": network.state_dict(), "recipe": settings}, path)
    return path


def refine(first: Crnn, store: Store, chosen: list[int], recipe: Recipe, device: str) -> Crnn:
    """The second phase, and the weights between both: better than either (Wortsman et al. 2022).

    Sources: arXiv 2203.05482 (the mean of networks refined from the same weights) and 2109.01903 (between the
    weights before and after).
    """
    report = lambda line: say(f"network {recipe.seed}, refined: {line}")  # noqa: E731
    refined = [train(store, chosen, r, report, first, device).state_dict() for r in refinements(recipe)]
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
    runs: Path, store: Store, chosen: list[int], recipe: Recipe, settings: str, device: str
) -> Crnn:
    """The network before its refinement; kept, because it is most of the work."""
    path = runs / f"member-{recipe.seed}-first.pt"
    if path.exists() and torch.load(path, weights_only=True)["recipe"] == settings:
        return load_members([path], recipe)[0]
    network = train(store, chosen, recipe, lambda line: say(f"member {recipe.seed}: {line}"), device=device)
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
