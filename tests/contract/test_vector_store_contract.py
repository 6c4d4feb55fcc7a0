"""What every vector store promises, whichever it is."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from rzen.index import ann, compact
from rzen.index.ann import AnnStore
from rzen.index.binary import BinaryStore
from rzen.index.compact import CompactStore
from rzen.index.exact import ExactStore
from rzen.protocols import VectorStore
from rzen.types import Vectors

Make: TypeAlias = Callable[[Vectors], VectorStore]

STORES: dict[str, Make] = {
    "exact": ExactStore,
    "compact": CompactStore,
    "compact, three threads": lambda vectors_ND: CompactStore(vectors_ND, threads=3),
    "ann": AnnStore,
    "binary": BinaryStore,
}
APPROXIMATE = ("ann", "binary")
EXACT = [name for name in STORES if name not in APPROXIMATE]


def store_of(name: str, vectors_ND: Vectors) -> VectorStore:
    if name.startswith("compact") and not compact.is_available():
        pytest.skip("numkong is not installed")
    if name == "ann":
        pytest.importorskip("faiss")
    return STORES[name](vectors_ND)


def unit_rows(seed: int, shape: tuple[int, int]) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def brute_force(
    vectors_ND: Vectors, query_BD: Vectors, k: int, allowed_N: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """In float64, rounded, and sorted by score and row."""
    exact_BN = (query_BD[:, None, :].astype(np.float64) * vectors_ND[None]).sum(axis=2)
    score_BN = exact_BN.astype(np.float32)
    rows = np.flatnonzero(allowed_N)
    order_BK = np.stack([rows[np.lexsort((rows, -score_N[rows]))][:k] for score_N in score_BN])
    return np.take_along_axis(score_BN, order_BK, axis=1), order_BK


@pytest.mark.parametrize("name", EXACT)
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    count=st.integers(1, 700),
    dim=st.integers(1, 70),
    queries=st.integers(1, 6),
    k=st.integers(1, 40),
    share=st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0]),
    copies=st.booleans(),
)
def test_exact_search_is_brute_force(
    name: str, seed: int, count: int, dim: int, queries: int, k: int, share: float, copies: bool
) -> None:
    """Guards against any row lost to a bound that is too tight, and against ties in any order."""
    random = np.random.default_rng(seed)
    vectors_ND = unit_rows(seed, (count, dim))
    if copies:
        vectors_ND = vectors_ND[random.integers(0, max(1, count // 5), count)]
    query_BD = unit_rows(seed + 1, (queries, dim))
    query_BD[0] = vectors_ND[random.integers(count)]
    allowed_N = random.random(count) < share
    store = store_of(name, vectors_ND)
    score_BK, row_BK = store.search(query_BD, k, allowed_N=allowed_N)
    assert score_BK.shape == row_BK.shape == (queries, min(k, int(allowed_N.sum())))
    expected_score, expected_row = brute_force(vectors_ND, query_BD, k, allowed_N)
    np.testing.assert_array_equal(row_BK, expected_row)
    np.testing.assert_array_equal(score_BK, expected_score)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("k", [1, 10, 300])
def test_exact_search_of_many_rows(name: str, k: int) -> None:
    """Guards against faults at the seams of blocks, threads and groups."""
    vectors_ND = unit_rows(1, (70_001, 24))
    query_BD = np.concatenate([vectors_ND[[0, 70_000, 4096, 65_535]], unit_rows(2, (7, 24))])
    everything = np.ones(len(vectors_ND), np.bool_)
    score_BK, row_BK = store_of(name, vectors_ND).search(query_BD, k)
    for query in range(len(query_BD)):
        expected = brute_force(vectors_ND, query_BD[[query]], k, everything)
        np.testing.assert_array_equal(row_BK[[query]], expected[1])
        np.testing.assert_array_equal(score_BK[[query]], expected[0])


@pytest.mark.parametrize("name", EXACT)
def test_outliers_do_not_spoil_the_result(name: str) -> None:
    """Guards against bounds that hold for well-behaved vectors only."""
    vectors_ND = unit_rows(3, (2000, 32))
    vectors_ND[::7] = np.eye(32, dtype=np.float32)[np.arange(len(vectors_ND[::7])) % 32]
    vectors_ND[5] = 0.0  # not unit, yet it must not break anything
    query_BD = np.concatenate([np.eye(32, dtype=np.float32)[:2], vectors_ND[[1]] * 3.0])
    everything = np.ones(len(vectors_ND), np.bool_)
    expected = brute_force(vectors_ND, query_BD, 20, everything)
    score_BK, row_BK = store_of(name, vectors_ND).search(query_BD, 20)
    np.testing.assert_array_equal(row_BK, expected[1])
    np.testing.assert_array_equal(score_BK, expected[0])


@pytest.mark.parametrize("name", EXACT)
def test_rounding_that_goes_all_one_way(name: str) -> None:
    """Guards against a bound that counts on rounding errors to cancel out.

    The best row loses everything when it is rounded to int8, all others gain.
    """
    dim = 64
    rows_ND = np.where(np.arange(dim) % 2, 0.51, 0.35) * np.ones((3000, 1))
    rows_ND[1234] = 0.49
    rows_ND[:, 0] = 127.0  # sets the step of the rounding to 1
    vectors_ND = (rows_ND / np.linalg.norm(rows_ND, axis=1, keepdims=True)).astype(np.float32)
    query_D = np.ones(dim, np.float32) / np.sqrt(np.float32(dim - 1))
    query_D[0] = 0.0
    row_BK = store_of(name, vectors_ND).search(query_D[None], 1)[1]
    assert row_BK[0, 0] == 1234


@pytest.mark.parametrize("name", STORES)
def test_shapes_masks_and_order(name: str) -> None:
    """Guards against forbidden rows, rows twice, scores that rise, and wrong shapes."""
    vectors_ND = unit_rows(4, (3000, 16))
    query_BD = unit_rows(5, (5, 16))
    store = store_of(name, vectors_ND)
    assert isinstance(store, VectorStore)
    assert len(store) == 3000
    for share in (0.0, 0.001, 0.05, 0.6, 1.0):
        allowed_N = np.random.default_rng(6).random(3000) < share
        for k in (0, 1, 17, 5000):
            score_BK, row_BK = store.search(query_BD, k, allowed_N=allowed_N)
            assert score_BK.shape == row_BK.shape == (5, min(k, int(allowed_N.sum())))
            assert score_BK.dtype == np.float32
            assert row_BK.dtype == np.int64
            assert allowed_N[row_BK].all()
            assert (np.diff(score_BK, axis=1) <= 0).all()
            assert all(len(set(row_K.tolist())) == len(row_K) for row_K in row_BK)
    no_query = np.empty((0, 16), np.float32)
    assert store.search(no_query, 3)[0].shape == (0, 3)


@pytest.mark.parametrize("name", STORES)
def test_a_result_does_not_depend_on_the_batch(name: str) -> None:
    """Guards against scores that change with the neighbours of a query."""
    store = store_of(name, unit_rows(7, (5000, 48)))
    query_BD = unit_rows(8, (9, 48))
    score_BK, row_BK = store.search(query_BD, 12)
    for number, query_D in enumerate(query_BD):
        alone = store.search(query_D[None], 12)
        np.testing.assert_array_equal(alone[0][0], score_BK[number])
        np.testing.assert_array_equal(alone[1][0], row_BK[number])


@pytest.mark.parametrize("name", STORES)
def test_a_store_of_a_read_only_matrix(name: str) -> None:
    """Guards against kernels that want to write into a memory-mapped file."""
    vectors_ND = unit_rows(9, (500, 16))
    vectors_ND.setflags(write=False)
    row_BK = store_of(name, vectors_ND).search(vectors_ND[:3], 1)[1]
    np.testing.assert_array_equal(row_BK[:, 0], [0, 1, 2])


@pytest.mark.parametrize("name", [*EXACT, "binary"])
def test_an_empty_store(name: str) -> None:
    """Guards against a crash in an index that holds nothing yet."""
    store = store_of(name, np.empty((0, 16), np.float32))
    score_BK, row_BK = store.search(unit_rows(1, (2, 16)), 5)
    assert len(store) == 0
    assert score_BK.shape == row_BK.shape == (2, 0)


def test_the_approximate_store_finds_what_it_says() -> None:
    """Guards against a recall that is measured on an easier question than it is used for."""
    pytest.importorskip("faiss")
    vectors_ND = unit_rows(10, (20_000, 32))
    query_BD = unit_rows(11, (200, 32))
    store = AnnStore(vectors_ND)
    assert store.recall >= ann.RECALL
    truth = ExactStore(vectors_ND).search(query_BD, 10)[1]
    found = store.search(query_BD, 10)[1]
    hits = sum(len(np.intersect1d(a, b)) for a, b in zip(truth, found, strict=True))
    assert hits / truth.size >= 0.9


def test_the_binary_store_is_exact_where_it_looks_at_all() -> None:
    """Guards against candidates that are lost between bits and scores."""
    vectors_ND, query_BD = unit_rows(12, (3000, 40)), unit_rows(13, (20, 40))
    found = BinaryStore(vectors_ND, oversample=300).search(query_BD, 10)
    exact = ExactStore(vectors_ND).search(query_BD, 10)
    np.testing.assert_array_equal(found[1], exact[1])
    np.testing.assert_array_equal(found[0], exact[0])


def test_the_binary_store_looks_at_enough_for_one_hit() -> None:
    """Guards against four candidates where one hit is wanted: as good as any among the bits."""
    vectors_ND, query_BD = unit_rows(14, (3000, 96)), unit_rows(15, (100, 96))
    truth = ExactStore(vectors_ND).search(query_BD, 1)[1]
    right = BinaryStore(vectors_ND).search(query_BD, 1)[1] == truth
    few = BinaryStore(vectors_ND, oversample=1).search(query_BD, 1)[1] == truth
    assert right.mean() == few.mean() > 0.7
