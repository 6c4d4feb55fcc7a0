"""Walks folders and compares what lies there with what the index knows."""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rzen.errors import UsageError
from rzen.index.catalog import FileRow
from rzen.index.schema import FILE_NAME


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A regular file on disk.

    Attributes:
        path: absolute; links on the way to the root are resolved.
        size: bytes.
        mtime_ns: time of the last change, nanoseconds.
    """

    path: str
    size: int
    mtime_ns: int


@dataclass(slots=True, kw_only=True)
class Plan:
    """What there is to do.

    Attributes:
        read: new or changed files.
        unchanged: how many files are as the index knows them.
        known_failures: unchanged files that failed before: path -> reason.
        gone: paths in the index that are no more on disk.
        skipped: what was passed over on purpose: path -> reason.
        unreadable: what could not be looked at: path -> reason.
    """

    read: list[Found] = field(default_factory=list)
    unchanged: int = 0
    known_failures: dict[str, str] = field(default_factory=dict)
    gone: list[str] = field(default_factory=list)
    skipped: dict[str, str] = field(default_factory=dict)
    unreadable: dict[str, str] = field(default_factory=dict)


def indexed_path(path: str | Path) -> Path:
    """The one absolute path that a file or folder has in an index.

    Links on the way are resolved, so that a file has one path however it is reached; a link that
    is named itself stays what it is.

    Raises:
        UsageError: if it cannot be a path: no such user, a loop of links, a name too long.
    """
    try:
        absolute = Path(path).expanduser().absolute()
        if absolute.name in ("", ".."):
            return absolute.resolve(strict=True)
        return absolute.parent.resolve() / absolute.name
    except (OSError, RuntimeError) as error:
        raise UsageError(f"{path} cannot be used as a path: {error}") from None


def indexed_roots(paths: Iterable[str | Path]) -> list[Path]:
    """The paths of files and folders to index.

    Raises:
        UsageError: if one does not exist, cannot be looked at, or is an index itself.
    """
    roots = [indexed_path(path) for path in paths]
    for root in roots:
        try:
            root.stat()
        except FileNotFoundError:
            raise UsageError(
                f"{root} does not exist. To take files out of the index that are no more on disk, "
                f"use `rzen remove {root}`"
            ) from None
        except OSError as error:
            raise UsageError(f"{root} {_reason(error)}") from None
        if (root / FILE_NAME).exists():
            raise UsageError(f"{root} is an index of rzen: name the folder that your files are in")
    return roots


def discover(
    roots: Iterable[Path],
    known: Mapping[str, FileRow],
    *,
    hidden: bool = False,
    follow_links: bool = False,
    retry_failed: bool = False,
) -> Plan:
    """Compares the files under ``roots`` with those that are known.

    A file is unchanged when its size and time of change are; whoever reads it compares its hash.
    Files under a folder that could not be listed, or that is empty all at once as the place of a
    disk that is not there is, are not taken for gone; nor is what is on disk and was passed over.

    Args:
        roots: folders and single files, as :func:`indexed_roots` gives them.
        known: path -> row of the catalog, for everything under the roots.
        hidden: also what begins with a dot.
        follow_links: also what symbolic links point to; each folder is visited once.
        retry_failed: read files again that failed before, though they are unchanged.
    """
    plan = Plan()
    seen: set[str] = set()
    for root in roots:
        walk = _Walk(plan, hidden=hidden, follow_links=follow_links)
        for found in walk.files(root):
            if found.path not in seen:
                seen.add(found.path)
                _compare(found, known.get(found.path), plan, retry_failed=retry_failed)
    missing = [path for path in known if path not in seen]
    for root in roots:
        if _is_empty(root) and any(_is_under(path, {str(root): ""}) for path in missing):
            plan.unreadable[str(root)] = (
                "the folder is empty, so what is indexed of it was kept: is its disk there? "
                f"`rzen remove {root}` takes it out of the index"
            )
    plan.gone = sorted(
        path
        for path in missing
        if not _is_under(path, plan.unreadable) and not os.path.isfile(path)  # noqa: PTH113
    )
    return plan


def _compare(found: Found, row: FileRow | None, plan: Plan, *, retry_failed: bool) -> None:
    if row is None or (row.size, row.mtime_ns) != (found.size, found.mtime_ns):
        plan.read.append(found)
    elif not row.reason:
        plan.unchanged += 1
    elif retry_failed:
        plan.read.append(found)
    else:
        plan.known_failures[found.path] = row.reason


def _is_under(path: str, folders: Mapping[str, str]) -> bool:
    return any(path == folder or path.startswith(folder + os.sep) for folder in folders)


class _Walk:
    """One walk over a tree; what it passes over goes into the plan by name."""

    def __init__(self, plan: Plan, *, hidden: bool, follow_links: bool) -> None:
        self.plan = plan
        self.hidden = hidden
        self.follow_links = follow_links
        self.visited: set[tuple[int, int]] = set()

    def files(self, root: Path) -> Iterator[Found]:
        # A root is what the user named: a link or a hidden name is meant.
        info = root.stat()
        if stat.S_ISDIR(info.st_mode):
            yield from self._folder(str(root), info)
        elif stat.S_ISREG(info.st_mode):
            yield _found(str(root), info)
        else:
            self.plan.skipped[str(root)] = "neither a file nor a folder"

    def _folder(self, folder: str, info: os.stat_result) -> Iterator[Found]:
        pending = [(folder, info)]
        while pending:
            folder, info = pending.pop()
            if (info.st_dev, info.st_ino) in self.visited:
                self.plan.skipped[folder] = "visited already (a loop of links)"
                continue
            self.visited.add((info.st_dev, info.st_ino))
            try:
                with os.scandir(folder) as listing:
                    entries = sorted(listing, key=lambda entry: entry.name)
            except OSError as error:
                self.plan.unreadable[folder] = _reason(error)
                continue
            if any(entry.name == FILE_NAME for entry in entries):
                self.plan.skipped[folder] = "an index of rzen"
                continue
            for entry in entries:
                yield from self._entry(entry, pending)

    def _entry(
        self, entry: "os.DirEntry[str]", pending: list[tuple[str, os.stat_result]]
    ) -> Iterator[Found]:
        if entry.name.startswith(".") and not self.hidden:
            return
        try:
            if entry.is_symlink() and not self.follow_links:
                self.plan.skipped[entry.path] = "a symbolic link (--follow-links reads it)"
                return
            info = entry.stat()
        except OSError as error:
            self.plan.unreadable[entry.path] = _reason(error)
            return
        if stat.S_ISDIR(info.st_mode):
            pending.append((entry.path, info))
        elif stat.S_ISREG(info.st_mode):
            yield _found(entry.path, info)
        else:
            self.plan.skipped[entry.path] = "not a regular file"


def _is_empty(root: Path) -> bool:
    try:
        return root.is_dir() and not any(root.iterdir())
    except OSError:
        return False


def _found(path: str, info: os.stat_result) -> Found:
    # Some file systems hold times that SQLite's integers do not.
    return Found(path=path, size=info.st_size, mtime_ns=min(info.st_mtime_ns, 2**63 - 1))


def _reason(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"
