"""What can be asked of a server: each call is a request and how its answer is read, whoever sends it."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

import numpy as np

from emotrace.client.records import Answer, Correction, Job, Kept, Model, result_of
from emotrace.errors import (
    AudioError,
    EmotraceError,
    InputError,
    LabelError,
    LimitError,
    NoAudioError,
    NoSpeechError,
    OptionError,
    ServerError,
)
from emotrace.results import Array, Failure

if TYPE_CHECKING:
    import httpx

Result = TypeVar("Result")

Audio: TypeAlias = "str | os.PathLike[str] | bytes | IO[bytes]"
"""A recording: its path, its bytes, or an open file, which is read from its beginning."""

BUSY = (429, 503)
"""Answers that say to come again."""

_ERRORS: dict[str, type[EmotraceError]] = {
    kind.code: kind
    for kind in (AudioError, InputError, LabelError, LimitError, NoAudioError, NoSpeechError, OptionError)
}


@dataclass(frozen=True, slots=True)
class Call(Generic[Result]):
    """One request.

    Attributes:
        method: of HTTP.
        path: below the server's address.
        read: makes the result of the answer.
        query: what stands behind the question mark.
        form: fields of a form.
        files: recordings of a form, by field.
        body: JSON.
        headers: besides those of every request.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], Result]
    query: Mapping[str, str] = field(default_factory=dict)
    form: Mapping[str, str] = field(default_factory=dict)
    files: Sequence[tuple[str, Audio]] = ()
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def request(self, client: Any, stack: ExitStack) -> httpx.Request:
        """The request for a client of httpx; files stay open as long as the stack."""
        request: httpx.Request = client.build_request(
            self.method,
            self.path,
            params=dict(self.query),
            data=dict(self.form) if self.files else None,
            files=[(name, _opened(audio, stack)) for name, audio in self.files] or None,
            json=self.body,
            headers=dict(self.headers),
        )
        return request


def _opened(audio: Audio, stack: ExitStack) -> tuple[str, IO[bytes]]:
    """Name and content of a recording."""
    if isinstance(audio, bytes):
        return "audio", io.BytesIO(audio)
    if isinstance(audio, str | os.PathLike):
        name = os.fsdecode(audio)
        try:
            file = stack.enter_context(Path(name).open("rb"))  # noqa: SIM115
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise AudioError(f"{name!r} cannot be read: {reason}; expected an audio file") from error
        return _basename(name), file
    given = getattr(audio, "name", None)
    audio.seek(0)
    return _basename(given) if isinstance(given, str) else "audio", audio


def held(audio: Audio) -> Audio:
    """A recording that can be sent twice: what cannot be read twice is read now."""
    if isinstance(audio, str | bytes | os.PathLike) or audio.seekable():
        return audio
    return audio.read()


def _basename(name: str) -> str:
    return os.path.basename(name).encode("utf-8", "replace").decode() or "audio"  # noqa: PTH119


def check(response: httpx.Response) -> None:
    """Raise what an answer says went wrong.

    Raises:
        EmotraceError: the library's own error of the same code where it has one, else a ServerError.
    """
    if response.is_success:
        return
    try:
        problem = response.json()
        code, detail = str(problem["code"]), str(problem["detail"])
    except (ValueError, LookupError, TypeError):
        place = f"{response.request.method} {response.request.url.path}"
        raise ServerError(
            f"{place} was answered with status {response.status_code}, but not by emotrace; check the "
            "address",
            status=response.status_code,
        ) from None
    if code in _ERRORS:
        raise _ERRORS[code](detail)
    raise ServerError(detail, problem=code, status=response.status_code)


def pause(response: httpx.Response) -> float | None:
    """Seconds after which to come again; None if that would not help."""
    if response.status_code not in BUSY:
        return None
    try:
        return max(0.1, float(response.headers.get("Retry-After", "1")))
    except ValueError:
        return 1.0


# -- the calls ----------------------------------------------------------------------------------------


def recognize(audio: Audio, references: Sequence[Audio], options: Mapping[str, Any]) -> Call[Answer]:
    """One recognition."""
    if options.get("format", "json") != "json":
        raise OptionError(
            f"option format is {options['format']!r}; ask with recognize_as for other forms than json"
        )
    hop = options.get("hop")
    return Call(
        "POST",
        "/v1/recognitions",
        lambda response: Answer.of(response.json(), hop),
        form=_texts(options),
        files=[("audio", held(audio)), *(("reference", held(clip)) for clip in references)],
    )


