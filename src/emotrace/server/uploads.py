"""Multipart bodies: small fields, and files that stay with the server's own temporary ones."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fastapi import Request
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException

from emotrace.server.problems import RequestError

MAX_FIELDS = 32
MAX_FIELD_BYTES = 16 * 1024
_LONGEST_NAME = 200


class Upload(io.BufferedIOBase):
    r"""A file that a client sent, open for reading; its name is only ever shown.

    Args:
        name: as the client calls it.
        file: holds the content.

    >>> import io
    >>> Upload("C:\\talks\\monday.wav", io.BytesIO(b"RIFF")).name
    'monday.wav'
    """

    def __init__(self, name: str, file: Any) -> None:
        base = name.replace("\\", "/").rpartition("/")[2]
        shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in base)
        self.name = shown[-_LONGEST_NAME:] or "upload"
        self._file = file

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


async def read_form(request: Request, files: Mapping[str, int]) -> Form:
    """Read a multipart body.

    Args:
        request: whose body it is.
        files: how many files of each name may come; the first must.

    Raises:
        RequestError: it is none, a broken one, or has other files in it.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        shown = repr(kind[:60]) if kind else "of no type"
        raise RequestError(
            "content-type", f"the body is {shown}; expected 'multipart/form-data' (curl: -F audio=@talk.wav)"
        )
    form = Form()
    try:
        _sort(await _parsed(request, sum(files.values())), form, files)
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


async def _parsed(request: Request, files: int) -> FormData:
    try:
        return await request.form(max_files=files, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)
    except HTTPException as error:
        raise RequestError("multipart", f"the form cannot be read: {error.detail}") from error
    except (ValueError, LookupError) as error:  # of odd character sets and headers
        raise RequestError("multipart", "the form cannot be read: send it as curl -F does") from error


def _sort(data: FormData, form: Form, files: Mapping[str, int]) -> None:
    for name, value in data.multi_items():
        if isinstance(value, UploadFile):
            form.files.setdefault(name, []).append(Upload(value.filename or "", value.file))
        elif name in form.fields:
            raise RequestError("option", f"the field {name[:60]!r} came twice; give it once")
        else:
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
