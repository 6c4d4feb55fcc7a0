"""Which records a search may find, and the same as SQL."""

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from rzen.errors import UsageError
from rzen.types import MODALITIES, Metadata, MetadataValue, Modality


@dataclass(frozen=True, slots=True)
class Range:
    """Metadata values from ``least`` to ``most``, both included; ``None`` leaves an end open."""

    least: str | int | float | None = None
    most: str | int | float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which records may be found. All conditions hold together.

    Attributes:
        modalities: of these kinds.
        glob: in files whose path matches; see :func:`path_pattern`.
        after: from this moment on, unix seconds: when it was taken (metadata ``taken``, in unix
            seconds or ISO 8601), else when its file was last changed.
        before: earlier than this moment, unix seconds.
        metadata: name -> the value it has (``None``: has none), or a :class:`Range` it lies in. A
            number equals the text that is written like it: 1984 is "1984".
    """

    modalities: frozenset[Modality] = frozenset(MODALITIES)
    glob: str | None = None
    after: float | None = None
    before: float | None = None
    metadata: Mapping[str, MetadataValue | Range] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether every record passes."""
        return self.condition() == ("1", [])

    def condition(self) -> tuple[str, list[object]]:
        """SQL over ``records AS r`` and the values for its question marks.

        Raises:
            UsageError: if a pattern or a metadata name or value cannot be searched for.
        """
        clauses: list[str] = []
        values: list[object] = []
        if self.modalities != frozenset(MODALITIES):
            numbers = sorted(MODALITIES.index(modality) for modality in self.modalities)
            clauses.append(f"r.modality IN ({', '.join(map(str, numbers))})")
        self._add_files(clauses, values)
        for name, wanted in self.metadata.items():
            _add_metadata(name, wanted, clauses, values)
        return " AND ".join(clauses) or "1", values

    def _add_files(self, clauses: list[str], values: list[object]) -> None:
        """One and the same file must match pattern and dates."""
        inner: list[str] = []
        if self.glob is not None:
            path_pattern(self.glob)
            # The inner SELECT tries the pattern once a file, not once a page of it; the plus keeps
            # SQLite from walking through its result for each record.
            inner.append("+f.id IN (SELECT id FROM files WHERE path_matches(path, ?))")
            values.append(self.glob)
        for sign, moment in ((">=", self.after), ("<", self.before)):
            if moment is not None:
                inner.append(f"coalesce(r.taken, f.mtime_ns * 1e-9) {sign} ?")
                values.append(moment)
        if inner:
            where = " AND ".join(["f.content = r.content", *inner])
            clauses.append(f"EXISTS (SELECT 1 FROM files AS f WHERE {where})")  # noqa: S608


def _add_metadata(
    name: str, wanted: MetadataValue | Range, clauses: list[str], values: list[object]
) -> None:
    if not name.isprintable() or '"' in name or "\\" in name:
        raise UsageError(
            f"cannot filter by the metadata name {name!r}: it has a quote, a backslash or a "
            "character that cannot be printed"
        )
    key = f'$."{name}"'
    asked = (wanted.least, wanted.most) if isinstance(wanted, Range) else (wanted,)
    for value in asked:
        if isinstance(value, int) and not _fits(value):
            raise UsageError(f"cannot filter by {name}: {value} is too large a number")
    if not isinstance(wanted, Range):
        equals = _equals(wanted)
        clauses.append(f"({' OR '.join(['json_extract(r.metadata, ?) IS ?'] * len(equals))})")
        values += [each for value in equals for each in (key, value)]
        return
    for sign, bound in ((">=", wanted.least), ("<=", wanted.most)):
        if bound is not None:
            # SQLite orders every text after every number.
            kind = "('text')" if isinstance(bound, str) else "('integer', 'real')"
            clauses.append(f"json_extract(r.metadata, ?) {sign} ?")
            clauses.append(f"json_type(r.metadata, ?) IN {kind}")
            values += [key, bound, key]


