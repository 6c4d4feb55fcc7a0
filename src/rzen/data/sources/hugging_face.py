"""A data set of the `datasets` library: a folder it saved, a folder of files, or one of the Hub."""

import glob
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rzen.data.sources.bad_row import BadRowError
from rzen.data.sources.table import Progress, Row
from rzen.errors import DataError, MissingExtraError

_SAVED = ("state.json", "dataset_dict.json")
_COMMIT = re.compile(r"@([0-9a-f]{40})/")
_BATCH = 256


def is_saved(folder: Path) -> bool:
    """Whether a folder is what ``save_to_disk`` writes."""
    return any((folder / name).is_file() for name in _SAVED)


def is_downloaded(dataset: str, config: str = "") -> bool:
    """Whether the library's cache on this machine holds a data set of the Hub; asks nobody.

    Raises:
        MissingExtraError: if the library is not installed.
    """
    try:
        from datasets import config as library  # noqa: PLC0415
        from datasets.naming import camelcase_to_snakecase  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("datasets", "train") from None
    *owner, name = dataset.split("/")
    folder = Path(library.HF_DATASETS_CACHE) / "___".join([*owner, camelcase_to_snakecase(name)])
    # A configuration, a version, a hash of the files: only what was built whole has all three.
    return any(path.is_dir() for path in folder.glob(f"{glob.escape(config)}*/*/*"))


class HuggingFace:
    """See :class:`rzen.data.sources.table.Table`.

    Rows are taken as Arrow holds them, so that the library decodes no picture and no video: their
    bytes and paths go through rzen's own bounded decoders.

    Args:
        place: a folder, or the name of a data set on the Hub.
        config: which of its configurations; empty where it has one.
        split: which split; empty takes the only one, or ``train``.
        revision: a commit, branch or tag on the Hub; empty takes the newest.

    Raises:
        DataError: if it cannot be loaded.
        MissingExtraError: if the library is not installed.
    """

    def __init__(
        self, place: Path | str, *, config: str = "", split: str = "", revision: str = ""
    ) -> None:
        self.folder: Path | None = place if isinstance(place, Path) else None
        self.label = " ".join(filter(None, [str(place), config, split]))
        self.layout: Mapping[str, NDArray[np.int64]] = {}
        data = _chosen(_load(place, config, split, revision), split, self.label)
        self.licence = str(data.info.license or "")
        self._fingerprint = str(data._fingerprint)
        self.revision = revision or _commit(data) or self._fingerprint
        self._data = data
        self._narrow: tuple[tuple[str, ...], Any] | None = None

    def identity(self) -> Mapping[str, Any]:
        """The library's own fingerprint of the rows."""
        return {"label": self.label, "fingerprint": self._fingerprint, "rows": len(self._data)}

    def columns(self) -> Sequence[str]:
        """The names in it."""
        return tuple(self._data.column_names)

    def scan(self, wanted: Sequence[str], on_progress: Progress) -> Iterator[Row | BadRowError]:
        """All rows in order."""
        data, total = self._narrowed(wanted), len(self._data)
        for start in range(0, total, _BATCH):
            stop = min(start + _BATCH, total)
            yield from data[start:stop].to_pylist()
            on_progress(stop, total)

    def row(self, number: int, wanted: Sequence[str]) -> Row:
        """A row, out of the memory-mapped file."""
        (found,) = self._narrowed(wanted)[number : number + 1].to_pylist()
        return dict(found)

    def where(self, number: int) -> str:
        """Data set and row."""
        return f"{self.label}, row {number + 1}"

    def _narrowed(self, wanted: Sequence[str]) -> Any:
        if self._narrow is None or self._narrow[0] != tuple(wanted):
            names = [name for name in self._data.column_names if name in set(wanted)]
            self._narrow = tuple(wanted), self._data.with_format("arrow", columns=names)
        return self._narrow[1]


def _load(place: Path | str, config: str, split: str, revision: str) -> Any:
    try:
        import datasets  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError("datasets", "train") from None
    try:
        if isinstance(place, Path) and is_saved(place):
            return datasets.load_from_disk(str(place))
        return datasets.load_dataset(
            str(place), config or None, split=split or None, revision=revision or None
        )
    except Exception as error:  # noqa: BLE001 - the library raises what its many backends raise
        reason = str(error).strip() or type(error).__name__
        raise DataError(
            f"cannot load the data set {place}: {reason}: check its name, config, split and "
            "revision, and whether it was downloaded"
        ) from None


def _chosen(found: Any, split: str, label: str) -> Any:
    """One split, where a data set has several."""
    if not isinstance(found, Mapping):
        return found
    name = split or ("train" if "train" in found else next(iter(found)) if len(found) == 1 else "")
    if name not in found:
        raise DataError(f"{label}: choose one of its splits: {', '.join(map(str, found))}")
    return found[name]


def _commit(data: Any) -> str:
    """The commit that the files were downloaded at, as far as the library says."""
    for address in data.info.download_checksums or {}:
        if match := _COMMIT.search(address):
            return match[1]
    return ""
