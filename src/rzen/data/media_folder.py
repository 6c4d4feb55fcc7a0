"""The folder that the paths of a data set are relative to, and stay in."""

from functools import lru_cache
from pathlib import Path, PurePosixPath

from rzen.errors import DataError


def inside(root: Path, name: str) -> Path:
    """The path of a name that a row gives; nothing on the disk is looked at.

    >>> inside(Path("/data"), "a/b.png").as_posix(), inside(Path("/data"), "/data/b.png").as_posix()
    ('/data/a/b.png', '/data/b.png')

    Raises:
        DataError: if it leads out of the folder.
    """
    if ".." not in name and "\0" not in name and not name.startswith("/"):
        return root / name  # as nearly all of millions of names
    path = PurePosixPath(name)
    if ".." in path.parts or "\0" in name or (path.is_absolute() and not _is_beneath(path, root)):
        raise DataError(f"{name!r:.80} leads out of {root}: the set is damaged or forged")
    return root / path


def inside_with_links(root: Path, name: str) -> Path:
    """The same, where a symbolic link must not lead out either.

    Raises:
        DataError: if it leads out of the folder.
    """
    path = inside(root, name)
    if path.is_symlink():
        stays = _resolved(path).is_relative_to(_resolved(root))
    else:
        stays = _resolved(path.parent).is_relative_to(_resolved(root))
    if not stays:
        raise DataError(f"{name!r:.80} leads out of {root}: the set is damaged or forged")
    return path


def _is_beneath(path: PurePosixPath, root: Path) -> bool:
    return path.is_relative_to(root.absolute())


@lru_cache(maxsize=1024)
def _resolved(path: Path) -> Path:
    return path.resolve()
