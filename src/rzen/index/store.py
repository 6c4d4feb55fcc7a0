"""The vector store of an index, from derived files where they fit, else made anew.

Which kind of store it is changes how long a search takes and how much memory, never (but for the
approximate and the binary one) what it finds.
"""

import logging

import numpy as np
from numpy.typing import NDArray

from rzen.config import SearchSettings
from rzen.index import compact, derived
from rzen.index.ann import AnnStore
from rzen.index.binary import BinaryStore
from rzen.index.catalog import Catalog, Columns
from rzen.index.compact import Codes, CompactStore
from rzen.index.exact import ExactStore
from rzen.index.quantization import binarise
from rzen.protocols import VectorStore
from rzen.types import Vectors

_log = logging.getLogger(__name__)

_ANY_STATE = "any"


def open_store(catalog: Catalog, settings: SearchSettings) -> VectorStore:
    """The store whose row n is the record ``catalog.columns().rowid_N[n]``.

    It stays as it was made when the catalog changes: then open another one. To be sure that store
    and columns belong together although another process is writing, take both inside one
    ``catalog.snapshot()``.

    Raises:
        CatalogError: if a vector in the catalog is damaged.
        MissingExtraError: if an approximate index is due, or the compact store is asked for by
            name, and its library is missing.
    """
    vectors_ND, state = _matrix(catalog)
    if settings.store == "exact":
        return ExactStore(vectors_ND)
    if settings.store == "compact":
        return _compact_store(catalog, vectors_ND, state)
    if settings.store == "binary":
        return _binary_store(catalog, vectors_ND, state, settings.oversample)
    if len(vectors_ND) >= settings.ann_rows:
        return _ann_store(catalog, vectors_ND, state)
    return _exact_store(catalog, vectors_ND, state)


def _matrix(catalog: Catalog) -> tuple[Vectors, str]:
    """The matrix, and which state of the catalog it belongs to."""
    file = catalog.folder / derived.FOLDER / "matrix.bin"
    with catalog.snapshot():
        state = catalog.state
        found = derived.load(file, state)
        if found is not None:
            arrays = found.arrays
            columns = Columns(arrays["rowid"], arrays["modality"], arrays["content"])
            catalog.adopt(state, columns)
            return arrays["vectors"], state
        columns, vectors_ND = catalog.columns(), catalog.vectors()
    arrays = {
        "rowid": columns.rowid_N,
        "modality": columns.modality_N,
        "content": columns.content_N,
        "vectors": vectors_ND,
    }
    derived.save(file, state, arrays)
    return vectors_ND, state


def _exact_store(catalog: Catalog, vectors_ND: Vectors, state: str) -> ExactStore:
    if not compact.is_available():
        return ExactStore(vectors_ND)
    return _compact_store(catalog, vectors_ND, state)


def _compact_store(catalog: Catalog, vectors_ND: Vectors, state: str) -> CompactStore:
    file = catalog.folder / derived.FOLDER / "compact.bin"
    found = derived.load(file, state)
    if found is not None:
        arrays = found.arrays
        codes = Codes(arrays["codes"], arrays["scales"], arrays["errors"])
    else:
        codes = compact.quantise(vectors_ND)
        arrays = {"codes": codes.code_ND, "scales": codes.scale_N, "errors": codes.error_N}
        derived.save(file, state, arrays)
    return CompactStore(vectors_ND, codes)


def _binary_store(
    catalog: Catalog, vectors_ND: Vectors, state: str, oversample: int
) -> BinaryStore:
    file = catalog.folder / derived.FOLDER / "binary.bin"
    found = derived.load(file, state)
    if found is not None:
        code_NW = found.arrays["codes"]
    else:
        code_NW = binarise(vectors_ND)
        derived.save(file, state, {"codes": code_NW})
    return BinaryStore(vectors_ND, code_NW, oversample=oversample)


def _ann_store(catalog: Catalog, vectors_ND: Vectors, state: str) -> VectorStore:
    # Made again only when many rows have changed, for that takes minutes; so any state will do.
    file = catalog.folder / derived.FOLDER / "ann.bin"
    rowid_N = catalog.columns().rowid_N
    found = derived.load(file, _ANY_STATE)
    store = None
    if found is not None:
        row_A = _rows_now(rowid_N, found.arrays["rowid"])
        store = AnnStore.loaded(vectors_ND, found.arrays["index"], found.about, row_A)
    if store is None or store.is_outdated:
        _log.info("making the approximate index of %s", catalog.folder)
        store = AnnStore(vectors_ND)
        # Also where it is of no use, so that this is found out only once.
        arrays: derived.Arrays = {"rowid": rowid_N, "index": store.serialised()}
        derived.save(file, _ANY_STATE, arrays, store.about)
    if store.is_worthwhile:
        return store
    _log.warning(
        "an approximate index of %s would find %.3f of the best rows in %d cells: scanning all",
        catalog.folder,
        store.recall,
        store.probes,
    )
    return _exact_store(catalog, vectors_ND, state)


def _rows_now(rowid_N: NDArray[np.int64], rowid_A: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where row numbers are now, -1 for those that are gone.

    >>> _rows_now(np.array([3, 5, 9]), np.array([1, 3, 9, 11]))
    array([-1,  0,  2, -1])
    """
    place_A = np.minimum(np.searchsorted(rowid_N, rowid_A), len(rowid_N) - 1)
    return np.where(rowid_N[place_A] == rowid_A, place_A, -1)
