"""Compact codes: what they lose, and that re-scoring gives it back."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rzen.index import quantization
from rzen.index.compact import Codes, quantise
from rzen.index.exact import ExactStore
from rzen.index.quantization import (
    binarise,
    code_bytes,
    hamming,
    restored,
    search_rescored,
)
from rzen.types import Vectors

SEEDS = st.integers(0, 10**6)


def unit_rows(seed: int, shape: tuple[int, int]) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@settings(max_examples=100, deadline=None)
@given(
    vectors_ND=arrays.arrays(
        np.float32,
        st.tuples(st.integers(1, 20), st.integers(1, 70)),
        elements=st.floats(-1, 1, width=32),
    )
)
def test_a_restored_value_is_off_by_half_a_scale(vectors_ND: Vectors) -> None:
    """Guards against rounding down, values cut off at the ends, and another row's scale."""
    codes = quantise(vectors_ND)
    again_ND = restored(codes, np.arange(len(vectors_ND)))
    largest_N = np.abs(vectors_ND).max(axis=1)
    bound_N = largest_N / 254 * 1.0001 + 1e-30
    assert (np.abs(again_ND - vectors_ND) <= bound_N[:, None]).all()
    assert again_ND.dtype == np.float32


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, dim=st.integers(1, 140), factor=st.floats(1e-3, 1e3))
def test_bits_know_no_length(seed: int, dim: int, factor: float) -> None:
    """Guards against a threshold other than zero, where vectors of any length are to compare."""
    vectors_ND = unit_rows(seed, (9, dim))
    np.testing.assert_array_equal(
        binarise(vectors_ND), binarise((vectors_ND * np.float32(factor)).astype(np.float32))
    )


def test_bits_are_those_of_sentence_transformers() -> None:
    """Guards against an order of bits that no other tool reads."""
    pytest.importorskip("sentence_transformers")
    from sentence_transformers.util.quantization import quantize_embeddings

    vectors_ND = unit_rows(1, (50, 128))
    np.testing.assert_array_equal(
        binarise(vectors_ND), np.asarray(quantize_embeddings(vectors_ND, precision="ubinary"))
    )


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("queries", [1, 3, 4, 9])
@pytest.mark.parametrize("dim", [1, 8, 64, 65, 384])
def test_distances_count_bits(
    monkeypatch: pytest.MonkeyPatch, kernels: bool, queries: int, dim: int
) -> None:
    """Guards against counting bytes, padding that differs, and queries taken for rows."""
    if not kernels:
        monkeypatch.setattr(quantization, "is_available", lambda: False)
    vectors_ND, query_BD = unit_rows(2, (131, dim)), unit_rows(3, (queries, dim))
    monkeypatch.setattr(quantization, "_STRETCH_ROWS", 50)
    differing_BN = ((query_BD > 0)[:, None] != (vectors_ND > 0)[None]).sum(axis=2)
    found_BN = hamming(binarise(query_BD), binarise(vectors_ND))
    np.testing.assert_array_equal(found_BN, differing_BN)
    assert found_BN.dtype == np.uint16


def test_bits_of_many_rows() -> None:
    """Guards against faults at the seams of blocks."""
    vectors_ND = unit_rows(4, (20_001, 9))
    code_NW = binarise(vectors_ND)
    assert code_NW.shape == (20_001, code_bytes("binary", 9)) == (20_001, 8)
    for row in (0, 8191, 8192, 20_000):
        np.testing.assert_array_equal(code_NW[row], binarise(vectors_ND[[row]])[0])


@pytest.mark.parametrize("dim", [1, 64, 65, 384, 1000, 1536])
def test_stated_bytes_are_the_bytes_taken(dim: int) -> None:
    """Guards against a table of sizes that leaves out scales or padding."""
    vectors_ND = unit_rows(5, (3, dim))
    codes = quantise(vectors_ND)
    assert vectors_ND[0].nbytes == code_bytes("float32", dim)
    assert codes.code_ND[0].nbytes + codes.scale_N[0].nbytes == code_bytes("int8", dim)
    assert binarise(vectors_ND)[0].nbytes == code_bytes("binary", dim)


