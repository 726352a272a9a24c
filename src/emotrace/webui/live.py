"""The page with the live microphone; ``static/live.js`` talks to ``/v1/stream`` and draws."""

from __future__ import annotations

import json
from html import escape

import gradio as gr

from emotrace.labels import EMOTIONS
from emotrace.webui.texts import TEXTS, Words

SECONDS = 30
"""Width of the curve."""


def build(words: Words) -> None:
    """Put the page where the caller stands."""
    gr.HTML(live_view(words), js_on_load=None, elem_id="em-live-page")


def live_view(words: Words) -> str:
    """The page as HTML; the words and colours that the script needs are its data."""
    said = {
        key.removeprefix("live."): words(key, *_places(key))
        for key in TEXTS
        if key.startswith(("live.", "error."))
    }
    labels = [
        {"name": each.name, "shown": words.label(each.name), "emoji": each.emoji, "colour": each.colour}
        for each in EMOTIONS
    ]
    data = escape(json.dumps({"words": said, "labels": labels, "seconds": SECONDS}, ensure_ascii=False))
    legend = "".join(
        f'<li><i style="background:{each.colour}"></i>{escape(words.label(each.name))}</li>'
        for each in EMOTIONS
    )
    return (
        f'<div id="em-live" data-live="{data}"><p class="em-small">{escape(words("live.intro"))}</p>'
        '<div class="em-live-bar">'
        '<button type="button" id="em-live-start" class="em-button em-primary">'
        f"{escape(words('live.start'))}</button>"
        '<button type="button" id="em-live-stop" class="em-button" disabled>'
        f"{escape(words('live.stop'))}</button>"
        f'<label class="em-check"><input type="checkbox" id="em-live-smooth" checked> '
        f"{escape(words('live.smoothing'))}</label></div>"
        f'<p id="em-live-status" role="status" aria-live="polite">{escape(words("live.idle"))}</p>'
        '<meter id="em-live-level" min="0" max="1" value="0" aria-hidden="true"></meter>'
        '<div class="em-live-now"><span id="em-live-emoji" aria-hidden="true">🎙️</span>'
        '<div><strong id="em-live-emotion">–</strong><span id="em-live-sure"></span></div>'
        '<span id="em-live-latency"></span></div>'
        f'<canvas id="em-live-curve" role="img" aria-label="{escape(words("live.curve", SECONDS))}"></canvas>'
        f'<ul class="em-legend">{legend}</ul>'
        f'<h3>{escape(words("live.segments"))}</h3><ol id="em-live-segments" aria-live="polite"></ol></div>'
    )


def _places(key: str) -> tuple[str, ...]:
    """Places that stay for the script to fill in."""
    return tuple(f"{{{i}}}" for i in range(3) if f"{{{i}}}" in TEXTS[key][0])
