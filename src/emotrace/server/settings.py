"""The settings of the service, in one record."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from emotrace.errors import OptionError

PORT = 7860
SHORTEST_TOKEN = 16


class Settings(BaseModel):
    """How the service runs.

    Attributes:
        host: address or name to listen on; all but loopback needs a ``token``.
        port: TCP port; 0 is any that is free.
        token: what every request but health and readiness must carry; at least 16 characters. None asks for
            nothing.
        model: installed model that ``auto`` stands for; ``"auto"`` is the best one.
        preload: load it at start; else on first use.
        idle_seconds: a model that nobody used for so long is released; 0 keeps it.
        precision: see :class:`emotrace.Recognizer`; of every model.
        device: see there.
        runtime: see there.
        threads: of one inference; 0 is one, because several run side by side.
        workers: recordings that are recognised at the same time; 0 is one for each core.
        queue: requests that may wait; more are answered with 429.
        deadline_seconds: from the end of an upload to its answer.
        upload_seconds: for sending a request.
        max_bytes: of a request.
        max_seconds: of a recording.
        presets: a TOML file of more presets.

    >>> Settings.of(token="short")
    Traceback (most recent call last):
    emotrace.errors.OptionError: the token has 5 characters; expected at least 16
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    host: str = "127.0.0.1"
    port: int = Field(default=PORT, ge=0, le=65535)
    token: SecretStr | None = None
    model: str = "auto"
    preload: bool = False
    idle_seconds: float = Field(default=900.0, ge=0, allow_inf_nan=False)
    precision: Literal["auto", "fp32", "int8", "bf16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    runtime: Literal["auto", "onnxruntime", "torch"] = "auto"
    threads: int = Field(default=0, ge=0, le=1024)
    workers: int = Field(default=0, ge=0, le=256)
    queue: int = Field(default=32, ge=0, le=100_000)
    deadline_seconds: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    upload_seconds: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    max_bytes: int = Field(default=100 * 1024**2, gt=0)
    max_seconds: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    presets: Path | None = None

    @field_validator("token")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is None:
            return None
        text = value.get_secret_value()
        if len(text) < SHORTEST_TOKEN:
            raise ValueError(f"the token has {len(text)} characters; expected at least {SHORTEST_TOKEN}")
        if not (text.isascii() and text.isprintable()) or " " in text:
            raise ValueError("the token has spaces or characters beyond ASCII; expected letters and digits")
        return value

    @classmethod
    def of(cls, **values: Any) -> Settings:
        """Validated settings.

        Raises:
            OptionError: a value is out of range, or there is no such setting.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            raise OptionError(_sentence(error)) from error


def _sentence(error: ValidationError) -> str:
    first = error.errors(include_input=False)[0]
    name = ".".join(map(str, first["loc"]))
    if first["type"] == "extra_forbidden":
        return f"there is no setting {name!r}; expected one of {', '.join(Settings.model_fields)}"
    message = first["msg"].replace("Input should be", "expected")
    if message.startswith("Value error, "):
        return message.removeprefix("Value error, ")
    return f"the setting {name} is out of range; {message}"
