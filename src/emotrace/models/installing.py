"""A model appears under its name whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from emotrace.errors import MissingExtraError, ModelError, OptionError, OutputError
from emotrace.models import registry
from emotrace.models.checkpoint_archive import OnProgress

if TYPE_CHECKING:
    from filelock import BaseFileLock

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_LEFT = re.compile(r"\.(?P<name>.+)\.(?P<what>converting|old)")


@contextmanager
def installing(
    name: str, *, home: Path | None = None, force: bool = False, on_progress: OnProgress | None = None
) -> Iterator[Path]:
    """A hidden folder that becomes the model of a name when the block ends without an error.

    Only one process at a time installs a name; another one waits. What a killed process left behind is
    removed; a model that it was about to replace is put back.

    Args:
        name: to install under.
        home: instead of :func:`emotrace.models.registry.home`.
        force: replace what is installed under the name.
        on_progress: told that it has to wait.

    Yields:
        An empty folder on the same disk.

    Raises:
        OptionError: it is no name for a model.
        ModelError: a model of this name is installed already.
        OutputError: something cannot be written.
        MissingExtraError: filelock is not installed.
    """
    check_name(name)
    models = (home or registry.home()) / "models"
    try:
        models.mkdir(parents=True, exist_ok=True)
        with _held(_lock(models, name), name, on_progress):
            yield from _alone(models, name, force)
    except OSError as error:
        raise OutputError(
            f"the model cannot be written to {str(models)!r} ({error.strerror or error}); make room or check "
            "the permissions there, or set EMOTRACE_HOME to another folder"
        ) from error


def check_name(name: str) -> None:
    """Refuse what is no name for a model.

    Raises:
        OptionError: it is none.
    """
    if not _NAME.fullmatch(name) or name.lower() in (registry.BUILTIN, "auto"):
        raise OptionError(
            f"a model cannot be called {name!r}; expected letters, digits, '.', '_' and '-', and not "
            f"{registry.BUILTIN!r} or 'auto'"
        )


def _held(lock: BaseFileLock, name: str, on_progress: OnProgress | None) -> AbstractContextManager[object]:
    with contextlib.suppress(TimeoutError):
        return lock.acquire(timeout=0)
    if on_progress:
        on_progress(f"wait for another conversion of {name}", 0, 0)
    return lock.acquire()


def _alone(models: Path, name: str, force: bool) -> Iterator[Path]:
    _clean(models, name)
    target, new = models / name, models / f".{name}.converting"
    if os.path.lexists(target) and not force:
        raise ModelError(
            f"model {name!r} is installed already, in {str(target)!r}; use --force to replace it, or another "
            "name"
        )
    new.mkdir()
    try:
        yield new
        _sync(new)
        _exchange(new, target)
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise


def _exchange(new: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.old")
    if os.path.lexists(target):
        target.rename(old)
    new.rename(target)
    _sync(target.parent)
    _remove(old)


def _clean(models: Path, name: str) -> None:
    """Tidy up after killed processes, unless another one is at work on that name just now."""
    for path in models.iterdir():
        if found := _LEFT.fullmatch(path.name):
            if found["name"] == name:
                _tidy(path, models / name, found["what"])
                continue
            lock = _lock(models, found["name"])
            with contextlib.suppress(TimeoutError), lock.acquire(timeout=0):
                _tidy(path, models / found["name"], found["what"])


def _tidy(left: Path, target: Path, what: str) -> None:
    if what == "old" and not os.path.lexists(target):
        left.rename(target)
    else:
        _remove(left)


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    else:
        shutil.rmtree(path, ignore_errors=True)


def _lock(models: Path, name: str) -> BaseFileLock:
    try:
        from filelock import FileLock
    except ImportError as error:
        raise MissingExtraError(
            "installing a model needs filelock, which is not installed; pip install 'emotrace[convert]'"
        ) from error
    return FileLock(models / f".{name}.lock")


def _sync(folder: Path) -> None:
    """See that the names in a folder are on the disk, where the system can do that."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
