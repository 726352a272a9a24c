"""Where results are: a folder of the command line's, or what the service keeps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from emotrace.cli.service_data import ServiceData
from emotrace.errors import InputError, OptionError
from emotrace.outputs import found, tidy
from emotrace.outputs.found import Item
from emotrace.outputs.tidy import Pruned
from emotrace.results import Failure

if TYPE_CHECKING:
    from emotrace.store import Store

ACTOR = "command-line"
"""Who did it, in the audit log."""


class Root(Protocol):
    """A place of results."""

    def items(self) -> list[Item]:
        """All there are."""
        ...

    def ready(self, chosen: Sequence[Item]) -> tuple[Sequence[Item], Sequence[Failure]]:
        """Those that would go, and why the others would stay."""
        ...

    def prune(self, chosen: Sequence[Item], archive: Path | None) -> Pruned:
        """Remove some, archived first if that is wanted."""
        ...

    def archive(self, chosen: Sequence[Item], folder: Path) -> Pruned:
        """Write an archive of some, which stay."""
        ...

    def restore(self, file: Path, dry_run: bool) -> tuple[list[str], list[Failure]]:
        """Put those of an archive back."""
        ...


class Folder:
    """A folder of classic results.

    Args:
        root: of it.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def items(self) -> list[Item]:
        """See :class:`Root`; so are the others."""
        return found.items_of(self._root)

    def ready(self, chosen: Sequence[Item]) -> tuple[Sequence[Item], Sequence[Failure]]:
        """See there."""
        return tidy.ready(self._root, chosen)

    def prune(self, chosen: Sequence[Item], archive: Path | None) -> Pruned:
        """See there."""
        return tidy.prune(self._root, chosen, archive)

    def archive(self, chosen: Sequence[Item], folder: Path) -> Pruned:
        """See there."""
        return tidy.archive_items(self._root, chosen, folder)

    def restore(self, file: Path, dry_run: bool) -> tuple[list[str], list[Failure]]:
        """See there."""
        return tidy.restore(file, self._root, dry_run=dry_run)


class Service:
    """What a service keeps.

    Args:
        store: of it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def items(self) -> list[Item]:
        """See :class:`Root`; so are the others."""
        from emotrace.store.archives import items_of

        return list(items_of(self._store))

    def ready(self, chosen: Sequence[Item]) -> tuple[Sequence[Item], Sequence[Failure]]:
        """See there; nothing of a service stays."""
        return chosen, ()

    def prune(self, chosen: Sequence[Item], archive: Path | None) -> Pruned:
        """See there."""
        from emotrace.store.archives import prune

        return prune(self._store, chosen, archive, actor=ACTOR)

    def archive(self, chosen: Sequence[Item], folder: Path) -> Pruned:
        """See there."""
        from emotrace.store.archives import archive

        return archive(self._store, chosen, folder)

    def restore(self, file: Path, dry_run: bool) -> tuple[list[str], list[Failure]]:
        """See there."""
        from emotrace.store.archives import restore

        return restore(self._store, file, actor=ACTOR, dry_run=dry_run)


@contextmanager
def opened(root: Path, service: bool, data: ServiceData, missing: bool = False) -> Iterator[Root]:
    """The place that is meant: the service's, also if the root is its data folder.

    Args:
        root: of results.
        service: the service's is meant, as its settings say.
        data: where they and its data are.
        missing: the root need not be there.

    Raises:
        OptionError: a setting is given for a folder, or the root holds a part of a service only.
        InputError: the root is not there.
    """
    if not service and data == ServiceData():
        if (root / "emotrace.db").is_file():
            data = ServiceData(data_dir=root)
        elif (root / "recognitions").is_dir():
            raise OptionError(
                f"{str(root)!r} is the data of a service with PostgreSQL; use --service --config FILE"
            )
        else:
            if not missing and not root.is_dir():
                raise InputError(
                    f"there is no folder {str(root)!r}; name the one with results, or use --service"
                )
            yield Folder(root)
            return
    with data.opened() as store:
        yield Service(store)
