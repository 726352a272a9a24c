"""``emotrace serve``: the resident service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotrace.cli.messages import tell

if TYPE_CHECKING:
    from emotrace.server.settings import Settings

TOKEN = "EMOTRACE_TOKEN"

EXAMPLES = """\b
Examples:
  emotrace serve
  emotrace serve --preload --max-seconds 600
  EMOTRACE_TOKEN=... emotrace serve --host 0.0.0.0
"""


def serve(
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; all but this machine needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", help="TCP port; 0 is any that is free.")] = 7860,
    token_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help=f"Holds the token that requests must carry. [default: the variable {TOKEN}]",
            show_default=False,
        ),
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="NAME", help="Installed model that auto stands for; auto is the best.")
    ] = "auto",
    preload: Annotated[
        bool, typer.Option("--preload", help="Load the model at start; else on first use.")
    ] = False,
    idle_seconds: Annotated[
        float, typer.Option(metavar="SECONDS", help="Release a model after so long without use; 0 is never.")
    ] = 900.0,
    precision: Annotated[
        str, typer.Option(metavar="auto|fp32|int8|bf16", help="Precision of the models.")
    ] = "auto",
    device: Annotated[str, typer.Option(metavar="auto|cpu|cuda", help="Where the models run.")] = "auto",
    runtime: Annotated[
        str, typer.Option(metavar="auto|onnxruntime|torch", help="What runs the models.")
    ] = "auto",
    threads: Annotated[
        int, typer.Option(metavar="N", help="Threads of one inference; 0 is one, as several run at a time.")
    ] = 0,
    workers: Annotated[
        int, typer.Option(metavar="N", help="Recordings at the same time; 0 is one for each core.")
    ] = 0,
    queue: Annotated[
        int, typer.Option(metavar="N", help="Requests that may wait; more are told to come again.")
    ] = 32,
    deadline_seconds: Annotated[
        float, typer.Option(metavar="SECONDS", help="From the end of an upload to its answer.")
    ] = 120.0,
    upload_seconds: Annotated[
        float, typer.Option(metavar="SECONDS", help="For sending one request.")
    ] = 120.0,
    max_bytes: Annotated[int, typer.Option(metavar="N", help="Larger requests are refused.")] = 100 * 1024**2,
    max_seconds: Annotated[
        float, typer.Option(metavar="SECONDS", help="Longer recordings are refused.")
    ] = 3600.0,
    presets: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A TOML file of more presets.", show_default=False),
    ] = None,
) -> None:
    """Serve the REST API and the classic endpoint until Ctrl-C or SIGTERM; what runs is finished first.

    Needs the extra 'server'.
    """
    _check_extra()
    from emotrace.server.settings import Settings

    settings = Settings.of(
        host=host,
        port=port,
        token=_token(token_file),
        model=model,
        preload=preload,
        idle_seconds=idle_seconds,
        precision=precision,
        device=device,
        runtime=runtime,
        threads=threads,
        workers=workers,
        queue=queue,
        deadline_seconds=deadline_seconds,
        upload_seconds=upload_seconds,
        max_bytes=max_bytes,
        max_seconds=max_seconds,
        presets=presets,
    )
    _run(settings)


def _run(settings: Settings) -> None:
    from emotrace.server.address import listen, url_of
    from emotrace.server.run import server_of

    with listen(settings) as listener:
        server = server_of(settings)
        _log_to_stderr()
        asked = "" if settings.token is None else ", for those who have the token"
        tell(f"listening on {url_of(listener)}{asked} (Ctrl-C stops)")
        server.run(sockets=[listener])
    tell("stopped")


def _check_extra() -> None:
    from importlib.util import find_spec

    from emotrace.errors import MissingExtraError

    missing = [name for name in ("fastapi", "uvicorn", "python_multipart") if find_spec(name) is None]
    if missing:
        raise MissingExtraError(
            f"the service needs {', '.join(missing)}, which is not installed; pip install 'emotrace[server]'"
        )


def _token(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(TOKEN) or None
    from emotrace.errors import OptionError

    try:
        with file.open("rb") as opened:
            text = opened.read(4096).decode("ascii").strip()
    except (OSError, UnicodeDecodeError) as problem:
        reason = (getattr(problem, "strerror", None) or "").lower() or "it is not plain ASCII"
        raise OptionError(
            f"the token file {str(file)!r} cannot be read: {reason}; expected one line with the token"
        ) from problem
    if not text:
        raise OptionError(f"the token file {str(file)!r} is empty; expected one line with the token")
    return text


def _log_to_stderr() -> None:
    import logging
    import sys

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    logging.getLogger("emotrace").setLevel(logging.INFO)
