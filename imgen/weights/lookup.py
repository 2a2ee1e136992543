"""Look-up of weights by name, inside the configured folders only."""

from collections.abc import Collection
from pathlib import Path

from imgen.domain.errors import ModelError


def find(name: str, folders: tuple[Path, ...]) -> Path | None:
    """Finds a file or folder by name in the first folder that has it; None if none does.

    An absolute name is taken as it is: only the operator's configuration can hold one.

    Raises:
        ModelError: the name climbs out of the folders, by `..` or by a symbolic link.
    """
    if not name or "\0" in name:
        raise ModelError(f"{name!r} names no file")
    path = Path(name)
    if path.is_absolute():
        return path if path.exists() else None
    if ".." in path.parts:
        raise ModelError(f"{name!r} leaves the folders for models")
    for folder in folders:
        candidate = folder / path
        if candidate.exists():
            if not candidate.resolve().is_relative_to(folder.resolve()):
                raise ModelError(
                    f"{name!r} is a link that leaves the folders for models; write its absolute path instead"
                )
            return candidate
    return None


def in_order(name: str, folders: tuple[Path, ...], shipped: Collection[str]) -> tuple[Path, ...]:
    """Returns the folders in the order in which a name is looked up.

    The data folder comes first, but for a shipped name: there the weights that ship with this version do (see shipped.py).
    """
    return folders[::-1] if name in shipped else folders
