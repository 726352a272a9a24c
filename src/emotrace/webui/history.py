"""The page with what was recognised before: search, review, feedback, deletion."""

from __future__ import annotations

import asyncio
from typing import Any

import gradio as gr

from emotrace.labels import emotion
from emotrace.server.access.callers import Caller
from emotrace.server.problems import RequestError
from emotrace.server.service import Service
from emotrace.store import Kept, Page, Store
from emotrace.webui.analyse import failed
from emotrace.webui.calls import Calls, caller
from emotrace.webui.controls import QUIET, emotion_choices, unchecked
from emotrace.webui.downloads import kept_links
from emotrace.webui.markup import MARKS, note, percent
from emotrace.webui.result import log_of, result_view
from emotrace.webui.texts import Words

ANY = ""
UNBROKEN = str.maketrans("- ", "\N{NON-BREAKING HYPHEN}\N{NO-BREAK SPACE}")
LIMIT = 25
"""Recordings in one go."""

Found = tuple[Any, list[tuple[str, str]], str, Any, str]


def build(calls: Calls, words: Words, tab: gr.Tab) -> None:
    """Put the page where the caller stands.

    Args:
        calls: have the store.
        words: of the page.
        tab: that it is in: the list is new whenever it is opened.
    """
    if not calls.service.settings.history:
        gr.HTML(note(words("history.off")), js_on_load=None)
        return
    _Page(calls.service, words).build(tab)


