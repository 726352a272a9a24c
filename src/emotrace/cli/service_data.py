"""Where a service keeps its data, for the commands that open them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from emotrace.cli.groups import given

if TYPE_CHECKING:
    from emotrace.store import Store


@dataclass(frozen=True, slots=True)
class ServiceData:
    """Where a service keeps its data: what its settings say, unless it is given."""

    config: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The TOML file of the service's settings.")
    ] = None
    data_dir: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The service's data folder, if not its own.")
    ] = None

    @contextmanager
    def opened(self) -> Iterator[Store]:
        """The store of the service."""
        from emotrace.cli.serve import check_extra, for_us_alone

        check_extra()
        from emotrace.server.settings import Settings
        from emotrace.store import Store

        settings = Settings.of(**given(self))
        url = settings.database_url
        with for_us_alone():
            store = Store(None if url is None else url.get_secret_value(), settings.data_folder)
            try:
                yield store
            finally:
                store.close()
