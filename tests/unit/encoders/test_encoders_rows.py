import numpy as np
import pytest

from rzen.encoders.rows import Rows


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
def test_a_useless_vector_fails_its_row(bad: float) -> None:
    """A NaN from one poisoned content is stored, and every later search compares with it."""
    rows = Rows(2, 4, None)
    rows.put(0, np.full(4, bad, np.float32))
    rows.put(1, np.ones(4, np.float32))
    encoded = rows.encoded()
    assert "no usable vector" in encoded.failed[0]
    assert set(encoded.failed) == {0}
    assert not encoded.vectors[0].any()


def test_a_forgotten_row_is_a_bug() -> None:
    """A row that was neither encoded nor failed passes as a vector of zeros."""
    with pytest.raises(AssertionError, match="neither"):
        Rows(1, 4, None).encoded()
