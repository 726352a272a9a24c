"""``emotrace analyze --server`` and ``emotrace embed --server``: a server does the work."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from emotrace.audio import name_of
from emotrace.cli.analysis import Analysis
from emotrace.cli.request import Request
from emotrace.client import Client
from emotrace.errors import EmotraceError, OptionError, ServerError
from emotrace.results import Failure, Recognition

KEY = "EMOTRACE_KEY"
"""The environment variable with the API key."""

_OF_THE_SERVER = ("precision", "device", "runtime", "threads", "presets", "one_speaker")
"""What a server decides by itself, or does not do."""


def client_of(url: str) -> Client:
    """A client for a server, with the key of the environment.

    Raises:
        OptionError: the address is no URL of a server.
    """
    return Client(url, os.environ.get(KEY) or None)


def form_of(request: Request) -> dict[str, Any]:
    """The fields of ``POST /v1/recognitions`` that a request stands for.

    Raises:
        OptionError: it asks for what only this machine can do.

    >>> form_of(Request(("talk.wav",), smooth="vote", window=25))
    {'smooth': 'vote', 'window': 25}
    """
    defaults = {field.name: field.default for field in fields(Request)}
    for name in _OF_THE_SERVER:
        if getattr(request, name) != defaults[name]:
            raise OptionError(f"--{name.replace('_', '-')} is the server's own; leave it out with --server")
    if request.embedding and request.out is not None and request.granularity == "frame":
        raise OptionError(
            "--embedding of frames is not sent by a server; use `emotrace embed --frames --server`"
        )
    names = ("hop", "track_method", "channel", "whole_seconds", "max_seconds", "smooth", "window", "alpha")
    asked = {name: getattr(request, name) for name in (*names, "dwell", "lag", "preset", "model", "checks")}
    asked["granularity"] = "frame" if request.plot is not None else request.granularity
    asked["embedding"] = request.embedding
    return {name: value for name, value in asked.items() if value != defaults[name]}


class RemoteAnalysis(Analysis):
    """An analysis whose recognitions come from a server; everything else is as it is without one."""

    def _results(self) -> Iterator[tuple[str, Recognition | Failure]]:
        assert self.request.server is not None
        form = form_of(self.request)
        with client_of(self.request.server) as client:
            for item in self.items:
                if isinstance(item, Failure):
                    yield item.source, item
                else:
                    self.watch.begin(item, None)
                    yield item, self._ask(client, item, form)

    def _ask(self, client: Client, item: str, form: Mapping[str, Any]) -> Recognition | Failure:
        source = self.recordings.open(item)
        name = name_of(source)
        try:
            answer = client.recognize(source, references=self.request.references, **form)
        except (ServerError, OptionError):  # which every other input would meet, too
            raise
        except EmotraceError as problem:
            return Failure(name, problem.code, str(problem))
        return replace(answer.recognition, source=name)
