"""The report of a run: one HTML page that holds all it shows, players included."""

from __future__ import annotations

import base64
import heapq
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import emotrace
from emotrace.labels import EMOTIONS, LABELS
from emotrace.outputs.report_texts import TEXTS
from emotrace.outputs.sorting_plan import NORMAL, Sorted
from emotrace.outputs.writing import replacing

if TYPE_CHECKING:
    from jinja2 import Environment

SHOWN = 12
"""Results in each of the lists with players."""

CLIP_SECONDS = 30.0
"""Longest sound of a player."""

LISTED = 1000
"""Results in the table of all; a table of more is a matter for ``results.csv``."""

STRETCHES = 200
"""Segments in the strip of one recording."""

_KEPT = frozenset({"source", "emotion", "confidence", "duration_seconds", "top", "verdict", "model"})

BINS = 10
"""Bars of the distribution of confidence."""

Language = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class Shown:
    """What the page says of one result.

    Attributes:
        place: of its folder.
        record: see :func:`~emotrace.outputs.records.recognition_record`; without segments and scores.
        stretches: begin and width in percent of the recording, and emotion.
    """

    place: str
    record: Mapping[str, Any]
    stretches: tuple[tuple[float, float, str], ...]

    @classmethod
    def of(cls, place: str, record: Mapping[str, Any]) -> Shown:
        """Only what is shown, so that a thousand of them are small."""
        kept = {name: value for name, value in record.items() if name in _KEPT}
        return cls(place, kept, tuple(_stretches(record)))


def _stretches(record: Mapping[str, Any]) -> Iterator[tuple[float, float, str]]:
    """The segments; without any, all of it; of more than can be seen, those at equal distances."""
    duration, segments = record["duration_seconds"] or 0.0, record["segments"]
    if not segments or not duration:
        yield 0.0, 100.0, record["emotion"]
    elif len(segments) <= STRETCHES:
        for s in segments:
            yield 100 * s["start"] / duration, 100 * (s["end"] - s["start"]) / duration, s["emotion"]
    else:
        starts = [s["start"] for s in segments]
        for column in range(STRETCHES):
            at = (column + 0.5) * duration / STRETCHES
            segment = segments[max(0, bisect_right(starts, at) - 1)]
            if segment["start"] <= at < segment["end"]:
                yield 100 * column / STRETCHES, 100 / STRETCHES, segment["emotion"]