def recognize_as(
    form: str, audio: Audio, references: Sequence[Audio], options: Mapping[str, Any]
) -> Call[bytes]:
    """One recognition in another form than JSON."""
    return Call(
        "POST",
        "/v1/recognitions",
        lambda response: response.content,
        form=_texts({**options, "format": form}),
        files=[("audio", held(audio)), *(("reference", held(clip)) for clip in references)],
    )


def embed(audio: Audio, options: Mapping[str, Any]) -> Call[Array]:
    """One embedding."""
    return Call("POST", "/v1/embeddings", _array, form=_texts(options), files=[("audio", held(audio))])


def submit(audios: Sequence[Audio], key: str | None, options: Mapping[str, Any]) -> Call[Job]:
    """A job."""
    return Call(
        "POST",
        "/v1/jobs",
        lambda response: Job.of(response.json()),
        form=_texts(options),
        files=[("audio", held(audio)) for audio in audios],
        headers={} if key is None else {"Idempotency-Key": key},
    )


def job(name: str) -> Call[Job]:
    """A job as it is now."""
    return Call("GET", f"/v1/jobs/{_id(name)}", lambda response: Job.of(response.json()))


def job_results(name: str, hop: float | None) -> Call[list[Answer | Failure]]:
    """What a job gave so far, in the order of the recordings."""

    def read(response: httpx.Response) -> list[Answer | Failure]:
        return [result_of(json.loads(line), hop) for line in response.content.splitlines()]

    return Call("GET", f"/v1/jobs/{_id(name)}/results", read)


def cancel(name: str) -> Call[Job]:
    """Begin no further recording of a job."""
    return Call("POST", f"/v1/jobs/{_id(name)}/cancel", lambda response: Job.of(response.json()))


def delete_job(name: str) -> Call[None]:
    """Delete a job with its results."""
    return Call("DELETE", f"/v1/jobs/{_id(name)}", lambda _: None)


def history(path: str, query: Mapping[str, Any]) -> Call[tuple[list[Kept], str | None]]:
    """A page of the history or of the review queue, and the cursor of the next one."""

    def read(response: httpx.Response) -> tuple[list[Kept], str | None]:
        page = response.json()
        return [Kept.of(row) for row in page["recognitions"]], page["cursor"]

    return Call("GET", path, read, query=_texts(query))


def kept(name: str) -> Call[Answer]:
    """A recognition of the history."""
    return Call("GET", f"/v1/recognitions/{_id(name)}", lambda response: Answer.of(response.json()))


def kept_embedding(name: str) -> Call[Array]:
    """The embedding of one."""
    return Call("GET", f"/v1/recognitions/{_id(name)}/embedding.npy", _array)


def kept_timeline(name: str, language: str) -> Call[bytes]:
    """The picture of one."""
    path = f"/v1/recognitions/{_id(name)}/timeline.png"
    return Call("GET", path, lambda response: response.content, query={"language": language})


def delete(name: str) -> Call[None]:
    """Delete one."""
    return Call("DELETE", f"/v1/recognitions/{_id(name)}", lambda _: None)


def feedback(name: str, label: str | None, note: str | None) -> Call[list[Correction]]:
    """Correct one."""
    given = {name: value for name, value in (("label", label), ("note", note)) if value is not None}

    def read(response: httpx.Response) -> list[Correction]:
        return [Correction.of(row) for row in response.json()["feedback"]]

    return Call("POST", f"/v1/recognitions/{_id(name)}/feedback", read, body=given)


def models() -> Call[list[Model]]:
    """The installed models."""
    return Call(
        "GET", "/v1/models", lambda response: [Model.of(model) for model in response.json()["models"]]
    )


def set_model(name: str, action: str) -> Call[Model]:
    """Load or release a model."""
    return Call("POST", f"/v1/models/{_id(name)}/{action}", lambda response: Model.of(response.json()))


def is_ready() -> Call[bool]:
    """Whether a recognition would be answered now."""
    return Call("GET", "/v1/ready", lambda _: True)


def _array(response: httpx.Response) -> Array:
    return np.load(io.BytesIO(response.content), allow_pickle=False).astype(np.float32)  # type: ignore[no-any-return]


def _id(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="") or "-"


def _texts(options: Mapping[str, Any]) -> dict[str, str]:
    """Options as a form has them; None leaves one out."""
    return dict(_text_items(options))


def _text_items(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in options.items():
        if value is not None:
            yield name, ("true" if value else "false") if isinstance(value, bool) else str(value)
