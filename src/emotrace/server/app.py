"""The application: routes, errors, guards, start and end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

import emotrace
from emotrace.errors import EmotraceError
from emotrace.recognition import Recognizer
from emotrace.server import api, classic, schemas
from emotrace.server.body import BodyLimits
from emotrace.server.guard import OPEN, Guard
from emotrace.server.problems import KINDS, RequestError, log, problem, problem_response
from emotrace.server.service import Service
from emotrace.server.settings import Settings
from emotrace.server.work import ClientGoneError

_ABOUT = "Emotion from speech. Errors are problem+json (RFC 9457) with a stable `code`."
_HTTP_CODES = {404: "not-found", 405: "method-not-allowed"}


def create_app(settings: Settings | None = None, load: Callable[[str], Recognizer] | None = None) -> FastAPI:
    """The service as an ASGI application.

    Args:
        settings: None is ``Settings()``.
        load: see :class:`~emotrace.server.service.Service`.

    Raises:
        InputError: a file of presets is not right.
        ModelNotFoundError: the server's own model is not installed.

    >>> "/v1/recognitions" in create_app().openapi()["paths"]
    True
    """
    settings = settings or Settings()
    service = Service(settings, load)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running():
            yield

    app = FastAPI(
        title="emotrace",
        version=emotrace.__version__,
        lifespan=lifespan,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # its page loads from other hosts
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.add_middleware(BodyLimits, settings=settings)
    app.add_middleware(Guard, settings=settings)  # added last, asked first
    app.include_router(api.router(service))
    app.include_router(classic.router(service))
    app.openapi = lambda: _document(app, settings)  # type: ignore[method-assign]
    _add_errors(app)
    return app


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(EmotraceError)
    async def _known(request: Request, error: EmotraceError) -> Response:
        return problem_response(error)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        code = _HTTP_CODES.get(error.status_code, "bad-request")
        sentence = f"{request.method} {request.url.path[:200]}: {KINDS[code].meaning}; see /v1/openapi.json"
        return problem_response(RequestError(code, sentence, error.headers))

    @app.exception_handler(Exception)
    async def _bug(request: Request, error: Exception) -> Response:
        return problem("bug", KINDS["bug"].sentence or "")  # the server logs the traceback

    @app.exception_handler(ClientGoneError)
    @app.exception_handler(ClientDisconnect)
    async def _gone(request: Request, error: Exception) -> Response:
        log.info("%s %s: the client went away", request.method, request.url.path)
        return Response(status_code=400)  # which nobody reads


def _document(app: FastAPI, settings: Settings) -> dict[str, Any]:
    """The OpenAPI document."""
    if app.openapi_schema is not None:
        return app.openapi_schema
    document = get_openapi(title=app.title, version=app.version, routes=app.routes, description=_ABOUT)
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["Problem"] = schemas.Problem.model_json_schema()
    components["schemas"].pop("HTTPValidationError", None)
    components["schemas"].pop("ValidationError", None)
    for path, methods in document["paths"].items():
        for operation in methods.values():
            responses = operation["responses"]
            if "HTTPValidationError" in str(responses.get("422")):
                del responses["422"]  # of FastAPI's own checks, which find nothing here
            if settings.token is not None and path not in OPEN:
                operation["security"] = [{"token": []}]
                responses["401"] = api.problems("unauthorized")[401]
    if settings.token is not None:
        components["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    app.openapi_schema = document
    return document
