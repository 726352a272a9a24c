"""The page where a person signs in with a key: plain HTML in both languages, from this file alone."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from http import HTTPStatus
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from emotrace.server.access.authentication import Authentication
from emotrace.server.access.guard import COOKIE, SIGN_IN
from emotrace.server.problems import KINDS, RequestError
from emotrace.server.settings import Settings

SIGN_OUT = "/sign-out"

LANGUAGE_COOKIE = "emotrace_language"
"""Of the web page, which asks the same."""

_TEXTS = {
    "en": {
        "title": "Sign in",
        "key": "API key",
        "hint": "Whoever runs this service gives you one: emotrace keys create NAME",
        "enter": "Sign in",
        "leave": "Sign out",
        "known": "Signed in as {name}",
        "back": "Back to the page",
        "other": "中文",
        "unauthorized": "This key is wrong, revoked or has expired.",
        "rate": "Too many wrong keys. Try again in {wait} s.",
    },
    "zh": {
        "title": "登录",
        "key": "API 密钥",
        "hint": "密钥由运行此服务的人提供：emotrace keys create 名称",
        "enter": "登录",
        "leave": "退出登录",
        "known": "已登录：{name}",
        "back": "返回页面",
        "other": "English",
        "unauthorized": "密钥错误、已撤销或已过期。",
        "rate": "错误次数过多，请在 {wait} 秒后重试。",
    },
}
_HTML_NAMES = {"en": "en", "zh": "zh-Hans"}

_STYLE = """
:root { color-scheme: light dark; font-family: system-ui, "Noto Sans SC", "PingFang SC", sans-serif; }
body { display: grid; place-items: center; min-height: 90vh; margin: 0; }
form { display: grid; gap: .8rem; width: min(22rem, 88vw); }
h1 { font-size: 1.4rem; margin: 0; }
label { display: grid; gap: .3rem; }
input, button { font: inherit; padding: .6rem .7rem; border-radius: .5rem; border: 1px solid #8888; }
button { background: #2563eb; color: #fff; border-color: #2563eb; cursor: pointer; }
p { margin: 0; font-size: .85rem; opacity: .75; }
.wrong { color: #dc2626; opacity: 1; }
a { color: inherit; font-size: .85rem; }
"""

POLICY = (
    f"default-src 'none'; style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)

_MOST_DIGITS = 3  # of the length of the form


def router(authentication: Authentication, settings: Settings) -> APIRouter:
    """``/sign-in`` and ``/sign-out``.

    Args:
        authentication: knows the keys.
        settings: of the service.
    """
    routes = APIRouter(include_in_schema=False)

    @routes.get(SIGN_IN)
    async def show(request: Request) -> Response:
        if not await authentication.required():
            return RedirectResponse("/", HTTPStatus.SEE_OTHER)
        known = await authentication.session(request.cookies.get(COOKIE, ""))
        return _page(request) if known is None else _leaving(request, known.caller.name)

    @routes.post(SIGN_IN)
    async def enter(request: Request) -> Response:
        key = await _key_of(request)
        address = request.client.host if request.client else ""
        try:
            cookie = await authentication.sign_in(key, address)
        except RequestError as error:
            return _page(request, error)
        answer = RedirectResponse(_next_of(request), HTTPStatus.SEE_OTHER)
        answer.set_cookie(
            COOKIE,
            cookie,
            max_age=round(settings.session_hours * 3600),
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    @routes.post(SIGN_OUT)
    async def leave(request: Request) -> Response:
        await authentication.sign_out(request.cookies.get(COOKIE, ""))
        answer = RedirectResponse(SIGN_IN, HTTPStatus.SEE_OTHER)
        answer.delete_cookie(COOKIE, httponly=True, samesite="strict", secure=request.url.scheme == "https")
        return answer

    return routes


async def _key_of(request: Request) -> str:
    """The field of the form, which a browser sends URL-encoded.

    Raises:
        RequestError: there is none.
    """
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or len(length) > _MOST_DIGITS:
        raise RequestError("limit", "the form is too long, or does not say how long it is; expected a key")
    async with request.form(max_files=0, max_fields=4) as form:
        key = form.get("key")
    if not isinstance(key, str) or not key.strip():
        raise RequestError("bad-request", "there is no key in the form; expected a field 'key'")
    return key.strip()


def _page(request: Request, error: RequestError | None = None) -> Response:
    text = _TEXTS[language_of(request)]
    wrong, status, headers = "", 200, {}
    if error is not None:
        status, headers = KINDS[error.code].status, error.headers
        sentence = text[error.code].format(wait=error.headers.get("Retry-After"))
        wrong = f'<p class="wrong" role="alert">{escape(sentence)}</p>'
    fields = f"""{wrong}
<label>{text["key"]}<input name="key" type="password" required autofocus autocomplete="current-password"
spellcheck="false" autocapitalize="none"></label>
<button type="submit">{text["enter"]}</button>
<p>{text["hint"]}</p>"""
    return _shown(request, text["title"], SIGN_IN, fields, status, headers)


def _leaving(request: Request, name: str) -> Response:
    text = _TEXTS[language_of(request)]
    fields = f"""<p>{escape(text["known"].format(name=name))}</p>
<button type="submit">{text["leave"]}</button>
<a href="/">{text["back"]}</a>"""
    return _shown(request, text["leave"], SIGN_OUT, fields)


def _shown(
    request: Request,
    title: str,
    action: str,
    fields: str,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    language = language_of(request)
    tag, other = _HTML_NAMES[language], "en" if language == "zh" else "zh"
    query = f"?next={quote(_next_of(request))}&amp;lang="
    body = f"""<!doctype html>
<html lang="{tag}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>emotrace · {title}</title><style>{_STYLE}</style></head>
<body><main><form method="post" action="{action}{query}{language}">
<h1>emotrace · {title}</h1>
{fields}
<a href="{SIGN_IN}{query}{other}" lang="{_HTML_NAMES[other]}">{_TEXTS[language]["other"]}</a>
</form></main></body></html>
"""
    own = {"Content-Security-Policy": POLICY, "Content-Language": tag}
    return HTMLResponse(body, status, {**own, **(headers or {})})


def language_of(request: Request) -> str:
    """``"zh"`` or ``"en"``: as the address says, else as the browser prefers."""
    for asked in (request.query_params.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if asked in _TEXTS:
            return asked
    for preferred in request.headers.get("accept-language", "").lower().split(","):
        if preferred.strip()[:2] in _TEXTS:
            return preferred.strip()[:2]
    return "en"


def _next_of(request: Request) -> str:
    """Where to go then: a path of this service, and nothing else."""
    path = request.query_params.get("next", "/")
    plain = path.startswith("/") and path.isprintable() and path[1:2] not in ("/", "\\") and "\\" not in path
    return path if plain and not path.startswith(SIGN_IN) else "/"
