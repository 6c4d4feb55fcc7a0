"""GradCache gives the gradient of the whole batch, whatever the chunks."""

from collections.abc import Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rzen.training import gradient_cache
from rzen.training.losses import info_nce
from training_toys import ToyBackbone, ToyContent

CONTENTS = [
    ToyContent([1 + (7 * at + 3 * place) % 60 for place in range(1 + at % 5)]) for at in range(12)
]


def loss(vectors_ND: Tensor) -> Tensor:
    return info_nce(vectors_ND[:6], vectors_ND[6:], torch.arange(6), 0.05).loss


def cached(backbone: ToyBackbone, chunks: Sequence[Sequence[int]]) -> tuple[float, list[Tensor]]:
    value = gradient_cache.backward(
        lambda chunk: backbone.encode([CONTENTS[at] for at in chunk]),
        chunks,
        loss,
        shape=(len(CONTENTS), backbone.dim),
        device="cpu",
        seed=lambda number: 100 + number,
    )
    return float(value), gradients(backbone)


def gradients(backbone: ToyBackbone) -> list[Tensor]:
    return [each.grad.clone() for each in backbone.network.parameters() if each.grad is not None]


def plain(backbone: ToyBackbone, chunks: Sequence[Sequence[int]]) -> tuple[float, list[Tensor]]:
    """One backward pass through all chunks at once, with the same seeds."""
    pieces = []
    for number, chunk in enumerate(chunks):
        torch.manual_seed(100 + number)
        pieces.append(backbone.encode([CONTENTS[at] for at in chunk]))
    order = torch.tensor([at for chunk in chunks for at in chunk])
    value = loss(torch.cat(pieces)[torch.argsort(order)])
    value.backward()
    return float(value.detach()), gradients(backbone)


def assert_same(one: tuple[float, list[Tensor]], other: tuple[float, list[Tensor]]) -> None:
    assert one[0] == pytest.approx(other[0], rel=1e-5)
    assert len(one[1]) == len(other[1]) == 3
    for first, second in zip(one[1], other[1], strict=True):
        torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-6)


@given(data=st.data())
def test_equals_the_full_batch_for_any_chunks(data: st.DataObject) -> None:
    """Guards the cache itself: without dropout, chunks must not show in the gradient at all."""
    order = data.draw(st.permutations(range(12)))
    cuts = sorted(data.draw(st.sets(st.integers(1, 11), max_size=8)))
    chunks = [order[a:b] for a, b in zip([0, *cuts], [*cuts, 12], strict=True)]
    whole = plain(ToyBackbone(), [list(range(12))])
    assert_same(cached(ToyBackbone(), chunks), whole)


@pytest.mark.parametrize("size", [1, 2, 5, 12])
def test_equals_plain_backward_over_the_same_chunks_with_dropout(size: int) -> None:
    """Guards the second pass: it must draw the dropout masks of the first one.

    A whole-batch forward draws other masks, so the peer is one backward over the same chunks.
    """
    chunks = [list(range(at, min(at + size, 12))) for at in range(0, 12, size)]
    found, peer = (each(ToyBackbone(dropout=0.4), chunks) for each in (cached, plain))
    assert_same(found, peer)
    without = plain(ToyBackbone(), chunks)
    assert abs(found[0] - without[0]) > 1e-3, "dropout was active, else this would prove nothing"


def test_other_masks_in_the_second_pass_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Proves that the test above can fail: with seeds that change, gradients differ."""
    chunks = [list(range(at, at + 4)) for at in (0, 4, 8)]
    peer = plain(ToyBackbone(dropout=0.4), chunks)
    counter = iter(range(1000))
    backbone = ToyBackbone(dropout=0.4)
    gradient_cache.backward(
        lambda chunk: backbone.encode([CONTENTS[at] for at in chunk]),
        chunks,
        loss,
        shape=(12, 8),
        device="cpu",
        seed=lambda number: 100 + number if (at := next(counter)) < 3 else 500 + at,
    )
    worst = max(
        float((one - other).abs().max())
        for one, other in zip(gradients(backbone), peer[1], strict=True)
    )
    assert worst > 1e-4


def test_one_chunk_is_a_plain_step() -> None:
    """Guards the cost: what fits at once must be encoded once, and C chunks 2C - 1 times."""
    calls = 0
    backbone = ToyBackbone()

    def encode(chunk: Sequence[int]) -> Tensor:
        nonlocal calls
        calls += 1
        return backbone.encode([CONTENTS[at] for at in chunk])

    for chunks, expected in (([range(12)], 1), ([range(6), range(6, 12)], 3)):
        calls = 0
        gradient_cache.backward(
            encode, chunks, loss, shape=(12, 8), device="cpu", seed=lambda number: number
        )
        assert calls == expected


def test_a_rank_without_contents_takes_part() -> None:
    """Guards against a rank that hangs or fails because all its rows were unreadable."""
    value = gradient_cache.backward(
        lambda _: torch.zeros(0, 8),
        [],
        lambda vectors: vectors.sum() + torch.tensor(2.0, requires_grad=True),
        shape=(0, 8),
        device="cpu",
        seed=lambda number: number,
    )
    assert float(value) == 2
