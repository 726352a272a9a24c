"""Puts the pages on the application of the service: Gradio behind a door, in both languages."""

from __future__ import annotations

import asyncio
import html
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import gradio as gr
from fastapi import FastAPI, Request, Response
from gradio.processing_utils import save_file_to_cache
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from emotrace.audio import load
from emotrace.errors import EmotraceError
from emotrace.outputs.folder import write_wav
from emotrace.sample import sample_path
from emotrace.server.access.callers import LOCAL, caller_of
from emotrace.server.monitoring.logs import log
from emotrace.server.problems import RequestError
from emotrace.server.service import Service
from emotrace.timing import SAMPLING_RATE
from emotrace.webui import downloads
from emotrace.webui.answers import quiet
from emotrace.webui.calls import Calls
from emotrace.webui.door import Door, new_nonce
from emotrace.webui.languages import COOKIE, LANGUAGES, Language, language_of
from emotrace.webui.page import build, theme
from emotrace.webui.shelf import remove_old
from emotrace.webui.texts import Words
from emotrace.webui.workplace import Workplace

STATIC = Path(__file__).parent / "static"

TIDY_SECONDS = 60.0

POLL_SECONDS = 0.05
"""Between two looks of Gradio's queue for work; by itself it looks every millisecond, in each language, which
takes time and the interpreter's lock from the recognitions."""

SENTENCE_SECONDS = 3.9
"""The first sentence of the shipped recording."""

YEAR = 365 * 24 * 3600

POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'nonce-{nonce}' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""What a page may load: nothing from other hosts, and no script but its own. Gradio compiles its
templates, which needs 'unsafe-eval'."""

_HEAD = """<title>{title}</title>
<link rel="icon" href="/ui/static/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/ui/static/ui.css">
<script>Object.defineProperty(navigator,"language",{{get:()=>"{tag}"}});
Object.defineProperty(navigator,"languages",{{get:()=>["{tag}"]}});</script>
<script src="/ui/static/ui.js" defer></script>
<script src="/ui/static/live.js" defer></script>
"""

_STRANGE = re.compile(r'\s*<meta\s+(?:property="og:|name="twitter:)[^>]*>|\s*<link rel="manifest"[^>]*>')
_TAGS: dict[Language, str] = {"en": "en", "zh": "zh-CN"}


def mount(app: FastAPI, service: Service) -> None:
    """Add the pages to the application of the service, at ``/``.

    Args:
        app: made by :func:`emotrace.server.app.create_app`.
        service: its own.
    """
    place = Workplace(service.settings.data_folder)
    samples = _samples(place.folder)
    calls = Calls(service, app.state.jobs, place.folder)
    quiet()
    holder = FastAPI()
    with _environment(calls.uploads.folder), ThreadPoolExecutor(1) as pool:
        doors = pool.submit(asyncio.run, _doors(holder, calls, samples)).result()
    app.include_router(downloads.router(service, calls.shelf))
    _add_pages(app, doors)
    app.router.routes.extend(_Gradio(root_of(language), door) for language, door in doors.items())
    _add_life(app, holder, calls, place)


def root_of(language: Language) -> str:
    """Where Gradio's part of the pages of a language is."""
    return f"/ui/{language}"


def _samples(folder: Path) -> list[Path]:
    """Copies of the shipped recording: its first sentence, and all of it."""
    whole = Path(shutil.copy(sample_path(), folder / sample_path().name))
    first = folder / "sentence.wav"
    write_wav(first, [load(whole).samples[: round(SENTENCE_SECONDS * SAMPLING_RATE)]])
    return [first, whole]


async def _doors(holder: FastAPI, calls: Calls, samples: Sequence[Path]) -> dict[Language, Door]:
    """One for each language; made in an event loop, because Gradio would open some that it never closes."""
    return {language: _door(holder, calls, language, samples) for language in LANGUAGES}


def _door(holder: FastAPI, calls: Calls, language: Language, samples: Sequence[Path]) -> Door:
    page = build(calls, Words(language), samples)
    page.queue(default_concurrency_limit=None, api_open=False, max_size=calls.service.settings.queue + 256)
    page._queue.sleep_when_free = page._queue.progress_update_sleep_when_free = POLL_SECONDS
    gr.mount_gradio_app(
        holder, page, path=root_of(language), root_path=root_of(language), footer_links=[], run_history=False,
        show_error=False, max_file_size=calls.service.settings.max_bytes, ssr_mode=False, mcp_server=False,
        enable_monitoring=False, theme=theme(),
    )  # fmt: skip
    app = holder.router.routes.pop().app  # type: ignore[attr-defined]
    for sample in samples:
        calls.uploads.share(save_file_to_cache(sample, page.GRADIO_CACHE))  # where it is when it is shown
    return Door(app, root_of(language), calls.uploads)


