"""``emotrace analyze --server`` and ``emotrace embed --server``: a server does the work."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from emotrace.audio import name_of
from emotrace.cli.analysis import Analysis
from emotrace.cli.groups import flat
from emotrace.cli.request import Request
from emotrace.client import Client
from emotrace.errors import EmotraceError, OptionError, ServerError
from emotrace.results import Failure, Recognition

KEY = "EMOTRACE_KEY"
"""The environment variable with the API key."""

_OF_THE_SERVER = ("precision", "device", "runtime", "threads", "presets", "one_speaker")
"""What a server decides by itself, or does not do."""

_OURS = {"inputs", "json", "out", "csv", "format", "plot", "references", "server", "lang", "no_checks"}
"""What is about this machine, or sent in another way."""


@contextmanager
def client_of(url: str) -> Iterator[Client]:
    """A client for a server, with the key of the environment.

    Raises:
        OptionError: the address is no URL of a server.
        ServerError: of the server; that about a key says where it goes here.
    """
    try:
        with Client(url, os.environ.get(KEY) or None) as client:
            yield client
    except ServerError as problem:
        if problem.problem != "unauthorized":
            raise
        raise ServerError(f"{problem}; `emotrace` takes the key from the variable {KEY}") from problem


def form_of(request: Request) -> dict[str, Any]:
    """The fields of ``POST /v1/recognitions`` that a request stands for.

    Raises:
        OptionError: it asks for what only this machine can do.

    >>> from emotrace.cli.options import Tuning
    >>> form_of(Request(["talk.wav"], smooth="vote", tuning=Tuning(window=25)))
    {'smooth': 'vote', 'window': 25}
    """
    usual = flat(Request([]))
    asked = {name: value for name, value in flat(request).items() if value != usual[name]}
    for name in _OF_THE_SERVER:
        if name in asked:
            raise OptionError(f"--{name.replace('_', '-')} is the server's own; leave it out with --server")
    if request.embedding and request.out is not None and request.granularity == "frame":
        raise OptionError(
            "--embedding of frames is not sent by a server; use `emotrace embed --frames --server`"
        )
    form = {name: value for name, value in asked.items() if name not in _OURS}
    if request.no_checks:
        form["checks"] = False
    if request.plot is not None:
        form["granularity"] = "frame"
    return form


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
            answer = client.recognize(source, references=self.request.references or (), **form)
        except (ServerError, OptionError):  # which every other input would meet, too
            raise
        except EmotraceError as problem:
            return Failure(name, problem.code, str(problem))
        return replace(answer.recognition, source=name)
