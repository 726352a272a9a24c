"""Which models are installed, and which is the best.

Installed models live in ``models/`` under :func:`home`; the compact model lies in the package itself.
"""

from __future__ import annotations

import os
import secrets
import shutil
from pathlib import Path

import platformdirs

from emotrace.errors import ModelError, ModelNotFoundError
from emotrace.models.catalogue import CATALOGUE
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
            shown = (p for p in sorted(folder.iterdir()) if not p.name.startswith("."))
            found |= {p.name: p for p in shown if (p / CARD_FILE).is_file()}
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
        name: a name from :func:`installed`, a path of a package folder, or ``"auto"``, the best that names
            emotions.

    Raises:
        ModelNotFoundError: nothing of this name is installed.
        ModelError: its package is broken.

    >>> find("compact").card.name
    'compact'
    """
    models = installed()
    if name == "auto":
        packages = (_installed_package(each, folder) for each, folder in models.items())
        return next(package for package in packages if package.card.has_head)
    if name in models:
        return _installed_package(name, models[name])
    if name and os.path.isdir(name):  # noqa: PTH112 (Path.is_dir raises for names that are too long)
        return ModelPackage(Path(name))
    raise _unknown(name)


def _installed_package(name: str, folder: Path) -> ModelPackage:
    package = ModelPackage(folder)
    if package.card.name != name:
        raise ModelError(
            f"{str(folder)!r} holds the model {package.card.name!r}; expected the folder to have its name: "
            "rename it"
        )
    return package


def removable(name: str) -> Path:
    """The folder of an installed model that can be removed; its package may be damaged.

    Raises:
        ModelNotFoundError: nothing of this name is installed.
        ModelError: it is the built-in model.
    """
    folder = home() / "models" / name
    odd = name in ("", ".", "..") or name.startswith(".") or len(name) > 255 or set(name) & set("/\\:\0")
    if odd or not os.path.lexists(folder):
        if name == BUILTIN:
            raise ModelError(f"model {name!r} is a part of emotrace and cannot be removed on its own")
        raise _unknown(name)
    return folder


def remove(name: str) -> Path:
    """Remove an installed model.

    Its folder is renamed first, so that nobody ever finds a part of it. Of a link only the link is removed.

    Args:
        name: of the model; its package may be damaged.

    Returns:
        The folder that it was in.

    Raises:
        ModelNotFoundError: nothing of this name is installed.
        ModelError: it is the built-in model, or may not be removed.
    """
    folder = removable(name)
    try:
        if folder.is_symlink() or not folder.is_dir():
            folder.unlink()
        else:
            folder.rename(folder.with_name(f".removed-{secrets.token_hex(4)}"))
        for left in folder.parent.glob(".removed-*"):  # this one, and any of a removal that was stopped
            shutil.rmtree(left)
    except OSError as error:
        raise ModelError(
            f"model {name!r} in {str(folder)!r} cannot be removed ({error.strerror}); check its permissions"
        ) from error
    return folder


def _unknown(name: str) -> ModelNotFoundError:
    there = ", ".join(installed())
    way = f"emotrace models pull {name}" if name in CATALOGUE else "emotrace models list"
    return ModelNotFoundError(f"model {name!r} is not installed; installed are: {there} (see `{way}`)")