@contextmanager
def _environment(folder: Path) -> Iterator[None]:
    """What Gradio reads while it makes an application: where its files go, and that it counts nothing."""
    wanted = {
        "GRADIO_TEMP_DIR": str(folder),
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_ANALYTICS_CACHE_FREQUENCY": str(sys.maxsize),  # else pandas sums up each event
        "GRADIO_ANALYTICS_MAX_EVENTS": "1",
    }
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


class _Gradio(BaseRoute):
    """The route to what is open of one Gradio application; all else is as if it were not there."""

    def __init__(self, root: str, door: Door) -> None:
        self._root, self.door = root, door
        self.path = f"{root}/{{path}}"  # for the log

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """See :class:`starlette.routing.BaseRoute`."""
        path = scope["path"]
        ours = scope["type"] == "http" and path.startswith(self._root + "/")
        if ours and self.door.opens(scope["method"], path.removeprefix(self._root)):
            return Match.FULL, {"route": self}
        return Match.NONE, {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See :class:`starlette.routing.BaseRoute`."""
        await self.door(scope, receive, send)


def _add_pages(app: FastAPI, doors: dict[Language, Door]) -> None:
    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    async def page(request: Request) -> Response:
        language = language_of(
            request.query_params, request.cookies, request.headers.get("accept-language", "")
        )
        if "lang" in request.query_params:
            answer = RedirectResponse("/", 303)
            secure = request.url.scheme == "https"
            answer.set_cookie(COOKIE, language, YEAR, httponly=True, samesite="lax", secure=secure)
            return answer
        status, text = await doors[language].page(request.scope, request.receive)
        nonce = new_nonce()
        headers = {
            "Content-Security-Policy": POLICY.format(nonce=nonce),
            "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
            "Vary": "Accept-Language, Cookie",
        }
        who = caller_of(request)
        name = None if who == LOCAL else who.name
        return HTMLResponse(rewritten(text, language, nonce, name), status, headers)

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> Response:
        return FileResponse(STATIC / "icon.svg", media_type="image/svg+xml")

    @app.get("/ui/static/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        if name not in {path.name for path in STATIC.iterdir()}:
            raise RequestError("not-found", "there is no such file; load the page again")
        return FileResponse(STATIC / name, headers={"Cache-Control": "no-cache"})


def rewritten(text: str, language: Language, nonce: str, name: str | None = None) -> str:
    """Gradio's page with our head, and with a nonce at each script.

    Args:
        text: HTML of Gradio.
        language: of the page.
        nonce: of this answer.
        name: who is signed in; None is nobody.

    >>> page = '<html lang="en"><head><base href="./" /><script>1</script></head></html>'
    >>> 'lang="zh-CN"' in rewritten(page, "zh", "x") and '<script nonce="x">1' in rewritten(page, "zh", "x")
    True
    """
    title = html.escape(Words(language)("title"))
    text = _STRANGE.sub("", text)
    text = text.replace('lang="en"', f'lang="{_TAGS[language]}"', 1)
    text = text.replace('<base href="./" />', f'<base href="{root_of(language)}/" />', 1)
    head = _HEAD.format(title=title, tag=_TAGS[language])
    if name is not None:
        head += f'<meta name="emotrace-caller" content="{html.escape(name)}">'
    text = text.replace("<head>", "<head>" + head, 1)
    return re.sub(r"<script(?=[\s>])", f'<script nonce="{nonce}"', text)


def _add_life(app: FastAPI, holder: FastAPI, calls: Calls, place: Workplace) -> None:
    outer = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[Any]:
        try:
            async with outer(app) as state, holder.router.lifespan_context(holder):
                tasks = [asyncio.ensure_future(each) for each in (_tidy(calls), _part(app, calls))]
                try:
                    yield state
                finally:
                    for task in tasks:
                        task.cancel()
        finally:
            await asyncio.to_thread(place.close)

    app.router.lifespan_context = lifespan


async def _tidy(calls: Calls) -> None:
    while True:
        await asyncio.sleep(TIDY_SECONDS)
        await asyncio.to_thread(remove_old, calls.uploads.folder)
        try:
            await asyncio.to_thread(calls.shelf.tidy)
        except EmotraceError as error:
            log.error("what the pages show cannot be tidied, which is tried again: %s", error)


async def _part(app: FastAPI, calls: Calls) -> None:
    """When the service stops, let go of the pages that are open: they would hold it up."""
    await calls.service.streams.stopping.wait()
    for route in app.router.routes:
        if isinstance(route, _Gradio):
            route.door.close()
