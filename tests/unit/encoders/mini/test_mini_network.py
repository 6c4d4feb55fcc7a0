import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mini_contents import changed_network, every_kind, frames, still
from rzen.encoders.mini.architecture import FEATURES, Architecture
from rzen.encoders.mini.encoder import MiniEncoder
from rzen.encoders.mini.network import MiniNetwork, collate
from rzen.encoders.mini.prepared import Prepared, cost, layout, pooled
from rzen.encoders.mini.preparing import Preparer
from rzen.types import Content, Text, Video


@pytest.fixture(scope="module")
def preparer() -> Preparer:
    return Preparer(Architecture(), threads=2)


@pytest.fixture(scope="module")
def prepared(preparer: Preparer) -> list[Prepared]:
    return [preparer.prepare(content) for content in every_kind()]


def vectors(network: MiniNetwork, contents: list[Prepared]) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(network(collate(contents)))


def test_an_untrained_network_gives_the_vectors_of_mini(prepared: list[Prepared]) -> None:
    """Training begins somewhere else than at the encoder that it must beat."""
    mini = np.asarray(MiniEncoder(threads=2).encode(every_kind(), role="document"))
    network = MiniNetwork(Architecture(layers=1, grid=2)).eval()
    np.testing.assert_allclose(vectors(network, prepared), mini, atol=1e-5)


def test_padding_changes_no_vector(prepared: list[Prepared]) -> None:
    """A padded frame or word is read by its neighbours, and a vector depends on its batch."""
    network = changed_network()
    alone = np.concatenate([vectors(network, [each]) for each in prepared])
    np.testing.assert_allclose(vectors(network, prepared), alone, atol=1e-5)


def test_cost_counts_the_tokens_that_are_read(prepared: list[Prepared]) -> None:
    """Batches by cost do not fit into memory, because it counts something else."""
    network = MiniNetwork(Architecture()).eval()
    lengths: list[int] = []
    network.encoder["layer"][0].register_forward_hook(  # type: ignore[index]
        lambda _, entering, __: lengths.append(entering[0].shape[1])
    )
    for each in prepared:
        lengths.clear()
        vectors(network, [each])
        assert (lengths or [1]) == [cost(each)]


def test_every_parameter_learns(prepared: list[Prepared]) -> None:
    """The layers that start at zero keep what lies before them from ever getting a gradient."""
    network = MiniNetwork(Architecture())
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    target = torch.nn.functional.normalize(torch.randn(len(prepared), 384), dim=-1)
    for _ in range(2):
        optimizer.zero_grad()
        (1 - (network(collate(prepared)) * target).sum(-1)).mean().backward()
        optimizer.step()
    still_zero = {
        name
        for name, parameter in network.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().sum() > 0
    }
    # The bias of keys adds the same to every logit of a query: its gradient is rounding.
    assert {name for name in still_zero if not name.endswith("self.key.bias")} == set()


def test_training_mode_drops_and_evaluation_does_not(prepared: list[Prepared]) -> None:
    """Evaluation during training measures a network with half its features missing."""
    network = changed_network()
    np.testing.assert_array_equal(vectors(network, prepared), vectors(network, prepared))
    network.train()
    seen = [row for row, each in enumerate(prepared) if cost(each) > 1]
    first, second = vectors(network, prepared), vectors(network, prepared)
    assert np.abs(first - second)[seen].max() > 1e-3


def test_the_frozen_table_is_neither_trained_nor_saved() -> None:
    """47 MB in every checkpoint, which decay moves away from the package's."""
    network = MiniNetwork(Architecture())
    assert "word_embeddings" not in network.state_dict()
    assert all(parameter.shape[0] != 30522 for parameter in network.parameters())


def test_every_parameter_is_in_one_group() -> None:
    """A parameter that no optimiser is given stays at its start; one in two groups moves twice."""
    network = MiniNetwork(Architecture())
    groups = network.parameter_groups()
    given_ = [id(parameter) for group in groups.values() for parameter in group]
    assert sorted(given_) == sorted(id(parameter) for parameter in network.parameters())
    assert any(each is network.output.weight for each in groups["new"])
    assert any(each is network.position_embeddings for each in groups["pretrained"])


@pytest.mark.parametrize("grid", range(1, 8))
def test_cells_are_those_of_adaptive_pooling(grid: int) -> None:
    """A place is left out between two cells, or cells are listed by columns."""
    features = np.random.default_rng(grid).random((2, 7, 7, 5), np.float32)
    theirs = torch.nn.functional.adaptive_avg_pool2d(
        torch.from_numpy(features).permute(0, 3, 1, 2), grid
    )
    ours = pooled(features, grid)
    assert ours.dtype == np.float16
    np.testing.assert_allclose(ours, theirs.flatten(2).transpose(1, 2).numpy(), atol=1e-3)


@settings(deadline=None, max_examples=20)
@given(count=st.integers(1, 9), scale=st.floats(0.1, 10.0))
def test_a_layout_is_finite_whatever_the_frames(count: int, scale: float) -> None:
    """One frame has no change, a black one no deviation: NaN spreads through the whole batch."""
    features = scale * np.random.default_rng(count).random((count, 7, 7, 3), np.float32)
    for given_ in (features, np.zeros_like(features)):
        found = layout(given_)
        assert found.shape == (392,)
        assert np.isfinite(found).all()
    np.testing.assert_allclose(layout(features), layout(features / scale), atol=1e-3)


def test_a_layout_tells_which_way_something_moves() -> None:
    """The curves over time are all even: a clip and its reverse have one layout."""
    features = np.zeros((4, 7, 7, 2), np.float32)
    for at in range(4):
        features[at, 3, 1 + at] = 1.0
    there, back = layout(features), layout(features[::-1])
    assert np.abs(there - back).max() > 0.1
    # The even curves, which a reversed clip keeps: what is seen on the mean, and what changes.
    np.testing.assert_allclose(there[:49], back[:49], atol=1e-6)


def test_what_is_too_long_is_cut_and_said(preparer: Preparer) -> None:
    """A film of many pictures, or a long text beside one, is cut in silence, or fails."""
    content = Content(*(still(seed) for seed in range(10)))
    assert preparer.prepare(content).cells_TKF.shape == (8, 4, FEATURES)
    assert "only the first 8 pictures" in preparer.prepare(content).warnings[0]

    found = preparer.prepare(Content(Video(frames(1, 2)), Text("many words " * 50)))
    assert len(found.tokens_L) == 64
    assert "only 64 tokens" in found.warnings[0]
    assert preparer.prepare(Content(Text("many words " * 50))).warnings == ()
    assert np.isfinite(vectors(MiniNetwork(Architecture()).eval(), [found])).all()


def test_pages_are_read_and_not_looked_at(preparer: Preparer) -> None:
    """Training on pages teaches what their pictures have in common instead of what they say."""
    page = every_kind()[3]
    found = preparer.prepare(page)
    assert len(found.cells_TKF) == 0
    assert cost(found) == 1
    assert found.read > 5
