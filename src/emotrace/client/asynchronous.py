"""The client for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

from emotrace.client import calls
from emotrace.client.calls import Audio, Call
from emotrace.client.connection import broken, settings_of
from emotrace.client.records import Answer, Correction, Job, Kept, Model
from emotrace.results import Array, Failure

Result = TypeVar("Result")


class AsyncClient:
    """What :class:`~emotrace.client.Client` is, with methods to be awaited; see there.

    >>> async def ask():
    ...     async with AsyncClient("http://127.0.0.1:9", patience=0) as client:
    ...         return await client.is_ready()
    >>> asyncio.run(ask())  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    emotrace.errors.ServerError: the server at http://127.0.0.1:9 cannot be reached: ...; is it running?
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        timeout: float = 600.0,
        patience: float = 60.0,
        verify: bool | str = True,
    ) -> None:
        settings = settings_of(url, key, timeout, verify)
        import httpx

        self._http = httpx.AsyncClient(**settings)
        self._patience = patience

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Hang up."""
        await self._http.aclose()

    async def recognize(self, audio: Audio, *, references: Sequence[Audio] = (), **options: Any) -> Answer:
        """See :meth:`Client.recognize`."""
        return await self._do(calls.recognize(audio, references, options))

    async def recognize_as(
        self, form: str, audio: Audio, *, references: Sequence[Audio] = (), **options: Any
    ) -> bytes:
        """See :meth:`Client.recognize_as`."""
        return await self._do(calls.recognize_as(form, audio, references, options))

    async def embed(self, audio: Audio, **options: Any) -> Array:
        """See :meth:`Client.embed`."""
        return await self._do(calls.embed(audio, options))

    async def submit(self, audios: Sequence[Audio], *, key: str | None = None, **options: Any) -> Job:
        """See :meth:`Client.submit`."""
        return await self._do(calls.submit(audios, key, options))

    async def job(self, id: str) -> Job:  # noqa: A002
        """See :meth:`Client.job`."""
        return await self._do(calls.job(id))

    async def wait(self, id: str, *, seconds: float = 0.5) -> Job:  # noqa: A002
        """See :meth:`Client.wait`."""
        while not (job := await self.job(id)).ended:
            await asyncio.sleep(seconds)
        return job

    async def results(self, id: str, *, hop: float | None = None) -> list[Answer | Failure]:  # noqa: A002
        """See :meth:`Client.results`."""
        return await self._do(calls.job_results(id, hop))

    async def cancel(self, id: str) -> Job:  # noqa: A002
        """See :meth:`Client.cancel`."""
        return await self._do(calls.cancel(id))

    async def delete_job(self, id: str) -> None:  # noqa: A002
        """See :meth:`Client.delete_job`."""
        await self._do(calls.delete_job(id))

    async def history(self, **query: Any) -> AsyncIterator[Kept]:
        """See :meth:`Client.history`."""
        async for row in self._pages("/v1/recognitions", query):
            yield row

    async def review(self) -> AsyncIterator[Kept]:
        """See :meth:`Client.review`."""
        async for row in self._pages("/v1/review", {}):
            yield row

    async def get(self, id: str) -> Answer:  # noqa: A002
        """See :meth:`Client.get`."""
        return await self._do(calls.kept(id))

    async def embedding(self, id: str) -> Array:  # noqa: A002
        """See :meth:`Client.embedding`."""
        return await self._do(calls.kept_embedding(id))

    async def timeline(self, id: str, *, language: str = "en") -> bytes:  # noqa: A002
        """See :meth:`Client.timeline`."""
        return await self._do(calls.kept_timeline(id, language))

    async def feedback(
        self,
        id: str,  # noqa: A002
        label: str | None = None,
        note: str | None = None,
    ) -> list[Correction]:
        """See :meth:`Client.feedback`."""
        return await self._do(calls.feedback(id, label, note))

    async def delete(self, id: str) -> None:  # noqa: A002
        """See :meth:`Client.delete`."""
        await self._do(calls.delete(id))

    async def models(self) -> list[Model]:
        """See :meth:`Client.models`."""
        return await self._do(calls.models())

    async def load(self, name: str) -> Model:
        """See :meth:`Client.load`."""
        return await self._do(calls.set_model(name, "load"))

    async def unload(self, name: str) -> Model:
        """See :meth:`Client.unload`."""
        return await self._do(calls.set_model(name, "unload"))

    async def is_ready(self) -> bool:
        """See :meth:`Client.is_ready`."""
        return await self._do(calls.is_ready())

    async def _pages(self, path: str, query: dict[str, Any]) -> AsyncIterator[Kept]:
        cursor: str | None = None
        while True:
            rows, cursor = await self._do(calls.history(path, {**query, "cursor": cursor}))
            for row in rows:
                yield row
            if cursor is None:
                return

    async def _do(self, call: Call[Result]) -> Result:
        import httpx

        end = time.monotonic() + self._patience
        while True:
            with ExitStack() as stack:
                request = call.request(self._http, stack)
                try:
                    response = await self._http.send(request)
                except httpx.HTTPError as error:
                    raise broken(self._http.base_url, error) from error
            pause = calls.pause(response)
            if pause is None or time.monotonic() + pause > end:
                calls.check(response)
                return call.read(response)
            await asyncio.sleep(pause)