@settings(max_examples=60, deadline=None)
@given(
    seed=SEEDS,
    count=st.integers(1, 300),
    dim=st.integers(1, 70),
    k=st.integers(1, 30),
    share=st.sampled_from([0.02, 0.5, 1.0]),
    copies=st.booleans(),
)
def test_looking_at_all_rows_is_exact(
    seed: int, count: int, dim: int, k: int, share: float, copies: bool
) -> None:
    """Guards against candidates lost, another order of equal scores, and forbidden rows."""
    random = np.random.default_rng(seed)
    vectors_ND, query_BD = unit_rows(seed, (count, dim)), unit_rows(seed + 1, (5, dim))
    if copies:
        vectors_ND = vectors_ND[random.integers(0, max(1, count // 5), count)]
    allowed_N = random.random(count) < share
    found = search_rescored(
        query_BD,
        binarise(vectors_ND),
        k,
        oversample=count,
        rescore=vectors_ND,
        allowed_N=allowed_N,
    )
    expected = ExactStore(vectors_ND).search(query_BD, k, allowed_N=allowed_N)
    np.testing.assert_array_equal(found[1], expected[1])
    np.testing.assert_array_equal(found[0], expected[0])


def _forms(vectors_ND: Vectors) -> dict[str, Any]:
    return {"float32": vectors_ND, "int8": quantise(vectors_ND)}


@pytest.mark.parametrize("form", ["float32", "int8"])
@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, count=st.integers(1, 300), dim=st.integers(1, 24), k=st.integers(1, 8))
def test_the_order_of_rows_decides_nothing(
    form: str, seed: int, count: int, dim: int, k: int
) -> None:
    """Guards against candidates cut off in the middle of equal Hamming distances."""
    vectors_ND, query_BD = unit_rows(seed, (count, dim)), unit_rows(seed + 1, (3, dim))
    order_N = np.random.default_rng(seed).permutation(count)
    found, moved = (
        search_rescored(query_BD, binarise(rows_ND), k, oversample=2, rescore=_forms(rows_ND)[form])
        for rows_ND in (vectors_ND, vectors_ND[order_N])
    )
    np.testing.assert_array_equal(found[0], moved[0])


@pytest.mark.parametrize("form", ["float32", "int8"])
def test_equal_rows_come_by_number(form: str) -> None:
    """Guards against ties that fall differently each time."""
    vectors_ND = np.repeat(unit_rows(6, (5, 16)), 20, axis=0)
    for oversample in (1, 3, 100):
        row_BK = search_rescored(
            vectors_ND[[40]],
            binarise(vectors_ND),
            10,
            oversample=oversample,
            rescore=_forms(vectors_ND)[form],
        )[1]
        np.testing.assert_array_equal(row_BK, [np.arange(40, 50)])


def test_scores_of_int8_rows_are_theirs() -> None:
    """Guards against a query that is rounded too, and scores of the float32 rows."""
    vectors_ND, query_BD = unit_rows(7, (200, 48)), unit_rows(8, (4, 48))
    codes = quantise(vectors_ND)
    score_BK, row_BK = search_rescored(
        query_BD, binarise(vectors_ND), 7, oversample=200, rescore=codes
    )
    whole_ND = codes.code_ND * codes.scale_N[:, None].astype(np.float64)
    score_BN = query_BD.astype(np.float64) @ whole_ND.T
    np.testing.assert_allclose(score_BK, np.take_along_axis(score_BN, row_BK, axis=1), rtol=1e-5)
    np.testing.assert_array_equal(row_BK[:, 0], score_BN.argmax(axis=1))


def test_more_candidates_find_more() -> None:
    """Guards against an oversampling that has no effect."""
    vectors_ND, query_BD = unit_rows(9, (4000, 64)), unit_rows(10, (40, 64))
    truth_BK = ExactStore(vectors_ND).search(query_BD, 10)[1]
    code_NW = binarise(vectors_ND)
    recalls = []
    for oversample in (1, 4, 16, 64):
        row_BK = search_rescored(query_BD, code_NW, 10, oversample=oversample, rescore=vectors_ND)[
            1
        ]
        hits = sum(len(np.intersect1d(a, b)) for a, b in zip(row_BK, truth_BK, strict=True))
        recalls.append(hits / truth_BK.size)
    assert recalls == sorted(recalls)
    assert recalls[0] < 0.5 < 0.9 < recalls[-1]


def test_queries_in_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against results of one block put into the rows of another."""
    vectors_ND, query_BD = unit_rows(11, (100, 32)), unit_rows(12, (7, 32))
    whole = search_rescored(query_BD, binarise(vectors_ND), 5, oversample=3, rescore=vectors_ND)
    monkeypatch.setattr(quantization, "SCORE_BYTES", 2 * 100 * 3)
    parts = search_rescored(query_BD, binarise(vectors_ND), 5, oversample=3, rescore=vectors_ND)
    np.testing.assert_array_equal(whole[1], parts[1])
    np.testing.assert_array_equal(whole[0], parts[0])


def test_codes_are_what_tells_the_forms_apart() -> None:
    """Guards against float32 rows that are read as int8 because both are tuples of arrays."""
    assert isinstance(quantise(unit_rows(1, (2, 3))), Codes)
    assert not isinstance(unit_rows(1, (2, 3)), Codes)