def _equals(value: MetadataValue) -> list[MetadataValue]:
    """A value, and the number or text that is written like it: whoever asks knows not which."""
    if value is None or isinstance(value, bool):
        return [value]
    if not isinstance(value, str):
        return [value, str(value)]
    for kind in (int, float):
        try:
            number = kind(value)
        except ValueError:
            continue
        if str(number) == value and math.isfinite(number) and _fits(number):
            return [value, number]
    return [value]


def _fits(number: float) -> bool:
    """Whether SQLite can compare it."""
    return isinstance(number, float) or -(2**63) <= number < 2**63


@lru_cache(maxsize=64)
def path_pattern(glob: str) -> re.Pattern[str]:
    """What a path pattern means; upper and lower case are the same.

    ``*`` and ``?`` stand for anything but ``/``; ``[abc]`` for one of these, ``[!abc]`` for none
    of these; ``**`` for any number of folders. A pattern that begins with ``/`` or ``~`` is matched
    from the root, any other against the end of a path, from any folder on. One that matches a
    folder matches all that is in it.

    >>> bool(path_pattern("*.pdf").match("/home/me/Invoice.PDF"))
    True
    >>> bool(path_pattern("photos/**/*.jpg").match("/home/me/photos/2024/may/boat.jpg"))
    True
    >>> bool(path_pattern("/home/me").match("/home/me/photos/boat.jpg"))
    True
    >>> bool(path_pattern("me/*.jpg").match("/home/me/photos/boat.jpg"))
    False

    Raises:
        UsageError: if the pattern is empty.
    """
    text = os.path.expanduser(glob.strip()) if glob.strip().startswith("~") else glob.strip()  # noqa: PTH111 - a pattern, not a path
    if os.sep != "/":
        text = text.replace(os.sep, "/")
    if not text.strip("/"):
        raise UsageError(f"the path pattern {glob!r} is empty: try '*.pdf' or 'photos/**'")
    is_absolute = text.startswith("/") or bool(Path(text).drive)
    start = "" if is_absolute else "(?:.*/)?"
    body = "".join(_translated(piece) for piece in _PIECES.findall(text.rstrip("/")))
    return re.compile(f"{start}{body}(?:/.*)?\\Z", re.IGNORECASE | re.DOTALL)


_PIECES = re.compile(r"\*\*/|\*\*|\*|\?|\[!?[^\]/][^\]/]*\]|.", re.DOTALL)
_WILDCARDS = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}


def _translated(piece: str) -> str:
    if piece in _WILDCARDS:
        return _WILDCARDS[piece]
    if len(piece) == 1:
        return re.escape(piece)
    is_negated = piece[1] == "!" and len(piece) > 3
    members = re.sub(r"([\\^\[&~|])", r"\\\1", piece[2 if is_negated else 1 : -1])
    try:
        re.compile(f"[{members}]")
    except re.error:  # such as [z-a]: no such range, so the brackets mean themselves
        return re.escape(piece)
    return f"[^/{members}]" if is_negated else f"[{members}]"


def path_matches(path: bytes, glob: str) -> bool:
    """The SQL function of that name."""
    text = os.fsdecode(path)
    return path_pattern(glob).match(text.replace(os.sep, "/")) is not None


def taken_seconds(metadata: Metadata) -> float | None:
    """When something was taken, in unix seconds; ``None`` where that is not known.

    A time without a zone is taken as UTC, as everywhere else: an index gives the same answer on
    every machine.

    >>> taken_seconds({"taken": "1970-01-02T00:00:00+00:00"}), taken_seconds({"taken": "?"})
    (86400.0, None)
    """
    value = metadata.get("taken")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return None
    # EXIF writes 2024:05:31 12:00:00.
    text = re.sub(r"^(\d{4}):(\d{2}):(\d{2})", r"\1-\2-\3", value.strip())
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
