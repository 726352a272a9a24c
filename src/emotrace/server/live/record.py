"""What is kept of a live stream in the history: its result, its outline and, if configured, its sound."""

from __future__ import annotations

import tempfile
import wave
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from emotrace.outputs.envelope import OutlineMeter
from emotrace.results import Recognition
from emotrace.server.access.callers import Caller
from emotrace.server.keeping import Receipt
from emotrace.server.live.form import StreamForm
from emotrace.server.service import Service

MEMORY = 1024**2
"""Bytes of sound that stay in memory; the rest goes to a file that nobody else can open."""


class Recorder:
    """Takes the sound of a stream along; a context, used once.

    Args:
        service: keeps it.
        caller: whose it is.
        form: what is asked for.
    """

    def __init__(self, service: Service, caller: Caller, form: StreamForm) -> None:
        self._service, self._caller, self._form = service, caller, form
        self._wanted = service.settings.history and form.store is not False
        self._outline = OutlineMeter()
        self._file: BinaryIO | None = None
        if self._wanted and service.settings.keep_audio:
            self._file = cast(BinaryIO, tempfile.SpooledTemporaryFile(MEMORY))  # noqa: SIM115
            self._wave = wave.open(self._file, "wb")  # noqa: SIM115
            self._wave.setparams((form.channels, 2, form.sampling_rate, 0, "NONE", ""))

    def push(self, samples: NDArray[np.int16]) -> None:
        """Take the next samples, (n, channels)."""
        if not self._wanted:
            return
        self._outline.push(samples.mean(axis=1, dtype=np.float32) / np.float32(2**15))
        if self._file is not None:
            self._wave.writeframesraw(samples.astype("<i2", copy=False).tobytes())

    def keep(self, result: Recognition) -> Receipt:
        """Keep the result of the whole.

        Raises:
            EmotraceError: it is wanted, and cannot be kept.
        """
        if self._file is not None:
            self._wave.close()  # which writes the length into its header
        return self._service.keep(
            result,
            self._caller,
            granularity="frame" if self._form.frames else "segment",
            options={
                "live": True,
                **self._form.model_dump(mode="json", exclude_unset=True, exclude={"type"}),
            },
            audio=self._file,
            outline=self._outline.result(),
            wanted=self._form.store,
        )

    def close(self) -> None:
        """Forget the sound."""
        if self._file is not None:
            self._file.close()
