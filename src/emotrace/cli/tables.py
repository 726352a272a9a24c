"""Results as people read them: bars, segments, a timeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite

from rich.cells import set_cell_size
from rich.console import Console
from rich.text import Text

from emotrace.cli.messages import one_line
from emotrace.cli.texts import TEXTS, Language, label_text, reason_text, warning_text
from emotrace.labels import LABELS, emotion
from emotrace.outputs import Granularity
from emotrace.outputs.timeline import runs, timeline
from emotrace.results import Recognition, SignalQuality

BAR = 24
"""Cells of a bar that says 100 %."""

WIDE = 110
"""Cells of a terminal from which a line for a recording has room for the runners-up."""

FEW = 40
"""So many segments are shown if they were not asked for."""

_MARKS = {"keep": "✓", "flag": "⚑", "drop": "✗"}
_PLAIN_MARKS = {"keep": "+", "flag": "?", "drop": "x"}
_COLOURS = {"keep": "green", "flag": "yellow", "drop": "red"}

_EIGHTHS = " ▏▎▍▌▋▊▉█"


class Tables:
    """Prints recognitions.

    Args:
        console: where to.
        language: of the words.
        granularity: what was asked for: the track as a timeline, or all segments.
        several: one line for each recording, instead of a block, if nothing over time was asked for.
    """

    def __init__(self, console: Console, language: Language, granularity: Granularity, several: bool) -> None:
        self._console = console
        self._language = language
        self._granularity = granularity
        self._short = several and granularity == "utterance"
        self._first = True
        self._width = 0
        self._rich = (console.encoding or "").lower().replace("-", "").startswith("utf")

    def show(self, result: Recognition) -> None:
        """Print one recognition."""
        if self._short:
            lines = self._row(result)
        else:
            lines = self._block(result)
            if not self._first:
                self._console.print()
        self._first = False
        for line in lines:
            self._console.print(line, soft_wrap=True)

    def _row(self, result: Recognition) -> Iterator[Text]:
        line = self._bar_line(result.emotion, result.confidence, width=BAR // 2)
        line.append("  ")
        if not self._console.is_terminal or self._console.width >= WIDE:
            others = ", ".join(f"{self._label(name)} {_percent(score)}" for name, score in result.top(3)[1:])
            line.append(set_cell_size(others, 38), "dim")
        line.append(set_cell_size(self._seconds(result.duration), 12), "dim")
        line.append(one_line(result.source))
        yield line
        yield from self._verdict(result, advice=False)
        yield from self._warnings(result)

    def _block(self, result: Recognition) -> Iterator[Text]:
        self._width = len(clock(result.duration))
        yield self._title(result)
        for label, score in result.top(3):
            yield self._bar_line(label, score)
        yield self._quality(result)
        if result.smoothing is not None:
            yield Text("  " + self._say("smoothing", result.smoothing.method), "dim")
        if result.reference != "none":
            yield Text("  " + self._say(f"reference {result.reference}"), "dim")
        yield from self._verdict(result, advice=True)
        yield from self._warnings(result)
        if result.segments:
            yield from self._shares(result.shares)
        if self._granularity == "frame":
            yield from self._timeline(result)
        elif result.segments:
            yield from self._segments(result)

    def _title(self, result: Recognition) -> Text:
        text = Text(one_line(result.source), "bold")
        text.append(f"  {self._seconds(result.duration)}", "dim")
        return text.append(f"  {self._say('model', result.model.name)}", "dim")

    def _quality(self, result: Recognition) -> Text:
        measures = result.measures
        level = f"{measures.level_db:.1f}"
        parts = [
            self._say("no level") if level == "-inf" else self._say("level", level),
            self._say("clipping", f"{measures.clipping_share * 100:.1f}"),
            self._say("silence", f"{measures.silence_share * 100:.0f}"),
        ]
        parts.extend(self._checks(result.quality))
        if result.speech_duration is not None:
            parts.append(self._say("speech", clock(result.speech_duration), clock(result.duration)))
        return Text("  " + ", ".join(parts), "dim")

    def _checks(self, quality: SignalQuality | None) -> Iterator[str]:
        if quality is not None and isfinite(quality.snr_db):
            yield self._say("snr", f"{quality.snr_db:.0f}")
        if quality is not None and isfinite(quality.bandwidth_hz):
            yield self._say("bandwidth", f"{quality.bandwidth_hz / 1000:.1f}")

    def _verdict(self, result: Recognition, advice: bool) -> Iterator[Text]:
        """The decision, and its reasons as sentences; of several recordings only what is not simply kept."""
        verdict = result.verdict
        if verdict is None or not (advice or verdict.reasons):
            return
        mark, colour = (_MARKS if self._rich else _PLAIN_MARKS)[verdict.decision], _COLOURS[verdict.decision]
        yield Text(f"  {mark} {self._say(verdict.decision)}", colour)
        for reason in verdict.reasons:
            sentence, counsel = reason_text(reason, self._language)
            yield Text(f"    {sentence}", _COLOURS[reason.decision])
            if advice:
                yield Text(f"      {counsel}", "dim")

    def _warnings(self, result: Recognition) -> Iterator[Text]:
        mark = "⚠" if self._rich else "!"
        for warning in result.warnings:
            yield Text(f"  {mark} {one_line(warning_text(warning, self._language))}", "yellow")

    def _shares(self, shares: Mapping[str, float]) -> Iterator[Text]:
        yield self._heading("shares")
        for label in sorted(shares, key=lambda name: -shares[name]):
            yield self._bar_line(label, shares[label])

    def _segments(self, result: Recognition) -> Iterator[Text]:
        yield self._heading("segments")
        shown = len(result.segments) if self._granularity == "segment" else FEW
        for segment in result.segments[:shown]:
            yield self._span(segment.start, segment.end, segment.emotion, segment.confidence)
        if len(result.segments) > shown:
            yield Text("  " + self._say("more", str(len(result.segments) - shown)), "dim")

    def _timeline(self, result: Recognition) -> Iterator[Text]:
        yield self._heading("timeline")
        for run in runs(timeline(result)):
            yield self._span(run.start, run.end, run.emotion, run.confidence)

    def _span(self, start: float, end: float, label: str | None, share: float) -> Text:
        times = f"  {clock(start):>{self._width}} - {clock(end):>{self._width}}"
        if label is None:
            return Text(times + "  " + self._say("no speech"), "dim")
        return Text(times) + self._bar_line(label, share, width=BAR // 2)

    def _bar_line(self, label: str, share: float, width: int = BAR) -> Text:
        """``  😊 happy      ███████████▌      48.2 %``."""
        known = emotion(label)
        text = Text(f"  {known.emoji} " if self._rich else "  ")
        text.append(set_cell_size(self._label(label), max(map(len, LABELS)) + 1))
        text.append(self._bar(share, width), known.colour)
        return text.append(f" {_percent(share):>7}")

    def _bar(self, share: float, width: int) -> str:
        eighths = round(min(max(share, 0.0), 1.0) * width * 8)
        if not self._rich:
            return ("#" * round(eighths / 8)).ljust(width)
        whole, rest = divmod(eighths, 8)
        return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(width)

    def _heading(self, key: str) -> Text:
        return Text("  " + self._say(key), "bold")

    def _label(self, label: str) -> str:
        return label_text(label, self._language)

    def _seconds(self, seconds: float) -> str:
        if seconds >= 60:
            return clock(seconds)
        return self._say("seconds", f"{seconds:.2f}" if seconds < 1 else f"{seconds:.1f}")

    def _say(self, key: str, *values: str) -> str:
        return TEXTS[self._language][key].format(*values)


def clock(seconds: float) -> str:
    """A time as people read it, to the tenth of a second.

    >>> clock(3.46), clock(75), clock(3725.04)
    ('0:03.5', '1:15.0', '1:02:05.0')
    """
    minutes, tenths = divmod(round(seconds * 10), 600)
    hours, minutes = divmod(minutes, 60)
    rest = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{rest}" if hours else f"{minutes}:{rest}"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"
