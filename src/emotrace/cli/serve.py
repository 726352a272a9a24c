"""``emotrace serve``: the resident service; its options are those of :mod:`emotrace.server.settings`."""

from __future__ import annotations

import inspect
import logging
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from emotrace.cli.messages import tell

if TYPE_CHECKING:
    from emotrace.server.run import Server
    from emotrace.server.settings import Settings
    from emotrace.server.settings_sources import Setting

EXAMPLES = """\b
Examples:
  emotrace serve
  emotrace serve --preload --max-seconds 600
  emotrace serve --config emotrace.toml --show-settings
  EMOTRACE_TOKEN=... emotrace serve --host 0.0.0.0

\b
Each option is also a variable (EMOTRACE_MAX_BYTES) and a key of the TOML file (max_bytes); an option goes
before a variable, a variable before the file.
"""


class ServeCommand(TyperCommand):
    """The command, whose options are made when they are needed, since the settings are heavy to import."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Those of the function, and one for each setting."""
        check_extra()
        own = super().get_params(ctx)
        return [*_options(), *own]


def serve(
    context: typer.Context,
    show_settings: Annotated[
        bool, typer.Option("--show-settings", help="Print all settings as a TOML file, and end.")
    ] = False,
) -> None:
    """Serve web page, REST API, live streams and the classic endpoint until Ctrl-C or SIGTERM.

    What runs is finished first. Needs the extra 'server'.
    """
    from emotrace.server.settings import Settings

    settings = Settings.of(**context.meta.get(_GIVEN, {}))
    if show_settings:
        from emotrace.server.settings_sources import toml_of

        typer.echo(toml_of(settings), nl=False)
        return
    if settings.ui:
        check_extra(("gradio",), "the web page (without it: --no-ui)")
    with for_us_alone():
        _run(settings)


_GIVEN = "emotrace.serve"


def _options() -> list[Any]:
    """What typer makes of a function that has a parameter for each setting."""
    from emotrace.server.settings import Settings
    from emotrace.server.settings_sources import settings_of

    def function() -> None: ...

    options = {_key(setting): _option(setting) for setting in settings_of(Settings)}
    function.__annotations__ = options
    function.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
            for key, kind in options.items()
        ]
    )
    made = typer.Typer(add_completion=False)
    made.command()(function)
    command: Any = typer.main.get_command(made)
    return list(command.params)


def _key(setting: Setting) -> str:
    return setting.flag.removeprefix("--").replace("-", "_")


def _option(setting: Setting) -> Any:
    """Its value is a text, which the settings read; it is kept only if it was given."""

    def keep(context: typer.Context, value: Any) -> None:
        if value not in (None, (), []):
            context.meta.setdefault(_GIVEN, {})[_key(setting)] = value

    switch = setting.kind is bool
    text = setting.text.replace("``", "").rstrip(".")
    if not setting.text.startswith("``"):  # what is typed stays as it is
        text = f"{text[:1].upper()}{text[1:]}"
    kind: Any = bool | None if switch else list[str] | None if setting.several else str | None
    option = typer.Option(
        f"{setting.flag}/--no-{setting.flag[2:]}" if switch else setting.flag,
        help=f"{text}.{f' [default: {setting.shown}]' if setting.shown else ''}",
        metavar=None if switch else setting.metavar,
        show_default=False,
        expose_value=False,
        callback=keep,
    )
    return Annotated[kind, option]


def _run(settings: Settings) -> None:
    from emotrace.server.address import listen, url_of
    from emotrace.server.monitoring.logs import log_to_stderr
    from emotrace.server.run import server_of

    with listen(settings) as listener:
        server = server_of(settings)
        if settings.ui:
            from emotrace.webui import mount

            app: Any = server.config.app
            mount(app, app.state.service)
        log_to_stderr(settings)
        asks = _asks(server, settings)
        asked = ", for those who have a key" if asks else ""
        url = url_of(listener, settings.tls_cert is not None)
        _tell(settings, f"listening on {url}{asked}; the data are in {settings.data_folder} (Ctrl-C stops)")
        for warning in _warnings(settings, asks):
            _tell(settings, warning, logging.WARNING)
        server.run(sockets=[listener])
    _tell(settings, "stopped")


def _asks(server: Server, settings: Settings) -> bool:
    """Whether nobody is answered without a key or the token."""
    if settings.token is not None:
        return True
    app: Any = server.config.app
    return bool(app.state.service.open().keys.list())


def _warnings(settings: Settings, asks: bool) -> Iterator[str]:
    from emotrace.server.address import is_local

    if settings.insecure and not asks:
        yield "INSECURE: unless there are keys, everybody who reaches this may do everything"
    if asks and settings.tls_cert is None and not (is_local(settings) or settings.trusted_proxies):
        yield (
            "keys and recordings travel over plain HTTP, which others may read: give --tls-cert and "
            "--tls-key, or put a proxy with TLS before it (--trusted-proxies)"
        )


def _tell(settings: Settings, sentence: str, level: int = logging.INFO) -> None:
    """Say something about the whole service: to people, or as a line of the log for programs."""
    if settings.log_format == "json":
        logging.getLogger("emotrace.server").log(level, sentence)
    else:
        tell(f"warning: {sentence}" if level == logging.WARNING else sentence)


@contextmanager
def for_us_alone() -> Iterator[None]:
    """What is written meanwhile, nobody else may read, whoever made the folder."""
    before = os.umask(0o077)
    try:
        yield
    finally:
        os.umask(before)


NEEDED = (
    *("fastapi", "uvicorn", "python_multipart", "pydantic_settings", "prometheus_client", "itsdangerous"),
    *("websockets", "sqlalchemy", "alembic", "dbos", "filelock", "httptools"),
)
"""Packages of the extra that the service cannot do without."""


def check_extra(needed: Sequence[str] = NEEDED, what: str = "the service") -> None:
    """Refuse to go on without some packages.

    Args:
        needed: names to import.
        what: needs them.

    Raises:
        MissingExtraError: a package is missing.
    """
    from importlib.util import find_spec

    from emotrace.errors import MissingExtraError

    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise MissingExtraError(
            f"{what} needs {', '.join(missing)}, which {are} not installed; pip install 'emotrace[server]'"
        )
