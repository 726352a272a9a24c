"""Classic result folders in ``normal`` and ``low_quality``, made of records; made again, nothing changes."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from emotrace.batch.listing import STATE_FOLDER
from emotrace.batch.naming import Names, wanted_name
from emotrace.errors import EmotraceError
from emotrace.outputs.folder import AUDIO_FILE, RESULT_FILE, write_wav
from emotrace.outputs.recalling import verdict_of
from emotrace.outputs.records import dumps
from emotrace.outputs.sorting_plan import LOW_QUALITY, NORMAL, PATTERN, PLACES, Sorted, is_place
from emotrace.outputs.stored import parse_result
from emotrace.outputs.writing import output_errors
from emotrace.results import Array, Failure, Verdict

STALE = "stale"
"""Where results go whose recordings were not given any more, or gave none this time."""


class SortedFolders:
    """Puts each result into a folder ``outputs_NAME``, by its verdict in ``normal`` or in ``low_quality``.

    A folder that is there already, in either place, is kept if it holds the same, else replaced; so a run
    that was cut off is finished by the next one. The names follow from the recordings and their order.

    Args:
        out: where the two places are made.
        strict: what is only flagged is low quality, too.
        audio: the blocks of a recording by its path, for ``processed_audio.wav``; None leaves it out.

    Raises:
        OutputError: they cannot be made, or something else has their name.
    """

    def __init__(
        self, out: Path, *, strict: bool = False, audio: Callable[[str], Iterable[Array]] | None = None
    ) -> None:
        self._out, self._strict, self._audio = out, strict, audio
        self._names = Names(out / STATE_FOLDER / "names.sqlite")
        for place in PLACES:
            with output_errors(out / place):
                is_place(out / place)
                (out / place).mkdir(parents=True, exist_ok=True)
                for left in (out / place).glob(".*.tmp"):  # of a run that was killed
                    shutil.rmtree(left, ignore_errors=True)

    def put(self, record: Mapping[str, Any]) -> Sorted:
        """Put one result into its place.

        Args:
            record: see :func:`~emotrace.outputs.records.recognition_record`.

        Raises:
            OutputError: it cannot be written.
        """
        verdict = verdict_of(record.get("verdict")) or Verdict("keep")
        low = verdict.decision == "drop" or (self._strict and verdict.decision == "flag")
        status = LOW_QUALITY if low else NORMAL
        name = self._names.take(PATTERN + wanted_name({"file": record["source"], "start": 0.0, "end": None}))
        target = self._out / status / name
        other = self._out / (NORMAL if low else LOW_QUALITY) / name
        text = dumps(record, indent=2) + "\n"
        failure = None
        with output_errors(target):
            if not target.exists() and other.is_dir() and not other.is_symlink():
                other.rename(target)
            if not self._holds(target, text):
                failure = self._make(target, record["source"], text)
            if other.is_dir() and not other.is_symlink():
                shutil.rmtree(other)
        return Sorted(name, f"{status}/{name}", status, parse_result(record), verdict, "none", failure)

    def close(self) -> None:
        """Let go of the names."""
        self._names.close()

    def finish(self) -> int:
        """All were put: what an earlier run put, and this one did not, goes to ``stale``.

        Nothing is deleted, because its ``processed_audio.wav`` may be all that is left of a recording.

        Returns:
            How many folders that were.

        Raises:
            OutputError: one cannot be moved.
        """
        moved = 0
        with closing(Names()) as names, output_errors(self._out / STALE):
            for there in (self._out / STALE).glob(f"{PATTERN}*"):
                names.take(there.name)
            for place in PLACES:
                for folder in sorted((self._out / place).glob(f"{PATTERN}*")):
                    if not self._names.has(folder.name) and folder.is_dir() and not folder.is_symlink():
                        (self._out / STALE).mkdir(exist_ok=True)
                        folder.rename(self._out / STALE / names.take(folder.name))
                        moved += 1
        return moved

    def _holds(self, folder: Path, text: str) -> bool:
        result = folder / RESULT_FILE
        if folder.is_symlink() or not result.is_file() or result.read_bytes() != _encoded(text):
            return False
        return self._audio is None or (folder / AUDIO_FILE).is_file()

    def _make(self, target: Path, source: str, text: str) -> Failure | None:
        hidden = target.with_name(f".{secrets.token_hex(6)}.tmp")
        failure = None
        try:
            hidden.mkdir()
            (hidden / RESULT_FILE).write_bytes(_encoded(text))
            if self._audio is not None:
                failure = self._write_audio(hidden / AUDIO_FILE, source, self._audio)
            if os.path.lexists(target):
                _remove(target)
            hidden.rename(target)
        except BaseException:
            shutil.rmtree(hidden, ignore_errors=True)
            raise
        return failure

    def _write_audio(
        self, path: Path, source: str, audio: Callable[[str], Iterable[Array]]
    ) -> Failure | None:
        """The recording may have gone since it was recognised: its result is as good as before."""
        try:
            write_wav(path, audio(source))
        except EmotraceError as error:
            path.unlink(missing_ok=True)
            return Failure(source, error.code, f"{AUDIO_FILE} is missing: {error}")
        return None


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _remove(target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
        return
    with suppress(FileNotFoundError):
        target.unlink()