@dataclass
class Report:
    """Counts results while they go by and keeps the few that are shown: memory does not grow with them.

    Attributes:
        failures: inputs without a result; file and reason.
    """

    failures: list[tuple[str, str]] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)
    _emotions: Counter[str] = field(default_factory=Counter)
    _seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(LABELS, 0.0))
    _reasons: Counter[str] = field(default_factory=Counter)
    _sentences: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    _confidence: list[int] = field(default_factory=lambda: [0] * BINS)
    _audio: float = 0.0
    _worst: list[tuple[tuple[float, float, int], Shown]] = field(default_factory=list)
    _unsure: list[tuple[tuple[float, int], Shown]] = field(default_factory=list)
    _all: list[Shown] = field(default_factory=list)

    def add(self, item: Sorted, record: Mapping[str, Any]) -> None:
        """Take a result.

        Args:
            item: where it went.
            record: what it is.
        """
        shown = Shown.of(item.place, record)
        gap = record["top"][0]["score"] - record["top"][1]["score"]
        number = self._counts.total()
        self._counts[item.status] += 1
        self._emotions[record["emotion"]] += 1
        self._audio += record["duration_seconds"] or 0.0
        self._count_time(record)
        self._confidence[min(BINS - 1, int(record["confidence"] * BINS))] += 1
        reasons = (record.get("verdict") or {}).get("reasons", [])
        for reason in reasons:
            self._reasons[reason["code"]] += 1
            self._sentences.setdefault(reason["code"], reason)
        if len(self._all) < LISTED:
            self._all.append(shown)
        if item.status == NORMAL:
            _keep(self._unsure, ((-gap, -number), shown))
        else:
            _keep(self._worst, ((float(len(reasons)), -record["confidence"], -number), shown))

    def add_failure(self, file: str, reason: str) -> None:
        """Take an input that gave no result."""
        self.failures.append((file, reason))

    def _count_time(self, record: Mapping[str, Any]) -> None:
        segments = record["segments"]
        if not segments:
            self._seconds[record["emotion"]] += record["duration_seconds"] or 0.0
        for segment in segments:
            self._seconds[segment["emotion"]] += segment["end"] - segment["start"]

    @property
    def sorted_counts(self) -> dict[str, Any]:
        """``normal``, ``low_quality`` and ``rejection_rate`` (None without any result)."""
        total = self._counts.total()
        low = total - self._counts[NORMAL]
        return {
            "normal": self._counts[NORMAL],
            "low_quality": low,
            "rejection_rate": round(low / total, 6) if total else None,
        }

    def write(
        self,
        path: Path,
        summary: Mapping[str, Any],
        *,
        player: Callable[[str], bytes],
        title: str,
        language: Language = "en",
        when: datetime | None = None,
    ) -> None:
        """Write the page, whole or not at all.

        Args:
            path: of it.
            summary: what stands in ``summary.json``.
            player: gives the sound of a recording as MP3; empty for none.
            title: what was recognised.
            language: of the words.
            when: local time; None is now.

        Raises:
            OutputError: it cannot be written.
        """
        lists = {"worst": _best_first(self._worst), "unsure": _best_first(self._unsure)}
        page = (
            _environment(language)
            .get_template("report.html")
            .render(
                title=title,
                language=language,
                when=(when or datetime.now()).strftime("%Y-%m-%d %H:%M"),
                version=emotrace.__version__,
                summary=summary,
                counts=self.sorted_counts,
                hours=self._audio / 3600,
                emotions=EMOTIONS,
                files={label: self._emotions[label] for label in LABELS},
                shares={label: _share(self._seconds, label) for label in LABELS},
                confidence=self._confidence,
                reasons=[(code, count, self._sentences[code]) for code, count in self._reasons.most_common()],
                lists=lists,
                players={
                    s.place: _data_url(player(s.record["source"])) for some in lists.values() for s in some
                },
                failures=self.failures[:LISTED],
                failed=len(self.failures),
                all=self._all,
                clip_seconds=CLIP_SECONDS,
                total=self._counts.total(),
            )
        )
        with replacing(path) as temporary:
            temporary.write_bytes(page.encode("utf-8", "backslashreplace"))


def _keep(heap: list[Any], item: Any) -> None:
    """Only the largest few; the keys differ, so what is behind them is never compared."""
    (heapq.heappush if len(heap) < SHOWN else heapq.heappushpop)(heap, item)


def _best_first(heap: list[Any]) -> list[Shown]:
    return [shown for _, shown in sorted(heap, key=lambda item: item[0], reverse=True)]


def _share(seconds: Mapping[str, float], label: str) -> float:
    total = sum(seconds.values())
    return seconds[label] / total if total else 0.0


def _data_url(sound: bytes) -> str:
    return f"data:audio/mpeg;base64,{base64.b64encode(sound).decode('ascii')}" if sound else ""


def _environment(language: Language) -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("emotrace.outputs", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["label"] = lambda label: next(
        (f"{e.emoji} {e.zh if language == 'zh' else e.name}" for e in EMOTIONS if e.name == label), label
    )
    environment.filters["colour"] = lambda label: next(
        (e.colour for e in EMOTIONS if e.name == label), "#888888"
    )
    environment.filters["clock"] = clock
    environment.globals["t"] = TEXTS[language]
    return environment


def clock(seconds: float | None) -> str:
    """Seconds as people write them.

    >>> clock(3.25), clock(75), clock(3700), clock(None)
    ('3.2 s', '1:15', '1:01:40', '')
    """
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"
