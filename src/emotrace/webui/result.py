"""One result as a person reads it: emotion, scores, timeline, warnings, log, downloads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from emotrace.labels import LABELS, emotion
from emotrace.outputs.envelope import Envelope
from emotrace.outputs.warning_texts import in_chinese
from emotrace.webui.drawing import stretches, timeline
from emotrace.webui.markup import badge, clock, label, percent, table
from emotrace.webui.texts import Words

LISTED = 500
"""Segments in the table."""


@dataclass(frozen=True, slots=True)
class Links:
    """Where the files of a result are.

    Attributes:
        downloads: name for people and address of each.
        sound: address of the recording, to listen to; None is none.
        minutes: how long they are there; None is as long as the result.
    """

    downloads: tuple[tuple[str, str], ...] = ()
    sound: str | None = None
    minutes: int | None = None


def result_view(
    record: Mapping[str, Any], outline: Envelope | None, links: Links, log: Iterable[str], words: Words
) -> str:
    """A result as HTML.

    Args:
        record: see :func:`~emotrace.outputs.recognition_record`, with ``frames`` if there are any.
        outline: of the waveform.
        links: to its files.
        log: lines that tell what happened.
        words: of the page.
    """
    parts = (
        _main(record, words),
        _section(words("top"), _top(record, words), "em-half"),
        _section(words("scores"), _bars(record, words), "em-half"),
        _section(words("timeline"), timeline(record, outline, links.sound, words)),
        _segments(record, words),
        _section(words("notes"), _notes(record, words)),
        _downloads(links, words),
        _folded(words("log"), f'<pre class="em-log">{escape(chr(10).join(log))}</pre>'),
    )
    return f'<article class="em-result">{"".join(parts)}</article>'


def log_of(record: Mapping[str, Any], words: Words) -> list[str]:
    """What is known of how a result came about."""
    quality, model = record["quality"], record["model"]
    lines = [words("log.model", model["name"], model["precision"], model["device"], model["runtime"])]
    speech = record["speech_seconds"] if quality["speech_seconds"] is None else quality["speech_seconds"]
    spoken = "-" if speech is None else clock(speech)
    lines.append(words("log.length", clock(record["duration_seconds"]), spoken))
    if quality["level_db"] is not None:
        clipped = f"{100 * (quality['clipping_share'] or 0):.2f}"
        lines.append(words("log.level", f"{quality['level_db']:.1f}", f"{quality['peak_db']:.1f}", clipped))
    if quality["snr_db"] is not None and quality["bandwidth_hz"] is not None:
        lines.append(words("log.snr", f"{quality['snr_db']:.0f}", f"{quality['bandwidth_hz'] / 1000:.1f}"))
    if record["track_method"]:
        method = (record["smoothing"] or {}).get("method")
        lines.append(words("log.track", record["track_method"], words(f"smooth.{method or 'none'}")))
    return lines


def _main(record: Mapping[str, Any], words: Words) -> str:
    what = emotion(record["emotion"])
    verdict = badge(record["verdict"]["decision"], words) if record["verdict"] else ""
    return (
        f'<header class="em-main" style="--em-colour:{what.colour}">'
        f'<span class="em-big" aria-hidden="true">{what.emoji}</span>'
        f'<div class="em-what"><strong class="em-name" data-emotion="{what.name}">'
        f"{escape(words.label(what.name))}</strong>"
        f'<span class="em-sure">{escape(words("confidence", percent(record["confidence"])))}</span></div>'
        f'<div class="em-aside">{verdict}'
        f'<span class="em-source">{escape(record["source"])}</span></div></header>'
    )


def _section(title: str, content: str, looks: str = "") -> str:
    return f'<section class="em-section {looks}"><h3>{escape(title)}</h3>{content}</section>'


def _folded(title: str, content: str) -> str:
    return f'<details class="em-section"><summary>{escape(title)}</summary>{content}</details>'


def _top(record: Mapping[str, Any], words: Words) -> str:
    rows = "".join(
        f'<li style="--em-colour:{emotion(each["emotion"]).colour}">{label(each["emotion"], words)}'
        f"<b>{percent(each['score'])}</b></li>"
        for each in record["top"][:3]
    )
    return f'<ol class="em-top">{rows}</ol>'


def _bars(record: Mapping[str, Any], words: Words) -> str:
    ordered = sorted(LABELS, key=lambda name: -record["scores"][name])
    rows = "".join(
        f'<li><span class="em-bar-name">{escape(words.label(name))}</span>'
        f'<span class="em-bar"><i style="width:{100 * record["scores"][name]:.1f}%;'
        f'background:{emotion(name).colour}"></i></span>'
        f'<span class="em-bar-value">{100 * record["scores"][name]:.1f} %</span></li>'
        for name in ordered
    )
    return f'<ul class="em-bars">{rows}</ul>'


def _segments(record: Mapping[str, Any], words: Words) -> str:
    found = stretches(record)
    if len(found) < 2:
        return ""
    rows = (
        (
            f'<button type="button" class="em-seek" data-seek="{each.start:.2f}" '
            f'aria-label="{escape(words("play"))} {clock(each.start)}">▶ {clock(each.start)}</button>',
            clock(each.end),
            label(each.emotion, words),
            percent(each.confidence),
        )
        for each in found[:LISTED]
    )
    head = (words("start"), words("end"), words("emotion"), words("sureness"))
    return _folded(f"{words('segments')} ({len(found)})", table(head, rows, words("segments")))


def _notes(record: Mapping[str, Any], words: Words) -> str:
    items = [
        f'<li class="em-{reason["decision"]}"><b>{escape(_cased(_said(reason, "sentence", words)))}</b> '
        f"{escape(_cased(_said(reason, 'advice', words)))}</li>"
        for reason in (record["verdict"] or {}).get("reasons", [])
    ]
    for warning in record["warnings"]:
        text = in_chinese(warning) if words.language == "zh" else warning
        items.append(f'<li class="em-flag"><b>{escape(_cased(text))}</b></li>')
    if not items:
        return f'<p class="em-fine">{escape(words("notes.none"))}</p>'
    return f'<ul class="em-notes">{"".join(items)}</ul>'


def _said(reason: Mapping[str, Any], field: str, words: Words) -> str:
    return str(reason[f"{field}_zh" if words.language == "zh" else field])


def _cased(text: str) -> str:
    """A sentence as it stands alone.

    >>> _cased("too quiet: -50 dB")
    'Too quiet: -50 dB.'
    """
    end = "。" if not text.isascii() and any("\u4e00" <= c <= "\u9fff" for c in text) else "."
    closed = text if text.endswith((".", "。", "!", "?", "？")) else text + end
    return closed[:1].upper() + closed[1:]


def _downloads(links: Links, words: Words) -> str:
    if not links.downloads:
        return ""
    items = "".join(
        f'<a class="em-chip" download href="{escape(address)}">{escape(name)}</a>'
        for name, address in links.downloads
    )
    told = (
        ""
        if links.minutes is None
        else f'<p class="em-small">{escape(words("downloads.note", links.minutes))}</p>'
    )
    return _section(words("downloads"), f'<div class="em-chips">{items}</div>{told}')
