"""What the service keeps of what it recognises, and for how long."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypedDict

from typing_extensions import Unpack

from emotrace.audio import Limits
from emotrace.audio.pieces import Description
from emotrace.audio.sources import BinaryFile, Blocks, DecodedElsewhere
from emotrace.errors import EmotraceError, OutputError, StoreError
from emotrace.outputs import Granularity
from emotrace.outputs.envelope import Envelope, OutlineMeter
from emotrace.results import Array, Recognition
from emotrace.server.access.callers import Caller
from emotrace.server.problems import RequestError
from emotrace.server.settings import Settings
from emotrace.store import Store
from emotrace.store.retention import Policy, tidy

TIDY_SECONDS = 600.0
"""Between two looks at what is too old or too much."""

TURNS = 6
"""Such looks between two at what crashes left."""

log = logging.getLogger("emotrace.server")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a recognition.

    Attributes:
        id: under which it is kept; None is not at all.
        not_kept: code of the error, if it should have been kept and could not be.
    """

    id: str | None = None
    not_kept: str | None = None

    @property
    def fields(self) -> dict[str, str | None]:
        """For the record that is answered."""
        return {"id": self.id} | ({} if self.not_kept is None else {"not_kept": self.not_kept})

    @property
    def headers(self) -> dict[str, str]:
        """For the answer."""
        named = {"X-Recognition-Id": self.id, "X-Not-Kept": self.not_kept}
        return {name: value for name, value in named.items() if value is not None}


class What(TypedDict, total=False):
    """What is known of a recognition beside its result.

    Attributes:
        granularity: what was asked for.
        options: what else was asked for, as JSON.
        audio: the upload, which is kept only if the settings say so.
        outline: of the waveform, for the picture; see :class:`Outlined`.
        wanted: what the request says of keeping; None leaves it to the settings.
        id: to keep it under; the same again changes nothing. None is a new one.
    """

    granularity: Granularity
    options: Mapping[str, Any]
    audio: Path | BinaryFile | None
    outline: Envelope | None
    wanted: bool | None
    id: str | None


class Keeping:
    """Keeps recognitions for their callers, as the settings say.

    A recognition that was made is answered, even if it cannot be kept: the answer then has no id and says
    why. Only who asks for it to be kept gets an error instead.

    Args:
        settings: of the service.
        store: keeps them.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings, self._store = settings, store

    def keep(self, result: Recognition, caller: Caller, **what: Unpack[What]) -> Receipt:
        """Keep one.

        Args:
            result: the recognition.
            caller: whose it is.
            what: see :class:`What`.

        Raises:
            RequestError: it is wanted, and this server keeps nothing.
            OutputError: it is wanted, and cannot be written.
            StoreError: it is wanted, and the database cannot be reached.
        """
        wanted = what.get("wanted")
        check_wanted(self._settings, wanted)
        if wanted is False or not self._settings.history:
            return Receipt()
        try:
            made = self._store.recognitions.add(
                result,
                owner=caller.key,
                granularity=what.get("granularity", "utterance"),
                options=what.get("options"),
                outline=what.get("outline"),
                audio=what.get("audio") if self._settings.keep_audio else None,
                id=what.get("id"),
            )
        except (OutputError, StoreError) as error:
            if wanted:
                raise
            log.error("a recognition is not kept: %s", error)
            return Receipt(not_kept=error.code)
        return Receipt(made)


def check_wanted(settings: Settings, wanted: bool | None) -> None:
    """Refuse to keep something on a server that keeps nothing.

    Raises:
        RequestError: it is wanted.
    """
    if wanted and not settings.history:
        raise RequestError("option", "option store is true, but this server keeps no history; leave it out")


class Outlined:
    """An upload whose outline is taken while it is decoded, so that it is decoded once.

    Args:
        upload: with a decoder.

    Attributes:
        name: of the upload.
    """

    def __init__(self, upload: DecodedElsewhere) -> None:
        self.name = upload.name
        self._upload, self._meter = upload, OutlineMeter()

    @property
    def outline(self) -> Envelope:
        """Of what was decoded so far."""
        return self._meter.result()

    def decoder(self, *, channel: int | None, limits: Limits, block_seconds: float) -> Blocks:
        """See :class:`emotrace.audio.sources.DecodedElsewhere`."""
        self._meter = OutlineMeter()
        blocks = self._upload.decoder(channel=channel, limits=limits, block_seconds=block_seconds)
        return _Passing(blocks, self._meter)


class _Passing:
    """Blocks that an outline is taken of as they pass."""

    def __init__(self, blocks: Blocks, meter: OutlineMeter) -> None:
        self._blocks, self._meter = blocks, meter

    @property
    def description(self) -> Description:
        return self._blocks.description

    @property
    def warning(self) -> str | None:
        return self._blocks.warning

    @property
    def clipping_share(self) -> float:
        return self._blocks.clipping_share

    def __enter__(self) -> _Passing:
        self._blocks.__enter__()
        return self

    def __exit__(self, *problem: object) -> None:
        self._blocks.__exit__(*problem)

    def __iter__(self) -> Iterator[Array]:
        for block in self._blocks:
            self._meter.push(block)
            yield block


def policy_of(settings: Settings) -> Policy:
    """How long the settings want things kept; 0 there is for ever."""
    return Policy(
        keep_days=settings.keep_days or None,
        max_bytes=settings.max_disk_bytes or None,
        archive=settings.archive_dir,
        audit_days=settings.audit_days or None,
    )


async def tidying(settings: Settings, store: Store) -> None:
    """Remove what is too old or too much, now and every ten minutes, and what crashes left, every hour.

    Cancelled, it ends when its thread has, so that the store can be closed then.
    """
    policy, stopping = policy_of(settings), threading.Event()
    for turn in count():
        sweep = turn % TURNS == 0
        work = asyncio.ensure_future(
            asyncio.to_thread(tidy, store, policy, sweep=sweep, stop=stopping.is_set)
        )
        try:
            done = await asyncio.shield(work)
        except asyncio.CancelledError:
            stopping.set()
            await asyncio.gather(work, return_exceptions=True)
            raise
        except EmotraceError as error:
            log.error("the history cannot be tidied, which is tried again: %s", error)
        else:
            if done.removed:
                log.info("%d recognitions were removed, %d bytes", done.removed, done.bytes)
        await asyncio.sleep(TIDY_SECONDS)


async def ended(task: asyncio.Future[None]) -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
