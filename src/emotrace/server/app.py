"""The application: routes, errors, guards, start and end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import ClientDisconnect

import emotrace
from emotrace.errors import EmotraceError
from emotrace.recognition import Recognizer
from emotrace.server import api, classic, schemas
from emotrace.server.access import sign_in
from emotrace.server.access.authentication import Authentication
from emotrace.server.access.guard import OPEN, Guard
from emotrace.server.access.proxies import Proxies, cors_of
from emotrace.server.body import BodyLimits, Unread
from emotrace.server.door import Door
from emotrace.server.history import routes as history
from emotrace.server.jobs import routes as jobs
from emotrace.server.live import routes as stream
from emotrace.server.monitoring.logs import log
from emotrace.server.monitoring.watch import Bugs, Watch
from emotrace.server.problems import KINDS, RequestError, problem_response
from emotrace.server.service import Service
from emotrace.server.settings import Settings
from emotrace.server.work import ClientGoneError

_ABOUT = "Emotion from speech. Errors are problem+json (RFC 9457) with a stable `code`."
CLIENT_GONE = 499
"""What the log says, as that of nginx does, where the client went away."""

_HTTP_CODES = {404: "not-found", 405: "method-not-allowed"}


def create_app(settings: Settings | None = None, load: Callable[[str], Recognizer] | None = None) -> FastAPI:
    """The service as an ASGI application.

    Args:
        settings: None is ``Settings()``.
        load: see :class:`~emotrace.server.service.Service`.

    Raises:
        InputError: a file of presets is not right.
        ModelNotFoundError: the server's own model is not installed.
        OptionError: other machines could ask, and nothing would ask who they are.

    >>> "/v1/recognitions" in create_app().openapi()["paths"]
    True
    """
    settings = settings or Settings()
    service = Service(settings, load)
    door = jobs.JobDoor(service)
    try:
        authentication = Authentication(settings, lambda: service.open().keys)
    except BaseException:
        service.close()
        raise

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with service.running(), door.running():
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
    app.state.service, app.state.jobs = service, door
    app.add_middleware(BodyLimits, settings=settings)
    app.add_middleware(Bugs)
    app.add_middleware(Door, check=service.check_room)
    app.add_middleware(Guard, settings=settings, authentication=authentication)
    if settings.cors_origins:
        app.add_middleware(CORSMiddleware, **cors_of(settings))
    app.add_middleware(Unread)
    app.add_middleware(Watch, metrics=service.metrics, settings=settings)
    app.add_middleware(Proxies, settings=settings)  # added last, asked first
    app.include_router(sign_in.router(authentication, settings))
    app.include_router(api.router(service))
    app.include_router(jobs.router(door))
    app.include_router(classic.router(service))
    app.include_router(history.router(service))
    app.include_router(stream.router(service))
    app.openapi = lambda: _document(app, authentication)  # type: ignore[method-assign]
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
        headers = dict(error.headers or {})
        if "Allow" in headers:  # of one route only; the path may have others
            route = getattr(request.scope.get("route"), "path", "")
            methods = {method.upper() for method in app.openapi()["paths"].get(route, ())}
            methods |= {"HEAD"} if route in OPEN else set()  # which are not in the document
            headers["Allow"] = ", ".join(sorted({*methods, *headers["Allow"].split(", ")}))
        return problem_response(RequestError(code, sentence, headers))

    @app.exception_handler(ClientGoneError)
    @app.exception_handler(ClientDisconnect)
    async def _gone(request: Request, error: Exception) -> Response:
        log.info("the client went away")
        return Response(status_code=CLIENT_GONE)  # which nobody reads


def _document(app: FastAPI, authentication: Authentication) -> dict[str, Any]:
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
            if authentication.asks and path not in OPEN:
                operation["security"] = [{"key": []}]
                responses["401"] = api.problems("unauthorized")[401]
    if authentication.asks:
        components["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    app.openapi_schema = document
    return document
