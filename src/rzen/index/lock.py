"""One writer per index.

The lock is the operating system's on ``writer.lock`` and ends with its process, however that
ends; ``writer.json`` beside it only tells others who holds it, so a stale one blocks nobody.
"""

import getpass
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from rzen.errors import CatalogError

_POLL_SECONDS = 0.05


class Holder(NamedTuple):
    """Who writes to an index.

    Attributes:
        pid: the process.
        host: its machine.
        user: who started it.
        command: its command line, cut.
        since: unix seconds.
    """

    pid: int
    host: str
    user: str
    command: str
    since: float

    def __str__(self) -> str:
        since = datetime.fromtimestamp(self.since).astimezone().strftime("%Y-%m-%d %H:%M:%S")
        return f"process {self.pid} of {self.user} on {self.host} (`{self.command}`, since {since})"


class WriterLock:
    """Holds an index for writing, from construction until :meth:`release`.

    Args:
        folder: the index; it exists.
        timeout: seconds to wait for another writer; 0 means not at all.
        on_wait: called once with the holder (``None`` if unknown) when there is a wait.

    Raises:
        CatalogError: if another writer holds it still when the time is over, or the folder cannot
            be written.
    """

    def __init__(
        self,
        folder: Path,
        *,
        timeout: float = 0.0,
        on_wait: Callable[[Holder | None], None] | None = None,
    ) -> None:
        self._info = folder / "writer.json"
        # Not bound to a thread: whoever closes the catalog releases the lock.
        self._lock = FileLock(folder / "writer.lock", thread_local=False)
        try:
            self._acquire(timeout, on_wait)
        except OSError as error:
            raise CatalogError(
                f"cannot write to the index {folder}: {error.strerror or error}: "
                "check its permissions and the free space"
            ) from None

    def _acquire(self, timeout: float, on_wait: Callable[[Holder | None], None] | None) -> None:
        deadline = time.monotonic() + timeout
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            if on_wait is not None and timeout > 0:
                on_wait(self.holder())
            try:
                left = max(0.0, deadline - time.monotonic())
                self._lock.acquire(timeout=left, poll_interval=_POLL_SECONDS)
            except Timeout:
                raise self._held() from None
        try:
            # On its own, not in place of what is there: a reader must never find half of it.
            aside = self._info.with_suffix(".new")
            aside.write_text(json.dumps(_this_process()), encoding="utf-8")
            aside.replace(self._info)
        except BaseException:
            self._lock.release()
            raise

    def holder(self) -> Holder | None:
        """Who holds the lock, as far as the side file tells."""
        try:
            return Holder(*json.loads(self._info.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def release(self) -> None:
        """Lets the next writer in; does nothing when released already."""
        if self._lock.is_locked:
            try:
                self._info.unlink(missing_ok=True)
            finally:
                self._lock.release()

    def _held(self) -> CatalogError:
        who = self.holder() or "another process"
        return CatalogError(
            f"the index {self._info.parent} is being written by {who}: wait until it is done, or "
            "end it; searching works meanwhile"
        )


def _this_process() -> Holder:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):  # no such user, as in some containers
        user = "unknown"
    command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200]
    return Holder(os.getpid(), socket.gethostname(), user, command, time.time())
