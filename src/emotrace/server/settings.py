"""The settings of the service, in one record.

A field with its line under ``Attributes`` is all that a new setting needs: the flag of ``emotrace serve``,
the variable, the key of the TOML file and the row of docs/settings.md are made of it.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from emotrace.errors import OptionError
from emotrace.models.cpu import cores
from emotrace.models.registry import home
from emotrace.server.settings_sources import PREFIX, origin, sentence, sources

PORT = 7860
SHORTEST_TOKEN = 16


def _network(text: str) -> str:
    try:
        return str(ip_network(text))
    except ValueError:
        raise ValueError(f"{text!r} is no network; expected one such as 10.0.0.0/8") from None


class Listening(BaseModel):
    """Where it listens.

    Attributes:
        config: a TOML file of settings, named as in this list with ``_`` for ``-``.
        host: address or name to listen on; all but loopback needs a ``token``.
        port: TCP port; 0 is any that is free.
        ui: show the web pages at ``/``.
    """

    config: Path | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=PORT, ge=0, le=65535)
    ui: bool = True


class Asking(BaseModel):
    """Who may ask.

    Attributes:
        token: what every request but health and readiness must carry, at least 16 characters; a key made by
            ``emotrace keys create`` will do as well.
        insecure: listen on other addresses than loopback without a token or keys: everybody who reaches it
            may do everything.
        session_secret: signs the sessions of the web page, at least 16 characters; several servers side by
            side need the same. Without it a restart signs everybody out.
        session_hours: after so long the web page asks for the key again.
        allow_ips: networks that may ask, such as ``10.0.0.0/8``; none is all.
        trusted_proxies: networks of proxies whose ``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed.
        cors_origins: pages of these origins may ask from a browser, such as ``https://example.org``.
        rate_per_minute: requests of one key, or without keys of one address; 0 is no limit.
        concurrency: requests of one key, or without keys of one address, at the same time; 0 is no limit.
        tls_cert: certificate chain (PEM); the service is then encrypted.
        tls_key: private key of the certificate (PEM).
    """

    token: SecretStr | None = None
    insecure: bool = False
    session_secret: SecretStr | None = None
    session_hours: float = Field(default=12.0, gt=0, le=24 * 365)
    allow_ips: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    rate_per_minute: int = Field(default=0, ge=0, le=1_000_000)
    concurrency: int = Field(default=0, ge=0, le=100_000)
    tls_cert: Path | None = None
    tls_key: Path | None = None

    @field_validator("allow_ips", "trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_network, value))

    @field_validator("cors_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if not re.fullmatch(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:\d+)?", one):
                raise ValueError(f"{one!r} is no origin; expected one such as https://example.org")
        return value

    @field_validator("token", "session_secret")
    @classmethod
    def _long_enough(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None:
            return None
        name, text = info.field_name, value.get_secret_value()
        if len(text) < SHORTEST_TOKEN:
            raise ValueError(f"the {name} has {len(text)} characters; expected at least {SHORTEST_TOKEN}")
        if not (text.isascii() and text.isprintable()) or " " in text:
            raise ValueError(f"the {name} has spaces or characters beyond ASCII; expected letters and digits")
        return value


class Recognising(BaseModel):
    """Models.

    Attributes:
        model: installed model that ``auto`` stands for; ``auto`` is the best one.
        preload: load the model at start; else on first use.
        idle_seconds: a model that nobody used for so long is released; 0 keeps it.
        precision: of every model.
        device: where the models run.
        runtime: what runs the models.
        threads: threads of one inference; 0 is one, because several run side by side.
        presets: a TOML file of more presets.
    """

    model: str = "auto"
    preload: bool = False
    idle_seconds: float = Field(default=900.0, ge=0, allow_inf_nan=False)
    precision: Literal["auto", "fp32", "int8", "bf16"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    runtime: Literal["auto", "onnxruntime", "torch"] = "auto"
    threads: int = Field(default=0, ge=0, le=1024)
    presets: Path | None = None


class Limiting(BaseModel):
    """Limits.

    Attributes:
        workers: recordings that are recognised at the same time; 0 is one for each core and one more.
        queue: requests that may wait; more are answered with 429.
        deadline_seconds: time from the end of an upload to its answer.
        upload_seconds: time to send a request.
        max_bytes: larger requests are refused.
        max_seconds: longer recordings are refused.
        decode_workers: processes that decode what was uploaded and are kept for the next; by default, if
            they are needed, twice as many as ``workers``; 0 decodes in the service itself.
        decode_memory_bytes: what decoding one recording may take.
        decode_cpu_seconds: computing time that decoding one recording may take, or a twentieth of the longest
            that is allowed, if that is more.
    """

    workers: int = Field(default=0, ge=0, le=256)
    queue: int = Field(default=32, ge=0, le=100_000)
    deadline_seconds: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    upload_seconds: float = Field(default=120.0, gt=0, allow_inf_nan=False)
    max_bytes: int = Field(default=100 * 1024**2, gt=0)
    max_seconds: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    decode_workers: int | None = Field(default=None, ge=0, le=256)
    decode_memory_bytes: int = Field(default=512 * 1024**2, ge=64 * 1024**2)
    decode_cpu_seconds: float = Field(default=120.0, gt=0, allow_inf_nan=False)

    @property
    def side_by_side(self) -> int:
        """How many recordings are recognised at the same time; one of them mostly waits for its decoding."""
        return self.workers or cores() + 1

    @property
    def begun(self) -> int:
        """How many recordings may have begun; those beyond the others wait for the network."""
        return 2 * self.side_by_side


class Storing(BaseModel):
    """What is kept.

    Attributes:
        data_dir: folder of the database and of what is kept; by default in that of the user's data.
        database_url: ``postgresql://USER:PASSWORD@HOST/NAME``, for several servers, which share ``data_dir``,
            too; by default SQLite in ``data_dir``.
        history: keep results and embeddings of recognitions for their callers.
        keep_audio: keep the recordings themselves, too.
        keep_days: what is kept is removed after so many days; 0 never.
        max_disk_bytes: the oldest is removed when all files together are larger; 0 is without limit.
        archive_dir: what is removed goes to archives in this folder; else it is gone.
        audit_days: lines of the audit log are removed after so many days; 0 never.
    """

    data_dir: Path | None = None
    database_url: SecretStr | None = None
    history: bool = True
    keep_audio: bool = False
    keep_days: float = Field(default=30.0, ge=0, le=36_500)
    max_disk_bytes: int = Field(default=10 * 1024**3, ge=0)
    archive_dir: Path | None = None
    audit_days: float = Field(default=365.0, ge=0, le=36_500)

    @property
    def data_folder(self) -> Path:
        """Where ``data_dir`` is."""
        return home() / "service" if self.data_dir is None else self.data_dir.expanduser()


class Jobs(BaseModel):
    """Jobs.

    Attributes:
        job_workers: recordings of jobs that are recognised at the same time, beside the requests.
        job_queue: recordings of jobs that may wait; more jobs are answered with 429.
        job_files: recordings of one job.
        job_bytes: larger jobs are refused.
        job_max_seconds: longer recordings are refused.
        job_upload_seconds: time to send a job.
        job_seconds: time for one recording of a job.
        job_grace_seconds: time that what runs has when the service stops; then it is left for the next start.
        job_takeover_seconds: time without a sign of life after which others do the work of a server.
    """

    job_workers: int = Field(default=1, ge=1, le=256)
    job_queue: int = Field(default=10_000, ge=1)
    job_files: int = Field(default=500, ge=1, le=10_000)
    job_bytes: int = Field(default=4 * 1024**3, gt=0)
    job_max_seconds: float = Field(default=6 * 3600.0, gt=0, allow_inf_nan=False)
    job_upload_seconds: float = Field(default=3600.0, gt=0, allow_inf_nan=False)
    job_seconds: float = Field(default=6 * 3600.0, gt=0, allow_inf_nan=False)
    job_grace_seconds: float = Field(default=20.0, ge=0, allow_inf_nan=False)
    job_takeover_seconds: float = Field(default=20.0, ge=1, allow_inf_nan=False)


class Streaming(BaseModel):
    """Live streams.

    Attributes:
        streams: live streams at the same time; more are told to come again.
        stream_idle_seconds: a stream that sends or takes nothing for so long is ended.
        stream_max_seconds: longer streams are ended.
        stream_frame_bytes: larger messages are refused.
    """

    streams: int = Field(default=32, ge=0, le=10_000)
    stream_idle_seconds: float = Field(default=30.0, gt=0, allow_inf_nan=False)
    stream_max_seconds: float = Field(default=14_400.0, gt=0, allow_inf_nan=False)
    stream_frame_bytes: int = Field(default=1024**2, ge=1024)


class Logging(BaseModel):
    """Logs and metrics.

    Attributes:
        log_format: one JSON object for each line, or lines for people.
        log_level: what is less important is left out.
        log_names: put what clients call their recordings into the log.
        metrics_open: loopback may read /v1/metrics without the scope admin.
    """

    log_format: Literal["text", "json"] = "text"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_names: bool = False
    metrics_open: bool = False


class Settings(Listening, Asking, Recognising, Limiting, Storing, Jobs, Streaming, Logging, BaseSettings):
    """How the service runs: flags before variables ``EMOTRACE_...`` before the TOML file before defaults.

    A secret comes from a file, too: ``token_file`` for ``token``.

    >>> Settings.of(token="short")
    Traceback (most recent call last):
    emotrace.errors.OptionError: the token has 5 characters; expected at least 16
    """

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        env_prefix=PREFIX,
        env_ignore_empty=True,
        enable_decoding=False,
    )

    @classmethod
    def of(cls, **values: Any) -> Settings:
        """Validated settings, from these values and all other sources.

        Raises:
            OptionError: a value is out of range, a file cannot be read, or there is no such setting.
        """
        try:
            return cls(**values)
        except ValidationError as error:
            name = str(error.errors(include_input=False)[0]["loc"][0])
            raise OptionError(sentence(cls, error) + origin(name, values)) from error

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """See :func:`~emotrace.server.settings_sources.sources`."""
        return sources(settings_cls, init_settings, env_settings)
