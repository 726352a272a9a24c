"""The page: its head, and a tab for each thing to do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

import gradio as gr

from emotrace.webui import about, analyse, batch, history, live
from emotrace.webui.calls import Calls
from emotrace.webui.languages import LANGUAGES
from emotrace.webui.texts import Words

FONTS = (
    *("em-emoji", "system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "Helvetica Neue", "Arial"),
    *("PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "Noto Sans SC", "WenQuanYi Micro Hei"),
    "sans-serif",
)
"""Fonts of the reader's own machine; none is loaded. The first has emoji only: see ``static/ui.css``."""

MONO = ("ui-monospace", "Consolas", "Liberation Mono", "Noto Sans Mono CJK SC", "monospace")


def theme() -> gr.themes.Base:
    """Colours and fonts of Gradio's controls."""
    return gr.themes.Base(
        primary_hue="blue", neutral_hue="slate", radius_size="md", font=FONTS, font_mono=MONO
    ).set(
        body_background_fill="*neutral_50",
        color_accent="*primary_700",
        color_accent_soft_dark="*primary_900",
        link_text_color="*primary_700",
        block_background_fill="white",
        block_border_width="1px",
        block_label_background_fill="transparent",
        block_title_text_weight="600",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_600",
        button_primary_text_color="white",
        button_secondary_background_fill="white",
        button_cancel_background_fill="#a33100",
        button_cancel_background_fill_hover="#832700",
        button_cancel_text_color="white",
        button_border_width="1px",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_600",
    )


def build(calls: Calls, words: Words, samples: Sequence[Path]) -> gr.Blocks:
    """The page in one language.

    Args:
        calls: answers.
        words: of the language.
        samples: recordings to try.
    """
    page: gr.Blocks
    with gr.Blocks(title=words("title"), analytics_enabled=False) as page:
        gr.HTML(_head(words), js_on_load=None, elem_id="em-top")
        with gr.Tabs(elem_id="em-tabs"):
            with gr.Tab(words("tab.analyse"), id="analyse"):
                analyse.build(calls, words, samples)
            with gr.Tab(words("tab.live"), id="live"):
                live.build(words)
            with gr.Tab(words("tab.batch"), id="batch") as tab:
                batch.build(calls, words, tab)
            with gr.Tab(words("tab.history"), id="history") as tab:
                history.build(calls, words, tab)
            with gr.Tab(words("tab.about"), id="about") as tab:
                about.build(calls, words, tab)
    return page


def _head(words: Words) -> str:
    other = LANGUAGES[1 - LANGUAGES.index(words.language)]
    return (
        f'<header class="em-banner" data-said="{escape(json.dumps(words.for_script()))}">'
        "<div><h1>emotrace</h1>"
        f"<p>{escape(words('tagline'))}</p></div>"
        f'<a class="em-switch" href="/?lang={other}" hreflang="{other}" '
        f'title="{escape(words("switch.hint"))}">'
        f"{escape(words('switch'))}</a></header>"
        '<p id="em-told" class="em-hidden" role="status"></p>'
    )
