"""What is measured in training is the network as it is now."""

from pathlib import Path

import numpy as np
import pytest
import torch

from evaluation_sets import TableEncoder, scattered, suite, text_set
from rzen.cli.training.measuring import measure_with
from rzen.evaluation.runner import run
from rzen.training.measuring import Snapshot
from rzen.training.settings import EvaluationSettings
from rzen.types import Content, Text
from training_toys import ToyBackbone

WORDS = [f"{colour} {thing}" for colour in ("red", "green", "blue") for thing in ("boat", "car")]


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path / "cache"))


def test_every_step_has_a_fingerprint_of_its_own() -> None:
    """Vectors are kept by fingerprint: with the base's, every measurement gets the first one's."""
    network, encoder = ToyBackbone().network, TableEncoder(scattered, dim=4)
    first = Snapshot(encoder, network).fingerprint
    assert Snapshot(encoder, network).fingerprint == first
    assert first.weights != encoder.fingerprint.weights
    with torch.no_grad():
        network.layer.bias[0] += 1e-7
    moved = Snapshot(encoder, network).fingerprint
    assert moved.weights != first.weights
    network.layer.bias.requires_grad_(False)
    kept = Snapshot(encoder, network).fingerprint
    with torch.no_grad():
        network.layer.bias[0] += 1
    assert Snapshot(encoder, network).fingerprint == kept, "frozen weights are the base's"


def test_it_is_the_encoder_in_all_else() -> None:
    """A measurement by other rules than those of the encoder."""
    encoder = TableEncoder(scattered, dim=4)
    snapshot = Snapshot(encoder, ToyBackbone().network.to(torch.bfloat16))
    found = snapshot.encode([Content(Text("a"))], role="query", instruction="find")
    assert encoder.asked == [("a", "query", "find")]
    assert np.allclose(found.vectors, encoder.encode([Content(Text("a"))], role="query").vectors)
    assert (snapshot.dim, snapshot.modalities) == (4, frozenset({"text"}))
    assert snapshot.fingerprint.budget == encoder.fingerprint.budget


@pytest.mark.parametrize("is_snapshot", [True, False])
def test_vectors_of_the_base_are_never_taken(tmp_path: Path, *, is_snapshot: bool) -> None:
    """The proof: the base was measured before, and without a fingerprint of its own the network in
    training has the base's score for ever. And vectors that nobody asks for again do not pile up.
    """
    right = {name: at for at, word in enumerate(WORDS) for name in (word, f"a {word}")}
    base = TableEncoder(lambda _: axis(0), dim=len(WORDS))
    trained = TableEncoder(lambda text: axis(right[text]), dim=len(WORDS))
    data = suite(
        tmp_path / "data",
        text_set({f"a {word}": (word,) for word in WORDS}, {word: word for word in WORDS}),
    )
    run(data, base, tmp_path / "run")
    kept = sorted((tmp_path / "cache" / "vectors").iterdir())
    assert kept
    measure = measure_with({("tiny-suite", "validation"): data})
    asked = Snapshot(trained, ToyBackbone().network) if is_snapshot else trained
    score = measure(asked, EvaluationSettings(suite="tiny-suite"))["score"]
    assert score == (1.0 if is_snapshot else 0.0)
    if is_snapshot:
        assert sorted((tmp_path / "cache" / "vectors").iterdir()) == kept


def axis(at: int) -> list[float]:
    return [float(at == each) for each in range(len(WORDS))]


def test_a_measurement_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """Gigabytes of vectors of a step that was killed while it was measured."""
    data = suite(tmp_path / "data", text_set({"a": ("b",)}, {"b": "b", "c": "c"}))
    measure = measure_with({("tiny-suite", "test"): data})
    encoder = TableEncoder(scattered, dim=4, dies_after=1)
    asked = Snapshot(encoder, ToyBackbone().network)
    with pytest.raises(KeyboardInterrupt):
        measure(asked, EvaluationSettings(suite="tiny-suite", split="test"))
    assert not list((tmp_path / "cache" / "vectors").iterdir())
