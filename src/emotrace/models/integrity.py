"""Hashes of a package's files, checked while the model loads."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType

from emotrace.errors import ModelError
from emotrace.models.package import ModelPackage

SMALL = 32 << 20
"""Bytes up to which a file is hashed before anything else looks at it."""


class IntegrityCheck:
    """Context in which files are loaded; whoever leaves it has files whose hashes are right.

    Small files are hashed before they are given out. Hundreds of megabytes of weights are hashed by another
    thread while they are loaded: they are mapped and copied, not interpreted. If they turn out to be changed,
    leaving the context raises that error, also in place of an error of the loading.

    Args:
        package: the model.
        names: files that are going to be loaded.

    Raises:
        ModelError: on entering or on leaving: a file is not the one that the card names.
    """

    def __init__(self, package: ModelPackage, names: Sequence[str]) -> None:
        self._package, self._names = package, names
        files = package.card.files
        self._large = [name for name in names if files[name].bytes > SMALL]
        self._content: dict[str, bytes] = {}
        self._error: ModelError | None = None
        self._thread = threading.Thread(target=self._hash, name="emotrace hashes", daemon=True)

    def _hash(self) -> None:
        try:
            for name in self._large:
                self._package.check(name)
        except ModelError as error:
            self._error = error

    def __enter__(self) -> IntegrityCheck:
        for name in self._names:
            if name in self._large:
                self._package.sized(name)
            elif len(self._names) == 1:
                self._content[name] = self._package.file(name)
            else:
                self._package.check(name)
        if self._large:
            self._thread.start()
        return self

    def source(self, name: str) -> bytes | str:
        """What to load: the content of a small file that has nothing beside it, else the path."""
        return self._content.get(name) or str(self._package.folder / name)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._large:
            self._thread.join()
        if self._error is not None:
            raise self._error from error
