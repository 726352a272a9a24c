"""Command line of the recipe: ``python -m emotrace.training train|cross-validate|baselines|evaluate``."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from emotrace.errors import EmotraceError
from emotrace.models.compact_network import Crnn
from emotrace.training import validation
from emotrace.training.card import add_figures, set_temperature, write_card
from emotrace.training.corpora import Store, build_store
from emotrace.training.fit import train
from emotrace.training.members import load_members, refine, say, train_member
from emotrace.training.recipe import Recipe

FOLDS = 3
MEMBERS = 3


def recipe_of(args: argparse.Namespace, seed: int) -> Recipe:
    """The recipe of a member."""
    return replace(Recipe(), seed=seed, passes=args.passes, draws_per_pass=args.draws)


def command_train(args: argparse.Namespace) -> None:
    """Features, members (one process with one thread each, all at the same time), package."""
    os.environ["OMP_NUM_THREADS"] = "1"  # one thread per member
    build_store(args.data, args.runs)
    say("features are ready")
    recipes = [recipe_of(args, seed) for seed in range(args.members)]
    context = multiprocessing.get_context("spawn")
    with context.Pool(len(recipes)) as pool:
        paths = pool.starmap(
            train_member, [(args.data, args.runs, r, args.device) for r in recipes], chunksize=1
        )
    say(f"trained: {', '.join(map(str, paths))}")
    command_package(args)


def command_member(args: argparse.Namespace) -> None:
    """Train one member only."""
    train_member(args.data, args.runs, recipe_of(args, args.seed), args.device)


def command_package(args: argparse.Namespace) -> None:
    """Make the package; its bias of ``unknown`` and its temperature come from the validation speakers."""
    from emotrace.recognition import Recognizer
    from emotrace.training.protocol import UNKNOWN, Protocol, half_temperature, unknown_bias

    paths = [args.runs / f"member-{seed}.pt" for seed in range(args.members)]
    write_card(load_members(paths, Recipe()), args.out)
    protocol = Protocol(args.data, "validation", Recognizer(str(args.out)), say)
    bias = unknown_bias(protocol.answers(protocol.speech, protocol.noisy).probabilities)
    networks = load_members(paths, Recipe())
    for network in networks:
        with torch.no_grad():
            network.head.bias[UNKNOWN] += bias
            network.frame_head.bias[UNKNOWN] += bias
    write_card(networks, args.out)
    say(f"bias of unknown {bias}")
    protocol.recognizer = Recognizer(str(args.out))
    parts = [protocol.answers(protocol.speech, reference_clips=k) for k in (0, 10)]
    temperature = half_temperature(
        np.concatenate([p.probabilities for p in parts]), np.concatenate([p.truth for p in parts])
    )
    set_temperature(args.out, temperature)
    say(f"{args.out}: temperature {temperature}; mean recall {[round(p.mean_recall(), 3) for p in parts]}")


def command_cross_validate(args: argparse.Namespace) -> None:
    """Train on all folds but one, predict that one; over training and validation speakers, never test.

    Both phases; on clean speech and on speech with the fold's own sounds at 10 dB. Full length takes 15
    minutes on a GPU; on a CPU, ``--passes 18`` takes half an hour.
    """
    torch.set_num_threads(1)
    store = build_store(args.data, args.runs)
    fold_of = validation.fold_of(store, FOLDS)
    clips: list[int] = []
    logits = []
    for fold in range(FOLDS):
        chosen = [i for i, f in enumerate(fold_of) if f not in (fold, -1)]
        held_out = [i for i, f in enumerate(fold_of) if f == fold and store.clips[i].corpus != "emogator"]
        recipe = recipe_of(args, fold)
        report = lambda line, fold=fold: say(f"fold {fold}: {line}")  # noqa: E731
        first = train(store, chosen, recipe, report, device=args.device)
        network = refine(first, store, chosen, recipe, args.device)
        clean = _predict_both(network, store, held_out, f"fold {fold}")
        noisy = validation.with_sounds(args.data, store, held_out)
        if noisy is not None:
            _predict_both(network, noisy, list(range(len(noisy.clips))), f"fold {fold}, noise at 10 dB")
        clips += held_out
        logits.append(clean)
    np.savez(args.runs / "cross-validation.npz", clips=clips, logits=np.concatenate(logits))
    for column, name in enumerate(("clip alone", "with reference")):
        values = np.concatenate(logits)[:, column]
        say(f"all folds, {name}: {validation.recall_by_corpus(store, clips, values)}")


def _predict_both(network: Crnn, store: Store, clips: list[int], what: str) -> NDArray[np.float32]:
    """Logits (n, 2, 9), without and with a speaker reference; their recalls are told."""
    both = []
    for name, reference in (("clip alone", None), ("with reference", validation.references(store, clips))):
        both.append(validation.predict(network, store, clips, reference))
        say(f"{what}, {name}: {validation.recall_by_corpus(store, clips, both[-1])}")
    return np.stack(both, 1)


def command_baselines(args: argparse.Namespace) -> None:
    """The two classic baselines."""
    from emotrace.training.baselines import run_baselines

    figures = run_baselines(args.data, args.runs, args.split, say)
    say(json.dumps(figures, indent=2))


def command_evaluate(args: argparse.Namespace) -> None:
    """The report over one split, through the packaged model."""
    from emotrace.recognition import Recognizer
    from emotrace.training.protocol import Protocol

    figures = Protocol(args.data, args.split, Recognizer(str(args.model)), say, args.pairs).run()
    args.runs.mkdir(parents=True, exist_ok=True)
    (args.runs / f"report-{args.split}.json").write_text(json.dumps(figures, indent=2) + "\n")
    if args.split == "test":
        add_figures(args.model, figures, args.split)
    say(json.dumps(figures, indent=2))


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(prog="python -m emotrace.training", description=__doc__)
    commands = parser.add_subparsers(required=True)
    builtin = Path(__file__).parent.parent / "models" / "builtin" / "compact"
    for name, function in (
        ("train", command_train),
        ("member", command_member),
        ("package", command_package),
        ("cross-validate", command_cross_validate),
        ("baselines", command_baselines),
        ("evaluate", command_evaluate),
    ):
        sub = commands.add_parser(name, help=(function.__doc__ or "").splitlines()[0])
        sub.set_defaults(run=function)
        sub.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of the corpora")
        sub.add_argument("--runs", type=Path, default=Path("runs"), help="features, members, logs")
        sub.add_argument("--passes", type=int, default=Recipe.passes, help="of the first phase")
        sub.add_argument("--draws", type=int, default=Recipe.draws_per_pass, help="clips of one pass")
        sub.add_argument("--pairs", type=int, default=300, help="joined utterances of the report")
        sub.add_argument("--members", type=int, default=MEMBERS)
        sub.add_argument("--seed", type=int, default=0, help="of the one member")
        sub.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
        sub.add_argument("--split", choices=["validation", "test"], default="validation")
        sub.add_argument("--out", type=Path, default=builtin, help="package folder to write")
        sub.add_argument("--model", type=Path, default=builtin, help="package folder to judge")
    args = parser.parse_args()
    args.runs.mkdir(parents=True, exist_ok=True)
    try:
        args.run(args)
    except EmotraceError as problem:
        sys.exit(f"emotrace: {problem}")


if __name__ == "__main__":
    main()