class _Page:
    def __init__(self, service: Service, words: Words) -> None:
        self._service, self._words = service, words

    @property
    def _store(self) -> Store:
        return self._service.open()

    def build(self, tab: gr.Tab) -> None:
        """The controls and what they do."""
        words = self._words
        any_one = [(words("history.any"), ANY)]
        rows, cursor, opened = gr.State([]), gr.State(""), gr.State("")
        with gr.Row(elem_classes="em-columns"):
            with gr.Column(scale=5, min_width=300):
                text = gr.Textbox(label=words("history.search"), max_length=200, elem_id="em-search")
                with gr.Row():
                    label = gr.Dropdown(
                        [*any_one, *emotion_choices(words)],
                        value=ANY,
                        label=words("history.emotion"),
                        min_width=120,
                    )
                    decision = gr.Dropdown(
                        [*any_one, *((words(each), each) for each in MARKS)],
                        value=ANY,
                        label=words("history.verdict"),
                        min_width=120,
                    )
                review = gr.Checkbox(label=words("history.review"), container=False, elem_id="em-review")
                find = gr.Button(words("history.find"), variant="primary", elem_id="em-find")
                told = gr.HTML("", js_on_load=None)
                chosen = gr.Radio(
                    [],
                    show_label=False,
                    label=words("tab.history"),
                    elem_classes="em-list",
                    elem_id="em-list",
                )
                chosen.preprocess = unchecked  # type: ignore[method-assign]  # the store knows what there is
                more = gr.Button(words("history.more"), visible=False, size="sm")
            with gr.Column(scale=7, min_width=300):
                shown = gr.HTML(note(words("history.choose")), js_on_load=None, elem_id="em-history-shown")
                with gr.Group(visible=False, elem_id="em-feedback") as judging:
                    right = gr.Dropdown(emotion_choices(words), value=None, label=words("feedback.label"))
                    remark = gr.Textbox(label=words("feedback.note"), lines=2, max_length=4000)
                    with gr.Row():
                        send = gr.Button(words("feedback.send"), variant="primary", elem_id="em-send")
                        remove = gr.Button(words("delete"), elem_id="em-delete")
                        sure = gr.Button(
                            words("delete.sure"), variant="stop", visible=False, elem_id="em-sure"
                        )
                answer = gr.HTML("", js_on_load=None, elem_id="em-answer")

        asked, listed = [text, label, decision, review], [chosen, rows, cursor, more, told]
        for event in (find.click, text.submit, label.input, decision.input, review.input, tab.select):
            event(self._first, asked, listed, **QUIET)
        review.input(_filters, review, [text, label, decision], **QUIET)
        more.click(self._next, [*asked, rows, cursor], listed, **QUIET)
        chosen.input(self._open, chosen, [shown, judging, right, remark, sure, answer, opened], **QUIET)
        send.click(self._send, [opened, right, remark, rows], [answer, chosen, rows], **QUIET)
        remove.click(lambda: gr.Button(visible=True), None, sure, **QUIET)
        sure.click(self._delete, opened, [answer, shown, judging], **QUIET).then(
            self._first, asked, listed, **QUIET
        )

    async def _first(self, text: str, label: str, decision: str, review: bool, request: gr.Request) -> Found:
        return await self._next(text, label, decision, review, [], "", request)

    async def _next(
        self,
        text: str,
        label: str,
        decision: str,
        review: bool,
        rows: list[tuple[str, str]],
        cursor: str,
        request: gr.Request,
    ) -> Found:
        try:
            who = caller(request, "history")
            page = await asyncio.to_thread(self._page, who, text, label, decision, review, cursor or None)
        except Exception as error:
            return gr.Radio([]), [], "", gr.Button(visible=False), failed(error, self._words)
        rows = [*((line, name) for line, name in rows), *((self._line(each), each.id) for each in page.items)]
        told = "" if rows else note(self._words("history.none"))
        return (
            gr.Radio(rows, value=None),
            rows,
            page.cursor or "",
            gr.Button(visible=page.cursor is not None),
            told,
        )

    def _page(
        self, who: Caller, text: str, label: str, decision: str, review: bool, cursor: str | None
    ) -> Page[Kept]:
        known = self._store.recognitions
        if review:
            return known.review(who.owner, cursor=cursor, limit=LIMIT)
        return known.search(
            who.owner,
            text=text or None,
            emotion=label or None,
            decision=decision or None,
            cursor=cursor,
            limit=LIMIT,
        )

    def _line(self, kept: Kept) -> str:
        words, what = self._words, emotion(kept.emotion)
        when = f"{kept.created.astimezone():%Y-%m-%d %H:%M}".translate(UNBROKEN)
        parts = [f"{what.emoji} {words.label(what.name)} {percent(kept.confidence)}", kept.source, when]
        if kept.decision is not None:
            parts[0] += f" {MARKS[kept.decision]}"
        if kept.label is not None:
            parts.append(words("history.corrected", words.label(kept.label)))
        return " · ".join(parts)

    async def _open(self, name: str | None, request: gr.Request) -> tuple[Any, ...]:
        hidden = gr.Button(visible=False)
        try:
            who = caller(request, "history")
            kept, view = await asyncio.to_thread(self._view, name or "", who)
        except Exception as error:
            return failed(error, self._words), gr.Group(visible=False), gr.skip(), gr.skip(), hidden, "", ""
        return view, gr.Group(visible=True), kept.label, kept.note or "", hidden, "", kept.id

    def _view(self, name: str, who: Caller) -> tuple[Kept, str]:
        kept = self._store.recognitions.get(name, who.owner)
        recalled = self._store.recognitions.recall(name, who.owner)
        record = self._store.recognitions.record(name, who.owner)
        if kept is None or recalled is None or record is None:
            raise _gone()
        self._store.audit.add(who.key, "read", name)
        links = kept_links(kept, self._words)
        return kept, result_view(record, recalled[1], links, log_of(record, self._words), self._words)

    async def _send(
        self,
        name: str,
        label: str | None,
        remark: str,
        rows: list[tuple[str, str]],
        request: gr.Request,
    ) -> tuple[str, Any, Any]:
        words = self._words
        if not label and not remark.strip():
            return note(words("feedback.choose"), "error"), gr.skip(), gr.skip()
        try:
            who = caller(request, "history")
            kept = await asyncio.to_thread(self._judge, name, who, label or None, remark.strip() or None)
        except Exception as error:
            return failed(error, words), gr.skip(), gr.skip()
        rows = [(self._line(kept) if id == name else line, id) for line, id in rows]  # noqa: A001
        return note(words("feedback.saved"), "done"), gr.Radio(rows), rows

    def _judge(self, name: str, who: Caller, label: str | None, remark: str | None) -> Kept:
        given = self._store.feedback.add(name, owner=who.owner, author=who.key, label=label, note=remark)
        kept = self._store.recognitions.get(name, who.owner)
        if given is None or kept is None:
            raise _gone()
        return kept

    async def _delete(self, name: str, request: gr.Request) -> tuple[str, str, Any]:
        words = self._words
        try:
            who = caller(request, "history")
            gone = await asyncio.to_thread(
                lambda: self._store.recognitions.delete(name, who.owner, actor=who.key)
            )
            if not gone:
                raise _gone()
        except Exception as error:
            return failed(error, words), "", gr.skip()
        return note(words("deleted"), "done"), note(words("history.choose")), gr.Group(visible=False)


def _filters(review: bool) -> list[Any]:
    """The review queue has all that is doubtful: nothing is searched in it."""
    return [gr.Textbox(interactive=not review), *(gr.Dropdown(interactive=not review) for _ in range(2))]


def _gone() -> RequestError:
    return RequestError("not-found", "this recording is not kept any more")
