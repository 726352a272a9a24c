"""How right the signal checks are: ``python -m benchmarks.checks --data ../shared/data``.

Speech of speakers, sounds and music that nothing was tuned on, mixes at known SNR, meetings with marked
turns. Prints Markdown; ``--out`` writes the figures as JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.checks_material import BACKGROUNDS, RATE, WINDOW, Maker, Sound, pieces, telephone
from emotrace.audio import load
from emotrace.results import SignalQuality
from emotrace.segmentation import VoiceActivity, signal_quality
from emotrace.segmentation.levelling import Leveller
from emotrace.segmentation.speech import SpeechCounter
from emotrace.segmentation.voice_activity import CHUNK
from emotrace.training.music import piece
from emotrace.training.sounds import SPEECH_CORPORA

Figures = dict[str, Any]
EVENTS = ("dog_bark", "baby_cry", "rooster", "person_sneeze", "clock_tick")


def check(sound: Sound) -> SignalQuality:
    """The checks of 16 kHz samples."""
    return signal_quality((sound, RATE))


def bench_snr(maker: Maker) -> Figures:
    """RMS error of the SNR, by nominal SNR and by noise."""
    rows: list[tuple[float, str, float]] = []
    for corpus, i in zip(maker.clean_corpora(), range(420), strict=False):
        kind, noise = maker.background(BACKGROUNDS if i % 7 < 5 else EVENTS)
        nominal = float(i * 7 % 31)
        sound = maker.talk(maker.voices(corpus), int(maker.rng.integers(2, 5)))
        told = check(
            maker.noisy(sound, noise, nominal) * np.float32(10 ** (-maker.rng.uniform(0, 20) / 20))
        ).snr_db
        rows.append((nominal, kind, told - nominal))
    error = np.array([row[2] for row in rows])
    true, kinds = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    steady = np.isin(kinds, BACKGROUNDS)

    def of(mask: Any) -> str:
        known = error[mask & ~np.isnan(error)]
        return f"{np.sqrt(np.mean(known**2)):.1f} ({np.mean(known):+.1f}), n={len(known)}"

    out: Figures = {"backgrounds, 0 to 30 dB": of(steady), "events": of(~steady)}
    out["not told"] = int(np.isnan(error).sum())
    for low in range(0, 30, 10):
        out[f"backgrounds, {low} to {low + 10} dB"] = of(steady & (true >= low) & (true <= low + 10))
    return out | {kind: of(kinds == kind) for kind in sorted(set(kinds.tolist()))}


def bench_content(maker: Maker) -> Figures:
    """Share of 3 s windows with the right content, and what the others were taken for."""
    spoken = {c: [maker.window(maker.voices(c)[0]) for _ in range(60)] for c in SPEECH_CORPORA}
    every = [sound for sounds in spoken.values() for sound in sounds]
    noisy = {db: [maker.noisy(s, maker.background()[1], db) for s in every] for db in (20, 10)}
    bursts = list(maker.material.bursts.values())
    sets: dict[str, tuple[str, list[Sound]]] = {
        **{f"speech, {corpus}": ("speech", sounds) for corpus, sounds in spoken.items()},
        "speech, noise at 20 dB": ("speech", noisy[20]),
        "speech, noise at 10 dB": ("speech", noisy[10]),
        "speech, telephone": ("speech", [telephone(s) for s in every]),
        "speech, telephone, noise at 10 dB": ("speech", [telephone(s) for s in noisy[10]]),
        "music": ("music", [cut for _, sound in maker.material.music for cut in pieces(sound)]),
        "sung by formula": ("music", [piece(3 * i + 30_000)[:WINDOW] for i in range(30)]),
        "noise": ("noise", [cut for _, sound in maker.material.noises for cut in pieces(sound)]),
        "bursts (count as noise)": (
            "noise",
            [maker.window(bursts[maker.rng.integers(len(bursts))]) for _ in range(60)],
        ),
    }
    out: Figures = {}
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for name, (truth, sounds) in sets.items():
        counts: dict[str, int] = defaultdict(int)
        for sound in sounds:
            counts[check(sound).content] += 1
        wrong = ", ".join(f"{k} {v}" for k, v in sorted(counts.items()) if k != truth)
        out[name] = f"{counts[truth] / len(sounds):.1%} of {len(sounds)}" + (
            f" (else {wrong})" if wrong else ""
        )
        group = "speech is speech" if truth == "speech" else "non-speech is not speech"
        if "burst" not in name and "formula" not in name:
            totals[group][0] += counts["speech"] if truth == "speech" else len(sounds) - counts["speech"]
            totals[group][1] += len(sounds)
    return {name: f"{right / n:.1%} of {n}" for name, (right, n) in totals.items()} | out


def _turns(folder: Path) -> dict[str, list[tuple[float, float]]]:
    turns: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for path in sorted(folder.glob("*.rttm")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.reader(file, delimiter=" "):
                turns[row[1]].append((float(row[3]), float(row[3]) + float(row[4])))
    return turns


def _regions(folder: Path) -> dict[str, tuple[float, float]]:
    lines = [line.split() for path in sorted(folder.glob("*.uem")) for line in path.read_text().splitlines()]
    return {name: (float(start), float(end)) for name, _, start, end in lines}


def _decided(sound: Sound, levelled: bool) -> Any:
    """Whether somebody speaks in each chunk of 32 ms, as the checks count it."""
    activity, leveller = VoiceActivity(), Leveller()
    if levelled:
        sound = np.concatenate([leveller.feed(sound), leveller.finish()])
    probabilities = np.concatenate([activity.feed(sound), activity.finish()])
    counter, decided = SpeechCounter(), np.zeros(len(probabilities), bool)
    for i, p in enumerate(probabilities):
        before = counter.chunks
        counter.feed(np.array([p], np.float32))
        decided[i + 1 - (counter.chunks - before) : i + 1] = True
    return decided


def bench_voice_activity(maker: Maker) -> Figures:
    """F1 of speech against marked turns, in frames of 32 ms, within the scored regions."""
    folder = maker.data / "speakers"
    regions = _regions(folder)
    out: Figures = {}
    for gain_db in (0, -30):
        for levelled in (True, False):
            counts = {"development": [0, 0, 0], "train": [0, 0, 0]}
            for name, spoken in _turns(folder).items():
                sound = load(folder / f"{name}.flac").samples * np.float32(10 ** (gain_db / 20))
                found = _decided(sound, levelled)
                middle = (np.arange(len(found)) + 0.5) * CHUNK / RATE
                scored = (middle >= regions[name][0]) & (middle < regions[name][1])
                truth = np.zeros(len(found), bool)
                for start, end in spoken:
                    truth |= (middle >= start) & (middle < end)
                part = counts["development" if name.startswith("dev") else "train"]
                pairs = (found & truth, found & ~truth, ~found & truth)
                for i, hits in enumerate(pairs):
                    part[i] += int((hits & scored).sum())
            how = "levelled" if levelled else "Silero alone"
            for part_name, (hit, false, missed) in counts.items():
                recall, precision = hit / max(1, hit + missed), hit / max(1, hit + false)
                score = 2 * hit / max(1, 2 * hit + false + missed)
                out[f"{part_name} clips, {gain_db} dB, {how}"] = (
                    f"F1 {score:.3f} (precision {precision:.2f}, recall {recall:.2f})"
                )
    return out


def bench_bandwidth(maker: Maker) -> Figures:
    """Bandwidth that is told for speech of known band, and how often the default rule calls it narrow."""
    spoken = [maker.talk(maker.voices(c), 2) for c in SPEECH_CORPORA for _ in range(10)]
    kinds: dict[str, Callable[[Sound], Sound]] = {
        "wide (0 to 8000 Hz)": lambda s: s,
        "telephone (0 to 4000 Hz)": telephone,
        "telephone, noise at 20 dB before it": lambda s: telephone(maker.noisy(s, maker.background()[1], 20)),
        "wide, noise at 20 dB": lambda s: maker.noisy(s, maker.background()[1], 20),
    }
    out: Figures = {}
    for name, change in kinds.items():
        told = np.array([check(change(sound)).bandwidth_hz for sound in spoken])
        low, middle, high = np.percentile(told, [5, 50, 95])
        out[name] = f"{middle:.0f} Hz ({low:.0f} to {high:.0f}); under 4500 Hz: {np.mean(told < 4500):.0%}"
    return out


def bench_speakers(maker: Maker) -> Figures:
    """How often a second speaker is noticed, and how often one is imagined, at a score of 0.5."""
    out: Figures = {}
    scores: dict[int, list[float]] = {1: [], 2: []}
    for corpus in SPEECH_CORPORA:
        if len(maker.material.speech[corpus]) < 2:
            continue
        for number in (1, 2):
            told = [
                check(
                    maker.talk(maker.voices(corpus, number), int(maker.rng.integers(4, 9)))
                ).several_speakers
                for _ in range(40)
            ]
            known = [score for score in told if not np.isnan(score)]
            scores[number] += known
            out[f"{corpus}, {number} speaker(s)"] = (
                f"suspected in {np.mean(np.array(known) > 0.5):.0%} of {len(known)}"
            )
    one, two = np.array(scores[1]), np.array(scores[2])
    out["area under the curve"] = (
        f"{np.mean(two[:, None] > one[None]) + np.mean(two[:, None] == one[None]) / 2:.3f}"
    )
    for path in sorted((maker.data / "speakers").glob("*.flac")):
        out[f"meeting {path.stem}"] = f"{signal_quality(str(path)).several_speakers:.2f}"
    return out


def bench_made(maker: Maker) -> Figures:
    """Clipping, offset and level of speech that was changed by known amounts."""
    sound = maker.talk(maker.voices("emodb"), 3)
    peak = float(np.abs(sound).max())
    out: Figures = {}
    for share in (0.001, 0.01, 0.05):
        edge = float(np.quantile(np.abs(sound), 1 - share))
        told = check(np.clip(sound / np.float32(edge), -1, 1)).measures.clipping_share
        out[f"{share:.1%} clipped"] = f"{told:.2%}"
    for offset in (0.01, 0.1):
        out[f"offset {offset}"] = (
            f"{check(sound * np.float32(0.5 / peak) + np.float32(offset)).measures.dc_offset:.4f}"
        )
    level = check(sound).measures.level_db
    for gain in (-40, -20):
        changed = check(sound * np.float32(10 ** (gain / 20))).measures.level_db
        out[f"level {gain} dB"] = f"{changed - level:+.2f} dB"
    return out


def bench_time(maker: Maker) -> Figures:
    """CPU seconds of one core for a minute of sound, and the recogniser's beside it."""
    from emotrace import Recognizer

    sound = np.concatenate([maker.talk(maker.voices("nemo"), 4) for _ in range(9)])[: 60 * RATE]
    recognizer = Recognizer("compact", threads=1)
    works: dict[str, Callable[[], object]] = {
        "all checks": lambda: check(sound),
        "recogniser, utterance": lambda: recognizer.recognize((sound, RATE), whole_seconds=90),
        "recogniser, by segments": lambda: recognizer.recognize((sound, RATE), segments=True),
        "recogniser, over time": lambda: recognizer.recognize((sound, RATE), frames=True),
        "voice activity alone": lambda: VoiceActivity().feed(sound),
    }
    out: Figures = {}
    for name, work in works.items():
        work()
        spent = []
        for _ in range(5):
            begin = time.process_time()
            work()
            spent.append(time.process_time() - begin)
        out[name] = f"{np.median(spent):.2f} s per minute, real-time factor {np.median(spent) / 60:.4f}"
    return out


BENCHES: dict[str, Callable[[Maker], Figures]] = {
    "snr": bench_snr,
    "content": bench_content,
    "voice-activity": bench_voice_activity,
    "bandwidth": bench_bandwidth,
    "speakers": bench_speakers,
    "made": bench_made,
    "time": bench_time,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--split", choices=("validation", "test"), default="test", help="of the speakers")
    parser.add_argument("--only", nargs="+", choices=BENCHES, default=list(BENCHES))
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    args = parser.parse_args()
    figures: Figures = {}
    for name in args.only:
        figures[name] = BENCHES[name](Maker(args.data, args.split))
        print(f"\n## {name}\n\n| | |\n|---|---|")
        print("\n".join(f"| {key} | {value} |" for key, value in figures[name].items()), flush=True)
    if args.out:
        args.out.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
