"""How much smoothing helps, on real utterances joined at known times.

``python benchmarks/smoothing.py --split test [--out FILE.json]`` prints the tables of docs/smoothing.md as
Markdown, then the same as JSON. ``--split validation --tune`` searches the parameters of the hidden Markov
chain; nothing is ever chosen on ``test``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.run import commit, machine
from benchmarks.stitched import Stitched, frame_truth, speaker_reference, stitched
from emotrace.labels import LABELS
from emotrace.pipeline import PipelineOptions, analyse
from emotrace.postprocess.methods import (
    chain_of,
    smooth,
    smooth_rows,
    smoother_of,
    utterance_by_last,
    utterance_by_vote,
)
from emotrace.postprocess.options import EVIDENCE, SmoothingOptions, prior_of
from emotrace.postprocess.presets import BUILTIN
from emotrace.postprocess.verdict import judge
from emotrace.recognition import Recognizer
from emotrace.results import EmotionTrack
from emotrace.timing import SAMPLING_RATE
from emotrace.training.corpora import JUDGED, Clip, emotional_clips, read_clip

FOUND_SECONDS = 0.5
REAL_SECONDS = 1.0
CALM = 2.2
CALM_EVIDENCE = 3.5  # chosen with the trend: fewer false switches than EWMA .05, and more accurate
SPEED_STEPS = 100_000

Prior: TypeAlias = tuple[float, ...] | None


def methods(prior: Prior) -> dict[str, SmoothingOptions | None]:
    """The rows of the table."""
    of = SmoothingOptions.of
    return {
        "none": None,
        "vote 5": of(method="vote", window=5),
        "vote 25": of(method="vote", window=25),
        "EWMA .3": of(method="ewma", alpha=0.3),
        "EWMA .05": of(method="ewma", alpha=0.05),
        "median 25": of(method="median", window=25),
        "HMM online, lag 0": of(method="hmm-online", lag=0, prior=prior),
        "HMM online, lag 0, calm": of(method="hmm-online", lag=0, evidence=CALM_EVIDENCE, prior=prior),
        "HMM online, lag 0.5 s": of(method="hmm-online", lag=0.5, prior=prior),
        "HMM offline": of(method="hmm", prior=prior),
        "HMM offline, Viterbi": of(method="viterbi", prior=prior),
    }


@dataclass(frozen=True)
class Case:
    """A recording with known changes and the track that was read from it."""

    recording: Stitched
    track: EmotionTrack
    truth: NDArray[np.int64]


def cases(
    data: Path, split: str, count: int, recognizer: Recognizer, reference: bool, **how: Any
) -> list[Case]:
    """Tracks of the built-in model over stitched recordings."""
    out = []
    for recording in stitched(data, split, count):
        given = speaker_reference(recognizer, data, recording) if reference else None
        source = (recording.samples, SAMPLING_RATE)
        track = recognizer.recognize(source, reference=given, frames=True, whole_seconds=600, **how).track
        assert track is not None
        out.append(Case(recording, track, frame_truth(recording, track.times, track.hop)))
    return out


def labels_of(track: EmotionTrack) -> NDArray[np.int64]:
    """Emotion of each step; a step without speech is -1, and counts as wrong."""
    rows = track.probabilities
    return np.where(np.isnan(rows[:, 0]), -1, np.nan_to_num(rows, nan=-1.0).argmax(axis=1))


def matched(real: Sequence[float], guessed: Sequence[float], within: float) -> list[float]:
    """Distances of changes to guesses, nearest first, each used once."""
    pairs = sorted((abs(a - b), i, j) for i, a in enumerate(real) for j, b in enumerate(guessed))
    used: tuple[set[int], set[int]] = (set(), set())
    out = []
    for distance, i, j in pairs:
        if distance <= within + 1e-6 and i not in used[0] and j not in used[1]:
            used[0].add(i)
            used[1].add(j)
            out.append(distance)
    return out


def score(material: Sequence[Case], tracks: Sequence[EmotionTrack]) -> dict[str, float]:
    """Figures of one smoother.

    A switch of the label is real if a change lies within REAL_SECONDS of it, one switch for one change; a
    change is found if a switch lies within FOUND_SECONDS.
    """
    right = steps = found = changes = false = said = utterances = 0
    seconds, errors = 0.0, []
    for case, track in zip(material, tracks, strict=True):
        guess = labels_of(track)
        right += int(np.sum(guess == case.truth))
        steps += len(guess)
        seconds += len(guess) * track.hop
        real = case.recording.ends[:-1]
        switches = track.times[np.flatnonzero(np.diff(guess)) + 1].astype(float).tolist()
        near = matched(real, switches, REAL_SECONDS)
        errors += near
        found += len(matched(real, switches, FOUND_SECONDS))
        changes += len(real)
        false += len(switches) - len(near)
        part = np.searchsorted(real, track.times + track.hop / 2, side="right")
        for i, clip in enumerate(case.recording.clips):
            here = guess[part == i]
            said += int(np.bincount(here[here >= 0], minlength=9).argmax() == clip.label)
        utterances += len(case.recording.clips)
    return {
        "frame_accuracy": right / steps,
        "false_switches_per_minute": 60 * false / seconds,
        "change_error_median": float(np.median(errors)),
        "change_error_90": float(np.quantile(errors, 0.9)),
        "changes_found": found / changes,
        "changes_missed": 1 - found / changes,
        "changes_missed_1_s": 1 - len(errors) / changes,
        "utterance_accuracy": said / utterances,
    }


def speed(options: SmoothingOptions | None, rows: NDArray[np.float64], hop: float) -> dict[str, float]:
    """Latency, and microseconds per step in pieces of 1,000, on one core."""
    if options is None:
        return {"latency": 0.0, "microseconds_per_frame": 0.0}
    timed = []
    for _ in range(3):
        smoother = smoother_of(options, hop)
        started = time.process_time()
        for start in range(0, len(rows), 1000):
            smoother.push(rows[start : start + 1000])
        smoother.finish()
        timed.append(time.process_time() - started)
    return {
        "latency": smoother_of(options, hop).latency.seconds,
        "microseconds_per_frame": 1e6 * statistics.median(timed) / len(rows),
    }


def table(material: Sequence[Case], prior: Prior) -> dict[str, dict[str, float]]:
    """All smoothers over all recordings."""
    rows = np.concatenate([case.track.probabilities for case in material]).astype(np.float64)
    long = np.resize(rows, (SPEED_STEPS, rows.shape[1]))
    out = {}
    for name, options in methods(prior).items():
        tracks = [case.track if options is None else smooth(case.track, options) for case in material]
        out[name] = score(material, tracks) | speed(options, long, material[0].track.hop)
    return out


def known_changes(material: Sequence[Case], recognizer: Recognizer, prior: Prior) -> dict[str, float]:
    """What no smoother can pass: it would have to know the changes.

    Every utterance recognised alone, cut out at the known times; and each labelled by the evidence of the
    track's steps between the known times.
    """
    chain = chain_of(SmoothingOptions.of(method="viterbi", prior=prior), material[0].track.hop)
    right = same = total = pairs = missed = 0
    for case in material:
        said = [recognizer.recognize((part, SAMPLING_RATE)).emotion for part in case.recording.parts]
        right += sum(LABELS[c.label] == e for c, e in zip(case.recording.clips, said, strict=True))
        same += sum(a == b for a, b in pairwise(said))
        total += len(said)
        pairs += len(said) - 1
        track = case.track
        evidence = np.log(chain.evidence(track.probabilities.astype(np.float64)))
        part = np.searchsorted(case.recording.ends[:-1], track.times + track.hop / 2, side="right")
        told = [int(evidence[part == i].sum(axis=0).argmax()) for i in range(len(said))]
        missed += sum(a == b for a, b in pairwise(told))
    return {
        "utterance_accuracy": right / total,
        "neighbours_with_one_label": same / pairs,
        "neighbours_with_one_label_by_the_track": missed / pairs,
    }


def utterances(data: Path, clips: Sequence[Clip], recognizer: Recognizer, prior: Prior) -> dict[str, Any]:
    """Accuracy of ways to one label for one utterance, and of the surest by their own confidence."""
    ewma, vote = SmoothingOptions.of(method="ewma"), SmoothingOptions.of(method="vote")
    chain = SmoothingOptions.of(method="hmm", prior=prior)
    answers: dict[str, list[tuple[str, float]]] = {}
    for clip in clips:
        result = recognizer.recognize((read_clip(data, clip), SAMPLING_RATE), frames=True)
        assert result.track is not None
        rows = result.track.probabilities.astype(np.float64)
        rows, hop = rows[~np.isnan(rows[:, 0])], result.track.hop
        logs = np.log(np.maximum(rows, 1e-12)).mean(axis=0)
        mean = np.exp(logs) / np.exp(logs).sum()
        posterior = smooth_rows(smoother_of(chain, hop), rows).rows.mean(axis=0)
        answers.setdefault("whole clip", []).append((result.emotion, result.confidence))
        answers.setdefault("mean logit of the track", []).append((LABELS[mean.argmax()], float(mean.max())))
        votes = smooth_rows(smoother_of(vote, hop), rows).rows
        answers.setdefault("vote 5, then most frequent", []).append(utterance_by_vote(votes))
        states = smooth_rows(smoother_of(ewma, hop), rows).rows
        answers.setdefault("EWMA .3, last state", []).append(utterance_by_last(states))
        answers.setdefault("HMM, mean posterior", []).append(
            (LABELS[posterior.argmax()], float(posterior.max()))
        )
    truth = [LABELS[clip.label] for clip in clips]
    return {way: _coverage(truth, said) for way, said in answers.items()}


def verdicts(data: Path, clips: Sequence[Clip], recognizer: Recognizer) -> dict[str, dict[str, float]]:
    """Share and accuracy of the clips that the rules of a preset keep, and of those that they do not drop."""
    options = PipelineOptions.of(recognition={"quality": True}, rules=None)
    results = [analyse(recognizer, (read_clip(data, c), SAMPLING_RATE), options) for c in clips]
    right = np.array([r.emotion == LABELS[c.label] for r, c in zip(results, clips, strict=True)])
    out = {}
    for name, preset in BUILTIN.items():
        decisions = np.array([judge(r, r.quality, preset.rules).decision for r in results])
        for what, kept in (("kept", decisions == "keep"), ("kept or flagged", decisions != "drop")):
            out[f"{name}, {what}"] = {"coverage": float(kept.mean()), "accuracy": float(right[kept].mean())}
    return out


def _coverage(truth: Sequence[str], said: Sequence[tuple[str, float]]) -> dict[str, Any]:
    right = np.array([emotion == t for (emotion, _), t in zip(said, truth, strict=True)])
    order = np.argsort([-confidence for _, confidence in said], kind="stable")
    kept = {f"{share:.0%}": right[order[: int(len(right) * share)]].mean() for share in (1, 0.8, 0.6, 0.4)}
    return {"accuracy": float(right.mean()), "accuracy_of_the_surest": {k: float(v) for k, v in kept.items()}}


def fit_prior(material: Sequence[Case]) -> tuple[float, ...]:
    """Square root of the mean probabilities, each emotion weighing the same."""
    rows = np.concatenate([case.track.probabilities for case in material]).astype(np.float64)
    truth = np.concatenate([case.truth for case in material])
    truth = np.where(np.isnan(rows[:, 0]), -1, truth)
    means = np.mean([rows[truth == label].mean(axis=0) for label in np.unique(truth[truth >= 0])], axis=0)
    means[LABELS.index("unknown")] = 1 / len(LABELS)
    return tuple(np.round(np.sqrt(means) / np.sqrt(means).sum(), 3).tolist())


def left_out(material: Sequence[Case], method: str, evidence: float) -> dict[str, float]:
    """Figures with a prior fitted on the other speakers each time."""
    tracks = []
    for case in material:
        speaker = case.recording.clips[0].speaker
        prior = fit_prior([c for c in material if c.recording.clips[0].speaker != speaker])
        options = SmoothingOptions.of(method=method, evidence=evidence, prior=prior)
        tracks.append(smooth(case.track, options))
    return score(material, tracks)


def tune(material: Sequence[Case]) -> dict[str, Any]:
    """The prior, and the evidence that each hidden Markov smoother should have, with its figures there.

    The dwell time stays: more of it and more evidence undo each other. Offline: with a margin under 2.5 false
    switches a minute, the fewest missed changes among those whose accuracy is as good as the best. Online,
    where so few switches cannot be had: the fewest of them among those. Without lag, all trends and the
    moving averages that they are to beat.
    """

    def of(**options: Any) -> dict[str, float]:
        chosen = SmoothingOptions.of(**options)
        return score(material, [smooth(case.track, chosen) for case in material])

    def told(method: str, **row: float) -> dict[str, float]:
        print(method, json.dumps(row), file=sys.stderr, flush=True)
        return row

    prior = fit_prior(material)
    chosen: dict[str, Any] = {"prior": prior}
    for method in EVIDENCE:
        rows = []
        for evidence in (2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 7.5, 8.0, 9.0, 10.0, 12.0):
            figures = of(method=method, evidence=evidence, prior=prior)
            rows.append(told(method, evidence=evidence, **figures))
        if method != "hmm-online":
            rows = [row for row in rows if row["false_switches_per_minute"] <= CALM] or rows
        best = max(row["frame_accuracy"] for row in rows)
        good = [row for row in rows if row["frame_accuracy"] > best - 0.002]
        cost = "false_switches_per_minute" if method == "hmm-online" else "changes_missed"
        found = min(good, key=lambda row: row[cost])
        chosen[method] = {
            "chosen": found,
            "with the prior of the other speakers": left_out(material, method, found["evidence"]),
            "without a prior": of(method=method, evidence=found["evidence"]),
        }
    chosen["no lag"] = [
        told(
            "no lag",
            trend=trend,
            evidence=evidence,
            **of(method="hmm-online", lag=0, prior=prior, trend=trend, evidence=evidence),
        )
        for trend in (0.0, 0.2, 0.25, 0.3, 0.35, 0.4)
        for evidence in (3.0, CALM_EVIDENCE, 4.0, 8.0, EVIDENCE["hmm-online"])
    ] + [told("EWMA", alpha=alpha, **of(method="ewma", alpha=alpha)) for alpha in (0.3, 0.05)]
    return chosen


COLUMNS: dict[str, Callable[[dict[str, float]], str]] = {
    "frame accuracy": lambda f: f"{f['frame_accuracy']:.3f}",
    "false switches / min": lambda f: f"{f['false_switches_per_minute']:.1f}",
    "change-time error, s: median, 90 %": lambda f: (
        f"{f['change_error_median']:.2f}, {f['change_error_90']:.2f}"
    ),
    "found / missed": lambda f: f"{f['changes_found']:.0%} / {f['changes_missed']:.0%}",
    "missed by 1 s": lambda f: f"{f['changes_missed_1_s']:.0%}",
    "utterance accuracy": lambda f: f"{f['utterance_accuracy']:.3f}",
    "latency, s": lambda f: "whole" if np.isinf(f["latency"]) else f"{f['latency']:.2f}",
    "µs / frame": lambda f: f"{f['microseconds_per_frame']:.1f}",
}


def markdown(figures: dict[str, dict[str, float]]) -> str:
    """One table."""
    lines = ["| smoother | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, row in figures.items():
        lines.append(f"| {name} | " + " | ".join(show(row) for show in COLUMNS.values()) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--split", choices=["validation", "test"], default="validation")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--count", type=int, default=240, help="stitched recordings")
    parser.add_argument("--model", default="compact")
    parser.add_argument("--track-method", default="auto")
    parser.add_argument("--tune", action="store_true", help="search the chain's parameters; validation only")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    args = parser.parse_args()
    if args.tune and args.split != "validation":
        parser.error("--tune works on validation only")
    recognizer = Recognizer(args.model, threads=1)
    prior = prior_of(recognizer.card.name)
    how = {} if args.track_method == "auto" else {"track_method": args.track_method}
    figures: dict[str, Any] = {"machine": machine(), "commit": commit(), "split": args.split}
    for name, reference in (("without reference", False), ("with a reference of 10 clips", True)):
        material = cases(args.data, args.split, args.count, recognizer, reference, **how)
        if args.tune:
            print(json.dumps(tune(material), indent=2))
            return
        figures[name] = table(material, prior)
        seconds = sum(len(case.recording.samples) for case in material) / SAMPLING_RATE
        changes = sum(len(case.recording.clips) - 1 for case in material)
        print(f"\n{name}: {len(material)} recordings, {seconds / 60:.0f} min, {changes} changes\n")
        print(markdown(figures[name]), flush=True)
    figures["known changes"] = known_changes(material, recognizer, prior)
    print(f"\nutterances cut out at the known times: {figures['known changes']}")
    clips = [clip for clip in emotional_clips(args.data, JUDGED) if clip.split == args.split]
    figures["utterances"] = utterances(args.data, clips, recognizer, prior)
    shares = next(iter(figures["utterances"].values()))["accuracy_of_the_surest"]
    print("\n| label of a clip | " + " | ".join(f"surest {share}" for share in shares) + " |")
    print("|---" * (len(shares) + 1) + "|")
    for way, row in figures["utterances"].items():
        print(f"| {way} | " + " | ".join(f"{v:.3f}" for v in row["accuracy_of_the_surest"].values()) + " |")
    figures["verdicts"] = verdicts(args.data, clips, recognizer)
    print("\n| verdict | coverage | accuracy |\n|---|---|---|")
    for what, row in figures["verdicts"].items():
        print(f"| {what} | {row['coverage']:.0%} | {row['accuracy']:.3f} |")
    print(json.dumps(figures))
    if args.out:
        args.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
