"""Which models are installed, and which is the best.

Installed models live in ``models/`` under :func:`home`; the compact model lies in the package itself.
"""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from emotrace.errors import ModelError, ModelNotFoundError
from emotrace.models.package import CARD_FILE, ModelPackage

BUILTIN = "compact"
PREFERENCE = ("emotion2vec_plus_large", "emotion2vec_plus_base", "emotion2vec_plus_seed", BUILTIN)
"""Names from best to last, as far as their rank is known; others come just before ``compact``, by name."""


def home() -> Path:
    """Folder of everything that emotrace keeps: ``EMOTRACE_HOME``, else the platform's data folder.

    >>> home().is_absolute() or "EMOTRACE_HOME" in os.environ
    True
    """
    given = os.environ.get("EMOTRACE_HOME")
    return (
        Path(given).expanduser() if given else Path(platformdirs.user_data_dir("emotrace", appauthor=False))
    )


def builtin_folder() -> Path:
    """Folder of the compact model."""
    return Path(__file__).parent / "builtin" / BUILTIN


def installed() -> dict[str, Path]:
    """Folder of each installed model by name, best first.

    Raises:
        ModelError: the folder of the installed models may not be read.

    >>> installed()["compact"].name
    'compact'
    """
    found = {BUILTIN: builtin_folder()}
    folder = home() / "models"
    try:
        if folder.is_dir():
            found |= {p.name: p for p in sorted(folder.iterdir()) if (p / CARD_FILE).is_file()}
    except OSError as error:
        raise ModelError(
            f"the models in {str(folder)!r} cannot be listed ({error.strerror}); check its permissions, or "
            "set EMOTRACE_HOME to another folder"
        ) from error

    def rank(name: str) -> float:
        return PREFERENCE.index(name) if name in PREFERENCE else len(PREFERENCE) - 1.5

    return dict(sorted(found.items(), key=lambda item: (rank(item[0]), item[0])))


def find(name: str = "auto") -> ModelPackage:
    """The model of a name, or of a package folder, or the best one.

    Args:
        name: a name from :func:`installed`, a path of a package folder, or ``"auto"``.

    Raises:
        ModelNotFoundError: nothing of this name is installed.
        ModelError: its package is broken.

    >>> find("compact").card.name
    'compact'
    """
    models = installed()
    if name == "auto":
        name = next(iter(models))
    if name in models:
        return _installed_package(name, models[name])
    if name and os.path.isdir(name):  # noqa: PTH112 (Path.is_dir raises for names that are too long)
        return ModelPackage(Path(name))
    raise ModelNotFoundError(
        f"model {name!r} is not installed; installed are: {', '.join(models)} (see `emotrace models list`)"
    )


def _installed_package(name: str, folder: Path) -> ModelPackage:
    package = ModelPackage(folder)
    if package.card.name != name:
        raise ModelError(
            f"{str(folder)!r} holds the model {package.card.name!r}; expected the folder to have its name: "
            "rename it"
        )
    return package
