"""A file as a query: by its stored vectors, or read anew."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rzen.config import Limits
from rzen.errors import UsageError
from rzen.index.catalog import Catalog
from rzen.media import text as text_files
from rzen.search.compose import unit_sum
from rzen.search.lists import records_by_rowid
from rzen.search.query import expanded, media_content, split_page
from rzen.types import Content, Text


class Stored(NamedTuple):
    """What an index holds of a file: the mean of its vectors, (D,), and their row ids."""

    vector: NDArray[np.float32]
    rowids: list[int]


def stored(catalog: Catalog, target: str | Path) -> Stored | None:
    """The stored vectors of a file, or of one page of it (``report.pdf#3``).

    Returns:
        ``None`` if the index has no vector of it.
    """
    path, page = split_page(target)
    # A name may be split wrongly once its file is gone: ask for the whole name first.
    names = [(expanded(target), None), (path, page)]
    for name, number in names:
        vectors = {
            rowid: record.vector
            for rowid, record in records_by_rowid(
                catalog, _find(catalog, name), vectors=True, previews=False
            ).items()
            if record.vector is not None and number in (None, record.span.page)
        }
        if vectors:
            return Stored(unit_sum(list(vectors.values())), list(vectors))
    return None


def read(target: str | Path) -> Content:
    """A file as a content: a picture, a video, a page of a PDF (the first) or a text.

    Raises:
        UsageError: if it does not exist.
        MediaError: if it is none of these.
    """
    path, page = split_page(target)
    if not path.is_file():
        raise UsageError(
            f"{path} is neither in the index nor on disk: check its name, or give the whole path"
        )
    return media_content(path, page) or Content(Text(text_files.read(path, limits=Limits()).text))


def _find(catalog: Catalog, path: Path) -> list[int]:
    absolute = path.absolute()
    # An index names a file by its folder's real path; a link that was indexed keeps its own name.
    for name in (absolute.parent.resolve() / absolute.name, absolute, absolute.resolve()):
        rowids = catalog.find_by_path(str(name))
        if rowids:
            return rowids
    return []
