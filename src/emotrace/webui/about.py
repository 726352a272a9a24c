"""The page that says what is kept, what is allowed, and what the models are for."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import Iterable
from html import escape
from importlib.metadata import version

import gradio as gr

import emotrace
from emotrace.models import registry
from emotrace.models.card import ModelCard
from emotrace.models.listing import Row, rows
from emotrace.server.service import Service
from emotrace.webui.calls import Calls
from emotrace.webui.card_texts import in_language
from emotrace.webui.controls import QUIET
from emotrace.webui.markup import clock, size, table
from emotrace.webui.shelf import KEPT_SECONDS
from emotrace.webui.texts import Words

PACKAGES = ("onnxruntime", "av", "numpy", "gradio", "fastapi", "uvicorn")


def build(calls: Calls, words: Words, tab: gr.Tab) -> None:
    """Put the page where the caller stands.

    Args:
        calls: have the service.
        words: of the page.
        tab: that it is in: the states of the models are new whenever it is opened.
    """
    shown = gr.HTML(about_view(calls.service, words), js_on_load=None, elem_id="em-about")

    async def now() -> str:
        return await asyncio.to_thread(about_view, calls.service, words)

    tab.select(now, None, shown, **QUIET)


def about_view(service: Service, words: Words) -> str:
    """The page as HTML."""
    installed = [each for each in rows() if each.installed]
    parts = (
        _card(words("about.kept"), _list(_kept(service, words))),
        _card(words("about.limits"), _limits(service, words)),
        _card(words("about.use"), _use(service, words), wide=True),
        _card(words("about.models"), _models(service, installed, words), wide=True),
        _card(words("about.versions"), _versions()),
        _card(words("about.licences"), _list(_licences(installed, words))),
    )
    api = f'{escape(words("about.api"))} <a href="/v1/openapi.json">/v1/openapi.json</a>'
    return f'<div class="em-cards">{"".join(parts)}</div><p class="em-small">{api}</p>'


def _card(title: str, content: str, wide: bool = False) -> str:
    return f'<section class="em-card{" em-wide" if wide else ""}"><h3>{escape(title)}</h3>{content}</section>'


def _list(lines: Iterable[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"


def _pairs(pairs: Iterable[tuple[str, str]]) -> str:
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    return f"<dl>{items}</dl>"


def _kept(service: Service, words: Words) -> list[str]:
    settings = service.settings
    lines = [words("about.kept.pages", round(KEPT_SECONDS / 60))]
    if not settings.history:
        lines.append(words("about.kept.nothing"))
    else:
        audio = words("about.kept.audio" if settings.keep_audio else "about.kept.no audio")
        lines += [words("about.kept.results", audio), words("about.kept.batch")]
        days = settings.keep_days
        lines.append(words("about.kept.days", f"{days:g}") if days else words("about.kept.ever"))
        if settings.max_disk_bytes:
            lines.append(words("about.kept.disk", size(settings.max_disk_bytes)))
    return [*lines, words("about.kept.live"), words("about.kept.out")]


def _limits(service: Service, words: Words) -> str:
    settings = service.settings
    batch = (
        (words("about.limits.files"), str(settings.job_files)),
        (words("about.limits.batch"), clock(settings.job_max_seconds)),
    )
    return _pairs(
        (
            (words("about.limits.model"), service.default),
            (words("about.limits.workers"), str(settings.side_by_side)),
            (words("about.limits.streams"), str(settings.streams)),
            (words("about.limits.bytes"), size(settings.max_bytes)),
            (words("about.limits.seconds"), clock(settings.max_seconds)),
            (words("about.limits.deadline"), clock(settings.deadline_seconds)),
            (words("about.limits.queue"), str(settings.queue)),
            *(batch if settings.history else ()),
        )
    )


def _use(service: Service, words: Words) -> str:
    card = registry.find(service.default).card
    told = (
        (words("about.use.for"), card.intended_use),
        (words("about.use.not"), card.not_for),
        (words("about.use.training"), card.training_data),
    )
    pairs = _pairs((name, in_language(text, words.language)) for name, text in told if text)
    return f'<p class="em-important">{escape(words("about.use.people"))}</p>{pairs}{_figures(card, words)}'


def _figures(card: ModelCard, words: Words) -> str:
    pairs = (
        (f"{each.name} ({each.corpus}, {each.split})", _figure(each.value, each.interval))
        for each in card.figures
    )
    title, hint = escape(words("about.use.figures")), escape(words("about.use.named"))
    return f'<details><summary>{title}</summary><p class="em-small">{hint}</p>{_pairs(pairs)}</details>'


def _figure(value: float, interval: tuple[float, float] | None) -> str:
    return f"{value:.3f}" + ("" if interval is None else f" ({interval[0]:.3f} - {interval[1]:.3f})")


def _models(service: Service, installed: list[Row], words: Words) -> str:
    head = ("name", "state", "size", "licence")
    lines = (
        (
            escape(row.name),
            escape(words(f"state.{service.models.state(row.name)}")),
            "" if row.bytes is None else size(row.bytes),
            escape(row.licence or ""),
        )
        for row in installed
    )
    return table([words(f"about.model.{each}") for each in head], lines, words("about.models"))


def _versions() -> str:
    found = [("emotrace", emotrace.__version__), ("Python", platform.python_version())]
    return _pairs([*found, *((name, version(name)) for name in PACKAGES)])


def _licences(installed: list[Row], words: Words) -> list[str]:
    models = [words("about.licences.model", row.name, row.licence or "?") for row in installed]
    return [words("about.licences.program"), *models, words("about.licences.ui")]
