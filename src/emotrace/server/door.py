"""Refuses recordings there is no room for, before anything is looked up or read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from starlette.types import ASGIApp, Receive, Scope, Send

from emotrace.server.problems import RequestError, problem_response

UPLOADS = ("/v1/recognitions", "/v1/embeddings", "/api/predict/", "/api/predict")
"""Routes that recognise what is sent, while the client waits."""


@dataclass(frozen=True, slots=True)
class _Route:
    path: str


class Door:
    """Makes a refusal cheap, so that a server with too much to do does not spend its time on refusing.

    Args:
        app: what is behind it.
        check: raises what refuses a recording now.
    """

    def __init__(self, app: ASGIApp, check: Callable[[], None]) -> None:
        self._app, self._check = app, check
        self._routes = {path: _Route(path) for path in UPLOADS}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in self._routes:
            try:
                self._check()
            except RequestError as error:
                scope["route"] = self._routes[scope["path"]]  # for the log, as the router does
                await problem_response(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)
