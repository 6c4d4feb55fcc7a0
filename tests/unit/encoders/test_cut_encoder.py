"""An encoder of which only the first dimensions are used."""

import numpy as np
import pytest

from rzen.encoders.cut import CutEncoder
from rzen.encoders.dummy import DummyEncoder
from rzen.errors import EncoderError
from rzen.protocols import Encoder
from rzen.types import Content, Text

CONTENTS = [Content(Text(text)) for text in ("a red boat", "a grey house", "x")]


def test_it_is_an_encoder_of_its_own() -> None:
    """Guards against vectors of one dimension in an index, or a run, of another."""
    whole = DummyEncoder()
    cut = CutEncoder(whole, 16)
    assert isinstance(cut, Encoder)
    assert cut.dim == cut.fingerprint.dim == 16
    assert cut.fingerprint != whole.fingerprint
    assert cut.fingerprint.encoder == f"{whole.fingerprint.encoder}-dim16"
    assert cut.calibration == {}, "that of the whole vectors does not hold"
    assert (cut.modalities, cut.budget) == (whole.modalities, whole.budget)


def test_vectors_are_cut_once_and_unit() -> None:
    """Guards against shorter vectors of shorter length, and other dimensions than the first."""
    whole = DummyEncoder()
    cut = CutEncoder(whole, 16)
    vectors_ND = cut.encode(CONTENTS, role="query").vectors
    kept_ND = whole.encode(CONTENTS, role="query").vectors
    assert vectors_ND.shape == (3, 16)
    np.testing.assert_allclose(np.linalg.norm(vectors_ND, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(cut.cut(kept_ND), vectors_ND, atol=1e-6)
    first_ND = kept_ND[:, :16] / np.linalg.norm(kept_ND[:, :16], axis=1, keepdims=True)
    np.testing.assert_allclose(vectors_ND, first_ND, atol=1e-6)
    assert cut.encode(CONTENTS, role="query", dim=8).vectors.shape == (3, 8)


def test_more_than_there_is_is_refused() -> None:
    """Guards against a request for many dimensions that gets fewer without a word."""
    whole = DummyEncoder()
    with pytest.raises(EncoderError, match=f"ask for 1 to {whole.dim}"):
        CutEncoder(whole, whole.dim + 1)
    with pytest.raises(EncoderError, match="ask for 1 to 16"):
        CutEncoder(whole, 16).encode(CONTENTS, role="query", dim=17)
