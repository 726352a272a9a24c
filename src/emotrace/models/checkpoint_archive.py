"""Torch archives, opened without running anything that is in them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emotrace.errors import MissingExtraError, ModelError

MAX_PICKLE_BYTES = 64 << 20  # of the archive's description of its tensors; a megabyte is usual
BLOCK = 1 << 20

OnProgress = Callable[[str, float, float], object]
"""Called with a step, how much of it is done, and how much there is in all."""


def load_archive(path: Path, on_progress: OnProgress | None = None) -> Any:
    """Content of a file that ``torch.save`` wrote, if it is tensors, numbers, text and their containers.

    Args:
        path: of the file.
        on_progress: told how many of its bytes were compared with their checksums.

    Returns:
        What was saved; tensors are mapped from the file, their bytes are read when they are used.

    Raises:
        ModelError: the file is missing, cut off, changed since it was written, or wants to run code.
        MissingExtraError: torch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtraError(
            "reading a published checkpoint needs torch, which is not installed; "
            "pip install 'emotrace[convert]'"
        ) from error
    _check_archive(path, on_progress)
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # a pickle that was changed can make its reader fail in any way
        raise _refused(path, error) from error


def _refused(path: Path, error: Exception) -> ModelError:
    if named := _code_in(path):
        return ModelError(
            f"{str(path)!r} is refused: to load it, code of {', '.join(named)} would have to run; expected "
            "tensors, numbers and text only, as in the published checkpoints"
        )
    lines = str(error).rpartition("WeightsUnpickler error:")[2].splitlines()  # torch's advice comes before it
    reason = next((line.strip() for line in lines if line.strip()), type(error).__name__)
    return ModelError(
        f"{str(path)!r} is no torch checkpoint that can be read ({reason[:200]}); download it again"
    )


def _code_in(path: Path) -> list[str]:
    """Functions and classes that unpickling would call; found by reading, not by running."""
    import torch

    try:
        return sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path))[:5]
    except Exception:  # whatever a damaged pickle makes of it: the first error tells more
        return []


def _check_archive(path: Path, on_progress: OnProgress | None) -> None:
    """Refuse what is cut, changed since it was written, or packed: torch maps it without looking."""
    damaged = "it is cut off or was changed: download it again"
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            total, done = sum(e.file_size for e in entries), 0
            for entry in entries:
                if entry.compress_type != zipfile.ZIP_STORED:
                    raise ModelError(f"{str(path)!r} is packed; expected a file that torch.save wrote")
                if entry.filename.endswith("data.pkl") and entry.file_size > MAX_PICKLE_BYTES:
                    raise ModelError(
                        f"{str(path)!r} describes its tensors in {entry.file_size} bytes; "
                        "expected a megabyte or so"
                    )
                with archive.open(entry) as stream:
                    while block := stream.read(BLOCK):
                        done += len(block)
                        if on_progress:
                            on_progress("check the checkpoint", done, total)
    except zipfile.BadZipFile as error:
        raise ModelError(f"{str(path)!r} is no whole torch archive ({error}); {damaged}") from error
    except (NotImplementedError, EOFError, ValueError, RuntimeError) as error:
        raise ModelError(f"{str(path)!r} cannot be read ({error}); {damaged}") from error
    except OSError as error:
        raise ModelError(
            f"{str(path)!r} cannot be read ({error.strerror or error}); expected a checkpoint: a folder with "
            "model.pt, config.yaml and tokens.txt, or such a model.pt"
        ) from error
