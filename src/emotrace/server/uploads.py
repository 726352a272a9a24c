"""Multipart bodies: small fields, and files that stay with the server's own temporary ones."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser

from emotrace.audio import Decoder, Limits
from emotrace.audio.isolated import Decoders
from emotrace.audio.sources import Blocks
from emotrace.outputs.writing import output_errors
from emotrace.server.problems import RequestError

MAX_FIELDS = 32
MAX_FIELD_BYTES = 16 * 1024
_LONGEST_NAME = 200


class Upload(io.BufferedIOBase):
    r"""A file that a client sent, open for reading; its name is only ever shown.

    Args:
        name: as the client calls it.
        file: holds the content.
        decoders: decode it; None decodes it in this process.

    >>> import io
    >>> Upload("C:\\talks\\monday.wav", io.BytesIO(b"RIFF")).name
    'monday.wav'
    """

    def __init__(self, name: str, file: Any, decoders: Decoders | None = None) -> None:
        base = name.replace("\\", "/").rpartition("/")[2]
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in base)
        self.name = shown[-_LONGEST_NAME:] or "upload"
        self._file, self._decoders = file, decoders

    def decoder(self, *, channel: int | None, limits: Limits, block_seconds: float) -> Blocks:
        """See :class:`emotrace.audio.sources.DecodedElsewhere`."""
        if self._decoders is None:
            self.seek(0)
            return Decoder(self, channel=channel, limits=limits, block_seconds=block_seconds)
        return self._decoders.open(
            self._file, self.name, channel=channel, limits=limits, block_seconds=block_seconds
        )

    @property
    def path(self) -> Path:
        """Where it is, if it was written into a folder."""
        return Path(self._file.name)

    def read(self, size: int | None = -1, /) -> bytes:
        """See :class:`io.BufferedIOBase`."""
        content: bytes = self._file.read(-1 if size is None else size)
        return content

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """See :class:`io.BufferedIOBase`."""
        self._file.seek(offset, whence)
        return self.tell()

    def tell(self) -> int:
        """See :class:`io.BufferedIOBase`."""
        return int(self._file.tell())

    def seekable(self) -> bool:
        """It is, always."""
        return True

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()
        super().close()


@dataclass
class Form:
    """What came in a multipart body.

    Attributes:
        fields: text by name.
        files: uploads by name.
    """

    fields: dict[str, str] = field(default_factory=dict)
    files: dict[str, list[Upload]] = field(default_factory=dict)

    def close(self) -> None:
        """Remove the temporary files."""
        for uploads in self.files.values():
            for upload in uploads:
                upload.close()


async def read_form(
    request: Request,
    files: Mapping[str, int],
    decoders: Decoders | None = None,
    folder: Path | None = None,
) -> Form:
    """Read a multipart body.

    Args:
        request: whose body it is.
        files: how many files of each name may come; the first must.
        decoders: decode the files; None decodes them in this process.
        folder: where the files are written, to stay there; None is temporary ones.

    Raises:
        RequestError: it is none, a broken one, or has other files in it.
        OutputError: they cannot be written.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        shown = repr(kind[:60]) if kind else "of no type"
        raise RequestError(
            "content-type", f"the body is {shown}; expected 'multipart/form-data' (curl: -F audio=@talk.wav)"
        )
    form = Form()
    try:
        _sort(await _parsed(request, sum(files.values()), folder), form, files, decoders)
        first = next(iter(files))
        if first not in form.files:
            raise RequestError(
                "multipart",
                f"there is no file in the form; expected one called {first!r}: -F {first}=@talk.wav",
            )
    except BaseException:
        form.close()
        raise
    return form


async def _parsed(request: Request, files: int, folder: Path | None) -> FormData:
    limits = {"max_files": files, "max_fields": MAX_FIELDS, "max_part_size": MAX_FIELD_BYTES}
    try:
        if folder is None:
            return await _Whole(request.headers, request.stream(), **limits).parse()
        with output_errors("jobs"):
            return await _Storing(request.headers, request.stream(), **limits).into(folder)
    except HTTPException as error:
        raise RequestError("multipart", f"the form cannot be read: {error.detail}") from error
    except MultiPartException as error:
        raise RequestError("multipart", f"the form cannot be read: {error.message}") from error
    except (ValueError, LookupError) as error:  # of odd character sets and headers
        raise RequestError("multipart", "the form cannot be read: send it as curl -F does") from error


class _Stored(UploadFile):
    """A file that is closed when all of it is written, so that any number may come."""

    async def seek(self, offset: int) -> None:
        """The parser's last word on a file."""
        await run_in_threadpool(self.file.close)


class _Whole(MultiPartParser):
    """A parser that takes nothing without an end."""

    _ended = False

    async def parse(self) -> FormData:
        try:
            data = await super().parse()
            if not self._ended:  # a proxy may end what its client did not send to the end
                raise MultiPartException("it has no end.")
        except BaseException:
            for file in self._files_to_close_on_error:
                file.close()
            raise
        return data

    def on_end(self) -> None:
        self._ended = True


class _Storing(_Whole):
    """A parser that writes each file where it is to stay."""

    async def into(self, folder: Path) -> FormData:
        self._folder, self._count = folder, 0
        try:
            return await self.parse()
        finally:
            for file in self._files_to_close_on_error:
                file.close()

    def on_headers_finished(self) -> None:
        super().on_headers_finished()
        part = self._current_part
        if part.file is None:
            return
        part.file.file.close()
        file = (self._folder / f"upload-{self._count}").open("xb")
        self._count += 1
        self._files_to_close_on_error.append(file)  # type: ignore[arg-type]
        part.file = _Stored(file, size=0, filename=part.file.filename, headers=part.file.headers)


def _sort(data: FormData, form: Form, files: Mapping[str, int], decoders: Decoders | None) -> None:
    for name, value in data.multi_items():  # all files first, so that those of a refused form are closed
        if isinstance(value, UploadFile):
            form.files.setdefault(name, []).append(Upload(value.filename or "", value.file, decoders))
    for name, value in data.multi_items():
        if isinstance(value, UploadFile):
            continue
        if name in form.fields:
            raise RequestError("option", f"the field {name[:60]!r} came twice; give it once")
        form.fields[name] = value
    for name, uploads in form.files.items():
        if name not in files:
            raise RequestError(
                "multipart", f"there is a file called {name[:60]!r}; expected {' or '.join(map(repr, files))}"
            )
        if len(uploads) > files[name]:
            raise RequestError(
                "multipart", f"{len(uploads)} files are called {name!r}; expected at most {files[name]}"
            )
