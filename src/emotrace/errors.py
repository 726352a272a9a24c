"""The exceptions of emotrace.

Every message says what came, what was expected and the way out::

    EmotraceError
    |-- InputError            the input cannot be used (exit code 3)
    |   |-- AudioError        not found, not audio, broken, refused
    |   |   |-- NoAudioError          a container without an audio stream, or without one sample
    |   |   `-- LimitError            more bytes or seconds than allowed
    |   |-- NoSpeechError     there is sound, but no speech in it
    |   `-- LabelError        a label that is none of the nine emotions
    |-- ModelError            a model package is missing, broken or does not fit
    |   |-- ModelNotFoundError        no model of this name is installed
    |   `-- DownloadError             a hub cannot be reached, or gives something else than it lists
    |-- DeviceError           an asked-for device or precision is not there
    |-- OptionError           an option has a value outside its range
    |-- OutputError           a result could not be written
    |   `-- DiskFullError             there is no room for it
    |-- ObjectStoreError      an object store cannot be reached
    |-- StoreError            the database cannot be used
    |-- ServerError           a server cannot be reached, or refuses (exit code 10)
    `-- MissingExtraError     an optional dependency is not installed
"""

from __future__ import annotations


class EmotraceError(Exception):
    """Root of all errors that emotrace raises on purpose.

    Attributes:
        code: stable machine-readable name of the kind of error.
    """

    code = "error"


class InputError(EmotraceError):
    """The input cannot be used."""

    code = "input"


class AudioError(InputError):
    """The audio cannot be read."""

    code = "audio"


class NoAudioError(AudioError):
    """There is no audio stream in the input, or not one sample of audio."""

    code = "no-audio"


class LimitError(AudioError):
    """The input is larger or longer than the limit allows."""

    code = "limit"


class ObjectStoreError(EmotraceError):
    """An object store cannot be reached, or there are no credentials for it."""

    code = "object-store"


class NoSpeechError(InputError):
    """No speech was found."""

    code = "no-speech"


class LabelError(InputError, ValueError):
    """A label is none of the nine emotions."""

    code = "label"


class ModelError(EmotraceError):
    """A model package is broken or does not fit."""

    code = "model"


class ModelNotFoundError(ModelError):
    """No model of the asked-for name is installed."""

    code = "model-not-found"


class DownloadError(ModelError):
    """A hub cannot be reached, does not have what was asked for, or gives something else than it lists."""

    code = "download"


class DeviceError(EmotraceError):
    """An asked-for device or precision is not available."""

    code = "device"


class OptionError(EmotraceError, ValueError):
    """An option has a value outside its range."""

    code = "option"


class OutputError(EmotraceError):
    """A result could not be written."""

    code = "output"


class DiskFullError(OutputError):
    """There is no room for a result."""

    code = "disk-full"


class StoreError(EmotraceError):
    """The database of the service cannot be reached, or does not fit."""

    code = "store"


class ServerError(EmotraceError):
    """A server of emotrace cannot be reached, or answered with an error that only a server has.

    Attributes:
        problem: the server's own code, such as ``"busy"``; ``"unreachable"``, ``"timeout"`` or ``"broken"``
            of the line to it.
        status: of the answer; None without one.
    """

    code = "server"

    def __init__(self, sentence: str, *, problem: str = "server", status: int | None = None) -> None:
        super().__init__(sentence)
        self.problem = problem
        self.status = status


class MissingExtraError(EmotraceError):
    """An optional dependency is not installed."""

    code = "missing-extra"
