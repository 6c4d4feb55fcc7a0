"""A folder that appears whole or not at all: written aside, renamed into place."""

import errno
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rzen.errors import EncoderError

_FULL = (errno.ENOSPC, errno.EDQUOT)


def check_new(target: Path) -> None:
    """Sees to it that nothing of anybody's would be replaced.

    Args:
        target: the folder to be; it may be there if it is empty.

    Raises:
        EncoderError: if something is there.
    """
    if target.is_dir() and not target.is_symlink() and not any(target.iterdir()):
        return
    if target.exists() or target.is_symlink():
        raise EncoderError(
            f"{target} is there already, and not an empty folder: it is left alone; name another "
            "one, or move it away"
        )


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder beside the target that takes its place if all goes well, else vanishes.

    Args:
        target: the folder to be.

    Raises:
        EncoderError: if something is there, or the disk is full.
    """
    place = None
    try:
        target = target.absolute()
        target.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
        folder = place / "model"  # made with the usual rights; its parent is private
        folder.mkdir()
        yield folder
        check_new(target)
        if target.is_dir():
            target.rmdir()
        folder.rename(target)
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise EncoderError(
            f"{target}: the disk is full ({error.strerror}): nothing was left there; make room, or "
            "name a folder on another disk"
        ) from error
    finally:
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)
