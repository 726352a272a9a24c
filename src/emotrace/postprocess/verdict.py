"""Whether a result is to be believed: keep, flag or drop, and the rules that say why.

Every rule compares one number with one threshold, so a verdict can always be retraced. A number that is
not there, or NaN, fires no rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from emotrace.postprocess.rule_table import RULES, Facts, Rule
from emotrace.postprocess.rules import Rules
from emotrace.postprocess.tracks import FrameList
from emotrace.results import EmotionTrack, Reason, Recognition, SignalMeasures, SignalQuality, Verdict

MIN_TRACK_SECONDS = 4.0
"""Speech under which switches are not counted: one switch in two seconds would be thirty a minute."""


PIECE = 1 << 14


def judge(
    recognition: Recognition, quality: SignalQuality | None = None, rules: Rules | None = None
) -> Verdict:
    """The verdict over a recognition.

    Args:
        recognition: with its track, if switches of the label shall be judged.
        quality: what the signal checks say; None judges by the recognition's own measures.
        rules: None is ``Rules()``.

    >>> from emotrace.results import ModelInfo
    >>> scores = dict(angry=.45, disgusted=.42, fearful=0, happy=.1, neutral=0, other=0, sad=0, surprised=0)
    >>> result = Recognition("a.wav", "angry", .45, {**scores, "unknown": .03}, 2.0,
    ...     ModelInfo("compact", "", "fp32", "cpu", "", 1), SignalMeasures(2.0, -20, -3, 0, 0, 0),
    ...     np.zeros(3, np.float32))
    >>> verdict = judge(result)
    >>> verdict.decision, verdict.codes
    ('flag', ('low-confidence', 'ambiguous'))
    >>> verdict.reasons[1].sentence
    'ambiguous: the two likeliest emotions are 0.03 apart; expected 0.05 or more'
    """
    heard = signal_facts(quality) if quality else _measured(recognition.measures)
    facts = Facts(
        **{
            **heard,
            **score_facts(recognition.scores, recognition.confidence),
            "seconds": recognition.duration,
            "switches_per_minute": switches_per_minute(recognition.track),
        }
    )
    return judge_facts(facts, rules)


def judge_signal(quality: SignalQuality, rules: Rules | None = None) -> Verdict:
    """The verdict of the rules that need no model.

    >>> measures = SignalMeasures(0.4, -20, -3, 0, 0, 0)
    >>> quality = SignalQuality(measures, 8000, 25, 0.9, 0.36, 0, 0, "speech", 0)
    >>> judge_signal(quality).codes
    ('too-short',)
    """
    return judge_facts(Facts(**signal_facts(quality)), rules)


def judge_scores(
    scores: Mapping[str, float], confidence: float | None = None, rules: Rules | None = None
) -> Verdict:
    """The verdict of the rules over scores alone, as for a classic ``result.json`` without its sound.

    Args:
        scores: any number of labels; they need not sum to 1.
        confidence: None is the largest score.
        rules: None is ``Rules()``.

    >>> judge_scores({"happy": 0.62, "neutral": 0.30}).decision
    'keep'
    """
    return judge_facts(Facts(**score_facts(scores, confidence)), rules)


def judge_facts(facts: Facts, rules: Rules | None = None) -> Verdict:
    """The verdict over bare numbers.

    >>> judge_facts(Facts(snr_db=3.0)).codes
    ('low-snr',)
    """
    rules = rules or Rules()
    reasons = tuple(reason for rule in RULES if (reason := _reason(rule, facts, rules)))
    decisions = {reason.decision for reason in reasons}
    decision = "drop" if "drop" in decisions else "flag" if "flag" in decisions else "keep"
    return Verdict(decision, reasons)


def score_facts(scores: Mapping[str, float], confidence: float | None = None) -> dict[str, float]:
    """``confidence``, ``gap`` and ``top_score`` of scores; NaN for what they do not tell.

    >>> score_facts({"happy": 0.5, "sad": 0.25})
    {'confidence': 0.5, 'gap': 0.25, 'top_score': 0.5}
    """
    ordered = sorted((score for score in scores.values() if not math.isnan(score)), reverse=True)
    first = ordered[0] if ordered else math.nan
    return {
        "confidence": first if confidence is None else confidence,
        "gap": first - ordered[1] if len(ordered) > 1 else math.nan,
        "top_score": first,
    }


def signal_facts(quality: SignalQuality) -> dict[str, float]:
    """What the rules want to know of the signal checks."""
    sound = quality.speech_share + quality.music_share + quality.noise_share
    foreign = quality.music_share > quality.noise_share  # then it is the rule about music that speaks
    return {
        **_measured(quality.measures),
        "silence_share": min(1.0, max(0.0, 1.0 - sound)),
        "snr_db": quality.snr_db,
        "bandwidth_hz": quality.bandwidth_hz,
        "music_share": quality.music_share,
        "speech_of_sound": math.nan if foreign else quality.speech_share / sound if sound != 0 else 0.0,
        "several_speakers": quality.several_speakers,
    }


def switches_per_minute(track: EmotionTrack | None) -> float:
    """How often the likeliest emotion of a track changes from one step to the next, per minute of speech.

    NaN without a track or with less than four seconds of speech in it.

    >>> rows = np.eye(9, dtype=np.float32)[[3, 3, 6, 6, 3, 3]]
    >>> switches_per_minute(EmotionTrack(np.arange(6, dtype=np.float32), rows, 1.0, "made up"))
    20.0
    """
    if track is None or not len(track):
        return math.nan
    switches, spoken = 0, 0
    for start in range(0, len(track), PIECE):  # a copy of hours at once would double their memory
        rows = track.probabilities[start : start + PIECE + 1]  # with the first step of the next piece
        speech = ~np.isnan(rows[:, 0])
        best = np.nan_to_num(rows).argmax(axis=1)
        switches += int(((best[1:] != best[:-1]) & speech[1:] & speech[:-1]).sum())
        spoken += int(speech[:PIECE].sum())
    seconds = spoken * track.hop
    return switches * 60.0 / seconds if seconds >= MIN_TRACK_SECONDS else math.nan


def switches_in_frames(frames: FrameList) -> float:
    """The same of a list of frames, which leaves steps without speech out.

    >>> names = ["sad", "sad", "happy", "sad"]
    >>> frames = [{"emotion": e, "score": 1, "timestamp": t} for t, e in enumerate(names)]
    >>> from emotrace.postprocess.tracks import read_frames
    >>> switches_in_frames(read_frames(frames))
    30.0
    """
    heard = frames.labels >= 0
    seconds = float(heard.sum()) * frames.hop
    if seconds < MIN_TRACK_SECONDS:
        return math.nan
    near = np.diff(frames.times) < 1.5 * frames.hop
    switches = int(((frames.labels[1:] != frames.labels[:-1]) & heard[1:] & heard[:-1] & near).sum())
    return switches * 60.0 / seconds


def _measured(measures: SignalMeasures) -> dict[str, float]:
    return {
        "seconds": measures.duration,
        "silence_share": measures.silence_share,
        "clipping_share": measures.clipping_share,
    }


def _reason(rule: Rule, facts: Facts, rules: Rules) -> Reason | None:
    threshold, value = getattr(rules, rule.threshold), getattr(facts, rule.fact)
    if threshold is None or math.isnan(value) or not rule.beyond(value, threshold):
        return None
    return rule.reason(value, threshold, "drop" if rule.code in rules.drop else "flag")
