"""Controls that more than one page has: the options of a recognition."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData

from emotrace.labels import EMOTIONS
from emotrace.models import registry
from emotrace.server.forms import RecognitionForm
from emotrace.server.service import Service
from emotrace.webui.texts import Words

GRANULARITIES = ("utterance", "frame", "segment")
CHANNELS = ("mean", "0", "1")
SMOOTHERS = ("none", "vote", "ewma", "median", "hmm", "hmm-online", "viterbi")

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": True}
"""Of every event: no API, and progress that the page itself shows."""


def recording_control(words: Words) -> gr.Audio:
    """A recording, uploaded or recorded; other programs do not look into a file that is put there."""
    control = gr.Audio(
        type="filepath",
        sources=["upload", "microphone"],
        label=words("recording"),
        buttons=[],
        elem_id="em-audio",
    )

    def as_it_is(value: Any) -> FileData | None:
        return None if value is None else FileData(path=str(value), orig_name=Path(value).name)

    control.postprocess = as_it_is  # type: ignore[method-assign]  # of a subclass, Gradio would write a file here
    return control


def option_controls(service: Service, words: Words) -> list[gr.components.Component]:
    """Granularity, model, smoothing, preset, channel and embedding, as :func:`fields_of` takes them."""
    granularity = gr.Radio(
        [(words(f"granularity.{each}"), each) for each in GRANULARITIES],
        value="utterance",
        label=words("granularity"),
        elem_classes="em-granularity",
    )
    with gr.Row():
        model = gr.Dropdown(_models(service, words), value="auto", label=words("model"), min_width=190)
        preset = gr.Dropdown(_presets(service, words), value="default", label=words("preset"), min_width=190)
        smooth = gr.Dropdown(
            [(words(f"smooth.{each}"), each) for each in SMOOTHERS],
            value="none",
            label=words("smooth"),
            min_width=190,
        )
        channel = gr.Dropdown(
            [(words(f"channel.{each}"), each) for each in CHANNELS],
            value=CHANNELS[0],
            label=words("channel"),
            min_width=190,
        )
    embedding = gr.Checkbox(label=words("embedding"), container=False)
    return [granularity, model, smooth, preset, channel, embedding]


def fields_of(
    granularity: str, model: str, smooth: str, preset: str, channel: str, embedding: bool
) -> dict[str, str]:
    """What the controls say, as the fields of the REST API.

    >>> fields_of("frame", "auto", "none", "default", "mean", False)
    {'granularity': 'frame', 'model': 'auto', 'preset': 'default'}
    """
    fields = {"granularity": granularity, "model": model, "preset": preset}
    if smooth != "none":
        fields["smooth"] = smooth
    if channel != CHANNELS[0]:
        fields["channel"] = channel
    if embedding:
        fields["embedding"] = "true"
    RecognitionForm.read(fields)
    return fields


def emotion_choices(words: Words) -> list[tuple[str, str]]:
    """All nine, with emoji."""
    return [(f"{each.emoji} {words.label(each.name)}", each.name) for each in EMOTIONS]


def unchecked(payload: str | float | None) -> str:
    """What was chosen, also on a page that was opened before this server started."""
    return str(payload or "")


def _models(service: Service, words: Words) -> list[tuple[str, str]]:
    own = (words("model.auto", service.default), "auto")
    return [own, *((name, name) for name in registry.installed())]


def _presets(service: Service, words: Words) -> list[tuple[str, str]]:
    return [
        (words(f"preset.{name}") if words.has(f"preset.{name}") else name, name) for name in service.presets
    ]
