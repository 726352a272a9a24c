"""The client that waits for its answers."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any, TypeVar

from emotrace.client import calls
from emotrace.client.calls import Audio, Call
from emotrace.client.connection import broken, settings_of
from emotrace.client.records import Answer, Correction, Job, Kept, Model
from emotrace.errors import EmotraceError, ServerError
from emotrace.results import Array, Failure

Result = TypeVar("Result")


class Client:
    """Talks to one server; a context that keeps the line open, and may be used by several threads.

    Args:
        url: address of the server.
        key: API key or token; None sends none.
        timeout: seconds that a part of an answer may take.
        patience: seconds for which a busy server is asked again, at the times that it names; 0 is never.
        verify: check the server's certificate; or the path of a file with certificates to trust.

    Raises:
        OptionError: the address is no URL of a server.
        MissingExtraError: httpx is not installed.

    Every method raises the error that the library would, such as an AudioError; what only a server can be,
    such as busy or out of reach, is a :class:`~emotrace.errors.ServerError`.

    >>> with Client("http://127.0.0.1:9", patience=0) as client:
    ...     client.is_ready()  # doctest: +ELLIPSIS
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

        self._http = httpx.Client(**settings)
        self._patience = patience

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    # -- recognition ----------------------------------------------------------------------------------

    def recognize(self, audio: Audio, *, references: Sequence[Audio] = (), **options: Any) -> Answer:
        """Recognise one recording.

        Args:
            audio: the recording.
            references: clips of the speaker to compare with.
            **options: the fields of ``POST /v1/recognitions``, such as ``granularity="frame"``, ``hop=0.1``,
                ``smooth="viterbi"``, ``preset="screening"``, ``embedding=True``, ``store=False``.
        """
        return self._do(calls.recognize(audio, references, options))

    def recognize_as(
        self, form: str, audio: Audio, *, references: Sequence[Audio] = (), **options: Any
    ) -> bytes:
        """Recognise one recording; the answer as ``"csv"``, ``"webvtt"``, ``"png"``, ``"zip"`` and so on."""
        return self._do(calls.recognize_as(form, audio, references, options))

    def recognize_many(
        self, audios: Sequence[Audio], *, references: Sequence[Audio] = (), at_once: int = 4, **options: Any
    ) -> Iterator[Answer | Failure]:
        """Recognise several recordings, some at the same time; answers come in order.

        Args:
            audios: the recordings.
            references: see :meth:`recognize`; as paths or bytes.
            at_once: requests at the same time.
            **options: see :meth:`recognize`.

        Yields:
            For each recording an Answer, or a Failure if it cannot be used.

        Raises:
            ServerError: of the first recording that the server could not answer.
        """
        with ThreadPoolExecutor(max(1, at_once)) as pool:
            waiting: list[Future[Answer | Failure]] = [
                pool.submit(self._one_of_many, audio, references, options) for audio in audios
            ]
            try:
                for future in waiting:
                    yield future.result()
            finally:
                for future in waiting:
                    future.cancel()

    def _one_of_many(
        self, audio: Audio, references: Sequence[Audio], options: dict[str, Any]
    ) -> Answer | Failure:
        try:
            return self.recognize(audio, references=references, **options)
        except ServerError:
            raise
        except EmotraceError as error:
            name = audio if isinstance(audio, str) else str(getattr(audio, "name", "audio"))
            return Failure(name, error.code, str(error))

    def embed(self, audio: Audio, **options: Any) -> Array:
        """The embedding of a recording, float32 (D,); with ``frames=True`` (T, D)."""
        return self._do(calls.embed(audio, options))

    # -- jobs -----------------------------------------------------------------------------------------

    def submit(self, audios: Sequence[Audio], *, key: str | None = None, **options: Any) -> Job:
        """Have recordings recognised later.

        Args:
            audios: the recordings.
            key: any text of one's own; given again, the job of the first time is the answer.
            **options: see :meth:`recognize`.
        """
        return self._do(calls.submit(audios, key, options))

    def job(self, id: str) -> Job:  # noqa: A002
        """A job as it is now."""
        return self._do(calls.job(id))

    def wait(self, id: str, *, seconds: float = 0.5) -> Job:  # noqa: A002
        """Wait for the end of a job, looking every few seconds."""
        while not (job := self.job(id)).ended:
            time.sleep(seconds)
        return job

    def results(self, id: str, *, hop: float | None = None) -> list[Answer | Failure]:  # noqa: A002
        """What a job gave so far, in order; ``hop`` as it was asked for."""
        return self._do(calls.job_results(id, hop))

    def cancel(self, id: str) -> Job:  # noqa: A002
        """Begin no further recording of a job."""
        return self._do(calls.cancel(id))

    def delete_job(self, id: str) -> None:  # noqa: A002
        """Delete a job with its results."""
        self._do(calls.delete_job(id))

    # -- history --------------------------------------------------------------------------------------

    def history(self, **query: Any) -> Iterator[Kept]:
        """What was recognised, newest first.

        Args:
            **query: that of ``GET /v1/recognitions``: ``text``, ``emotion``, ``decision``, ``since``,
                ``until``, ``reviewed``.
        """
        yield from self._pages("/v1/recognitions", query)

    def review(self) -> Iterator[Kept]:
        """What no person has judged yet, the most doubtful first."""
        yield from self._pages("/v1/review", {})

    def get(self, id: str) -> Answer:  # noqa: A002
        """A recognition of the history."""
        return self._do(calls.kept(id))

    def embedding(self, id: str) -> Array:  # noqa: A002
        """Its embedding, float32 (D,)."""
        return self._do(calls.kept_embedding(id))

    def timeline(self, id: str, *, language: str = "en") -> bytes:  # noqa: A002
        """Its picture, a PNG file."""
        return self._do(calls.kept_timeline(id, language))

    def feedback(self, id: str, label: str | None = None, note: str | None = None) -> list[Correction]:  # noqa: A002
        """Say what the emotion really is, or leave a note; all that was said so far."""
        return self._do(calls.feedback(id, label, note))

    def delete(self, id: str) -> None:  # noqa: A002
        """Delete it with its files."""
        self._do(calls.delete(id))

    # -- the server -----------------------------------------------------------------------------------

    def models(self) -> list[Model]:
        """The installed models."""
        return self._do(calls.models())

    def load(self, name: str) -> Model:
        """Load a model now."""
        return self._do(calls.set_model(name, "load"))

    def unload(self, name: str) -> Model:
        """Release a model."""
        return self._do(calls.set_model(name, "unload"))

    def is_ready(self) -> bool:
        """Whether a recognition would be answered now; a ServerError says why not."""
        return self._do(calls.is_ready())

    # -- sending --------------------------------------------------------------------------------------

    def _pages(self, path: str, query: dict[str, Any]) -> Iterator[Kept]:
        cursor: str | None = None
        while True:
            rows, cursor = self._do(calls.history(path, {**query, "cursor": cursor}))
            yield from rows
            if cursor is None:
                return

    def _do(self, call: Call[Result]) -> Result:
        import httpx

        end = time.monotonic() + self._patience
        while True:
            with ExitStack() as stack:
                request = call.request(self._http, stack)
                try:
                    response = self._http.send(request)
                except httpx.HTTPError as error:
                    raise broken(self._http.base_url, error) from error
            pause = calls.pause(response)
            if pause is None or time.monotonic() + pause > end:
                calls.check(response)
                return call.read(response)
            time.sleep(pause)
