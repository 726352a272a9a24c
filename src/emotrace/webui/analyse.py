"""The page that analyses one recording."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from emotrace.errors import EmotraceError
from emotrace.server.monitoring.logs import log
from emotrace.webui.calls import Calls, Step, caller, place_of, watched
from emotrace.webui.controls import QUIET, fields_of, option_controls, recording_control
from emotrace.webui.downloads import links_of
from emotrace.webui.markup import note, progress
from emotrace.webui.result import log_of, result_view
from emotrace.webui.shelf import Shelved
from emotrace.webui.texts import Words


def build(calls: Calls, words: Words, samples: Sequence[Path]) -> None:
    """Put the page where the caller stands.

    Args:
        calls: answers.
        words: of the page.
        samples: recordings to try: of one sentence, and of several moods.
    """
    with gr.Row(elem_classes="em-columns"):
        with gr.Column(scale=5, min_width=300):
            audio = recording_control(words)
            with gr.Row():
                examples = [
                    gr.Button(words(f"sample.{path.stem}"), size="sm", elem_id=f"em-sample-{path.stem}")
                    for path in samples
                ]
            controls = option_controls(calls.service, words)
            start = gr.Button(words("analyse"), variant="primary", elem_id="em-analyse", interactive=False)
        with gr.Column(scale=7, min_width=300):
            shown = gr.HTML(note(words("empty.analyse")), elem_id="em-shown", js_on_load=None)

    async def analyse(request: gr.Request, path: str | None, *options: Any) -> AsyncIterator[tuple[str, Any]]:
        if path is None:
            yield note(words("no recording"), "error"), gr.skip()
            return
        ready = gr.Button(interactive=True)
        yield progress(words("step.wait"), None), gr.Button(interactive=False)
        try:
            who = caller(request, "recognize")
            fields = fields_of(*options)
            step = Step()
            async for name in watched(calls.recognise(path, fields, who, place_of(request), step)):
                if name is None:
                    yield progress(words(step.text), step.share), gr.skip()
                else:
                    yield view(name, calls.shelf.shown(name, who.key), words), ready
        except Exception as error:
            yield failed(error, words), ready

    start.click(analyse, [audio, *controls], [shown, start], **QUIET)
    audio.change(lambda path: gr.Button(interactive=path is not None), audio, start, **QUIET)
    for button, sample, granularity in zip(examples, samples, ("utterance", "frame"), strict=True):
        chosen = (str(sample), granularity)
        button.click(lambda chosen=chosen: chosen, None, [audio, controls[0]], **QUIET)


def view(name: str, found: Shelved, words: Words) -> str:
    """A result on the shelf as HTML."""
    log_lines = [
        words("log.file", f"{found.when:%H:%M:%S}", found.record["source"]),
        *log_of(found.record, words),
    ]
    speed = found.record["duration_seconds"] / max(found.seconds, 1e-3)
    log_lines.append(words("log.time", f"{found.seconds:.2f}", f"{speed:.0f}"))
    log_lines.append(words("log.unkept") if found.kept is None else words("log.kept", found.kept))
    links = links_of(name, found, words)
    return result_view(found.record, found.outline, links, log_lines, words)


def failed(error: Exception, words: Words) -> str:
    """What went wrong as HTML; the log has the rest."""
    if not isinstance(error, EmotraceError):
        log.error("unexpected error on a page", exc_info=error)
    return note(words.error(error), "error")
