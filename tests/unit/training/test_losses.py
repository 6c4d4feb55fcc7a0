"""InfoNCE of RzenEmbed: by hand, by another version, by finite differences, at its limits."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from rzen.training.losses import FalseNegatives, info_nce
from saved_tensors import saved_tensors

RULES: tuple[FalseNegatives | None, ...] = ("document", "margin", "both-sides", None)


def unit(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(*shape, generator=generator, dtype=dtype), dim=-1)


def angles(*degrees: float) -> torch.Tensor:
    """Unit rows in the plane."""
    radians = torch.tensor(degrees, dtype=torch.float64) * math.pi / 180
    return torch.stack([radians.cos(), radians.sin()], dim=1)


def plain(
    query: np.ndarray,
    document: np.ndarray,
    positives: list[list[int]],
    temperature: list[float],
    *,
    alpha: float,
    rule: FalseNegatives | None,
    limit: float,
    candidate: np.ndarray | None = None,
) -> tuple[float, float]:
    """The loss by loops over the formula, one direction: an independent version."""
    total, masked, negatives = 0.0, 0, 0
    for row, own in enumerate(positives):
        for positive in own:
            s_positive = float(query[row] @ document[positive])
            top = math.exp(s_positive / temperature[row])
            below = top
            for other in range(len(document)):
                if other in own or (candidate is not None and not candidate[row, other]):
                    continue
                negatives += 1
                s = float(query[row] @ document[other])
                to_positive = float(document[other] @ document[positive])
                twins = [
                    asker
                    for asker, theirs in enumerate(positives)
                    if other in theirs and float(query[asker] @ query[row]) > limit
                ]
                is_false = {
                    "document": to_positive > limit,
                    "margin": s > s_positive + limit,
                    "both-sides": to_positive > limit or bool(twins),
                    None: False,
                }[rule]
                if is_false:
                    masked += 1
                    continue
                below += math.exp(alpha * s) * math.exp(s / temperature[row])
            total += -math.log(top / below) / len(own)
    return total / len(query), masked / max(negatives, 1)


def test_by_hand_without_weights_and_mask() -> None:
    """Guards the formula itself: two queries, two documents, worked out on paper."""
    query, document = angles(0, 90), angles(0, 60)
    found = info_nce(query, document, torch.tensor([0, 1]), 0.5, alpha=0.0, delta=None)
    first = -math.log(math.exp(1 / 0.5) / (math.exp(1 / 0.5) + math.exp(0.5 / 0.5)))
    cosine = math.cos(math.radians(30))
    second = -math.log(math.exp(cosine / 0.5) / (math.exp(cosine / 0.5) + math.exp(0)))
    assert found.loss.item() == pytest.approx((first + second) / 2, abs=1e-12)
    assert float(found.masked_fraction) == 0
    assert float(found.effective_negatives) == pytest.approx(1)


def test_by_hand_with_weights() -> None:
    """Guards that weights e^(alpha s) stand on negatives only, and are not normalised."""
    query, document = angles(0), angles(0, 60)
    found = info_nce(query, document, torch.tensor([0]), 0.5, alpha=9.0, delta=None)
    expected = math.log(1 + math.exp(9 * 0.5) * math.exp(0.5 / 0.5) / math.exp(1 / 0.5))
    assert found.loss.item() == pytest.approx(expected, abs=1e-12)


def test_by_hand_with_mask() -> None:
    """Guards that what is left out is near the *positive*, not the query, and nothing else is."""
    query, document = angles(0), angles(20, 30, 0, 80)  # positive at 20, cosines .985, .940, .5
    found = info_nce(query, document, torch.tensor([0]), 0.5, alpha=0.0, delta=0.95)
    kept = sum(math.exp(math.cos(math.radians(at)) / 0.5) for at in (0, 80))
    top = math.exp(math.cos(math.radians(20)) / 0.5)
    assert found.loss.item() == pytest.approx(-math.log(top / (top + kept)), abs=1e-12)
    assert float(found.masked_fraction) == pytest.approx(1 / 3)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("alpha", [0.0, 9.0])
@pytest.mark.parametrize("several", [False, True])
def test_agrees_with_loops(rule: FalseNegatives | None, alpha: float, several: bool) -> None:
    """Guards the vectorised rules: each must equal the formula written as loops."""
    query, document = unit(5, 3, seed=1), unit(9, 3, seed=2)
    temperature = torch.tensor([0.05, 0.1, 0.2, 0.03, 0.07], dtype=torch.float64)
    positives = [[0, 4], [1], [2, 7, 8], [3], [5]] if several else [[0], [1], [2], [3], [5]]
    answers = torch.zeros(5, 9, dtype=torch.bool)
    for row, own in enumerate(positives):
        answers[row, own] = True
    given_positive = answers if several else torch.tensor([own[0] for own in positives])
    candidate = torch.rand(5, 9, generator=torch.Generator().manual_seed(3)) > 0.3
    limit = 0.2 if rule == "margin" else 0.6
    found = info_nce(
        query,
        document,
        given_positive,
        temperature,
        alpha=alpha,
        false_negatives=rule,
        threshold=limit,
        candidate_BM=candidate,
    )
    loss, masked = plain(
        query.numpy(),
        document.numpy(),
        positives,
        temperature.tolist(),
        alpha=alpha,
        rule=rule,
        limit=limit,
        candidate=candidate.numpy(),
    )
    assert found.loss.item() == pytest.approx(loss, abs=1e-10)
    assert float(found.masked_fraction) == pytest.approx(masked, abs=1e-6)
    assert rule is None or masked > 0, "the case masks something, else it would prove nothing"


@pytest.mark.parametrize(
    ("rule", "detach"), [*((rule, False) for rule in RULES), ("document", True), (None, True)]
)
def test_gradients_by_finite_differences(rule: FalseNegatives | None, detach: bool) -> None:
    """Guards backward: attached weights must match finite differences of the loss itself; detached
    ones those of the loss with the weights held fixed."""
    query, document = unit(4, 3, seed=5), unit(6, 3, seed=6)
    temperature = torch.full((4,), 0.1, dtype=torch.float64)
    positive = torch.arange(4)

    if detach:
        weights = (9.0 * (query @ document.T)).detach()

        def loss(q: torch.Tensor, d: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            cosine = q @ d.T
            own = torch.nn.functional.one_hot(positive, 6).bool()
            false = d.detach()[positive] @ d.detach().T > 0.6 if rule == "document" else own & ~own
            logits = cosine / t[:, None] + weights.where(~own, 0.0)
            logits = logits.masked_fill(false & ~own, -torch.inf)
            return torch.nn.functional.cross_entropy(logits, positive)

    else:

        def loss(q: torch.Tensor, d: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            return info_nce(
                q, d, positive, t, detach_weights=False, false_negatives=rule, threshold=0.6
            ).loss

    inputs = [each.clone().requires_grad_() for each in (query, document, temperature)]
    found = info_nce(
        inputs[0],
        inputs[1],
        positive,
        inputs[2],
        detach_weights=detach,
        false_negatives=rule,
        threshold=0.6,
    ).loss
    found.backward()
    for at, each in enumerate(inputs):
        assert each.grad is not None
        for place in np.ndindex(*each.shape):
            moved = [one.detach().clone() for one in inputs]
            moved[at][place] += 1e-6
            above = float(loss(*moved))
            moved[at][place] -= 2e-6
            below = float(loss(*moved))
            assert float(each.grad[place]) == pytest.approx((above - below) / 2e-6, abs=2e-5)


def test_detaching_scales_the_gradient_of_negatives() -> None:
    """Guards the switch: gradients by a negative's cosine differ by (1/T + alpha) / (1/T)."""
    gradients = []
    for detach in (True, False):
        query = angles(0)
        document = angles(10, 50).requires_grad_()
        info_nce(query, document, torch.tensor([0]), 0.1, detach_weights=detach).loss.backward()
        assert document.grad is not None
        gradients.append(float(document.grad[1] @ query[0]))
    assert gradients[1] / gradients[0] == pytest.approx((1 / 0.1 + 9) / (1 / 0.1), rel=1e-9)


def test_weights_vanish_with_alpha() -> None:
    """Guards the limit alpha -> 0: the loss goes to plain InfoNCE, and alpha=0 is it exactly."""
    query, document = unit(6, 4, seed=7), unit(8, 4, seed=8)
    positive = torch.arange(6)

    def at(alpha: float) -> float:
        return float(info_nce(query, document, positive, 0.1, alpha=alpha, delta=None).loss)

    expected = float(torch.nn.functional.cross_entropy(query @ document.T / 0.1, positive))
    assert at(0.0) == pytest.approx(expected, abs=1e-12)
    assert abs(at(1e-7) - expected) < 1e-6 < abs(at(9.0) - expected)


def test_mask_vanishes_with_delta() -> None:
    """Guards the limit delta -> 1: only copies of the positive are left out, then nothing is."""
    query, document = unit(6, 4, seed=7), unit(8, 4, seed=8)
    positive = torch.arange(6)
    none = info_nce(query, document, positive, 0.1, delta=None)
    one = info_nce(query, document, positive, 0.1, delta=1.0 + 1e-9)
    assert one.loss.item() == pytest.approx(float(none.loss), abs=1e-12)
    copied = torch.cat([document, document[:1]])
    left_out = info_nce(query, copied, positive, 0.1, delta=1 - 1e-9)
    assert float(left_out.loss) < float(info_nce(query, copied, positive, 0.1, delta=None).loss)
    assert float(left_out.masked_fraction) > 0


def test_one_candidate_has_no_loss() -> None:
    """Guards against nan where a row has no negative at all: its loss and gradient are zero."""
    query = unit(1, 4).requires_grad_()
    found = info_nce(query, unit(1, 4, seed=1), torch.tensor([0]), 0.01)
    found.loss.backward()
    assert found.loss.item() == 0
    assert query.grad is not None
    assert float(query.grad.abs().max()) == 0
    assert float(found.effective_negatives) == 0
    assert float(found.masked_fraction) == 0


def test_all_negatives_masked_has_no_loss() -> None:
    """Guards against log 0 where every negative is false (colpali's log-B case of zero vectors)."""
    same = normalize(torch.ones(4, 8, dtype=torch.float64)).requires_grad_()
    found = info_nce(same, same.detach(), torch.arange(4), 0.02)
    found.loss.backward()
    assert found.loss.item() == 0
    assert float(found.masked_fraction) == 1
    assert same.grad is not None
    assert bool(same.grad.isfinite().all())
    assert info_nce(same, same, torch.arange(4), 1.0, alpha=0, delta=None).loss.item() == (
        pytest.approx(math.log(4))
    )


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_computes_in_float32_under_autocast(dtype: torch.dtype) -> None:
    """Guards against cosines in bfloat16, whose error of 0.004 is 0.4 logits at T = 0.01."""
    query, document = unit(64, 32, dtype=torch.float32), unit(64, 32, seed=1, dtype=torch.float32)
    query, document = query.to(dtype), document.to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        found = info_nce(query, document, torch.arange(64), 0.01)
    exact = info_nce(query.double(), document.double(), torch.arange(64), 0.01)
    assert found.loss.dtype == torch.float32
    assert found.loss.item() == pytest.approx(float(exact.loss), rel=1e-5)


def test_safe_at_small_temperatures() -> None:
    """Guards against overflow: e^(1/0.01 + 9) is beyond float32, its logarithm is not."""
    query = unit(16, 8, dtype=torch.float32).requires_grad_()
    document = -query.detach().flip(0)
    found = info_nce(query, document, torch.arange(16), 0.01, delta=None)
    found.loss.backward()
    assert math.isfinite(found.loss.item())
    assert found.loss.item() > 50
    assert query.grad is not None
    assert bool(query.grad.isfinite().all())


def test_each_row_has_its_own_temperature() -> None:
    """Guards mixed batches: a row's temperature must not reach another row."""
    query, document = unit(4, 6, seed=1), unit(4, 6, seed=2)
    temperature = torch.tensor([0.02, 0.05, 0.1, 0.5], dtype=torch.float64)
    rows = [
        float(info_nce(query[[row]], document, torch.tensor([row]), float(temperature[row])).loss)
        for row in range(4)
    ]
    both = info_nce(query, document, torch.arange(4), temperature)
    assert float(both.loss) == pytest.approx(sum(rows) / 4, abs=1e-12)


def test_rows_with_one_positive_are_the_same_in_both_forms() -> None:
    """Guards the two forms of ``positive`` against each other, in both directions."""
    query, document = unit(4, 6, seed=1), unit(6, 6, seed=2)
    numbers = torch.tensor([2, 0, 5, 1])
    flags = torch.nn.functional.one_hot(numbers, 6).bool()
    for rule in RULES:
        for symmetric in (False, True):
            first, second = (
                info_nce(
                    query,
                    document,
                    positive,
                    0.1,
                    symmetric=symmetric,
                    false_negatives=rule,
                    threshold=0.3,
                )
                for positive in (numbers, flags)
            )
            assert float(first.loss) == pytest.approx(float(second.loss), abs=1e-12)
            assert float(first.masked_fraction) == float(second.masked_fraction)


def test_symmetric_is_the_mean_of_both_directions() -> None:
    """Guards the symmetric part: with as many documents as queries it is the loss turned round."""
    query, document = unit(5, 6, seed=1), unit(5, 6, seed=2)
    one = info_nce(query, document, torch.arange(5), 0.1, delta=None)
    other = info_nce(document, query, torch.arange(5), 0.1, delta=None)
    both = info_nce(query, document, torch.arange(5), 0.1, delta=None, symmetric=True)
    assert float(both.loss) == pytest.approx((one.loss.item() + float(other.loss)) / 2, abs=1e-12)


def test_symmetric_ignores_queries_that_share_the_positive() -> None:
    """Guards against pressing a document away from a second query that it answers as well."""
    query, document = unit(3, 6, seed=1), unit(3, 6, seed=2)
    shared = torch.tensor([[True, False, False], [True, False, False], [False, False, True]])
    found = info_nce(query, document, shared, 0.1, alpha=0, delta=None, symmetric=True)
    # The first document is ranked among its own query and the third one only.
    cosine = query @ document.T / 0.1
    for_own = [
        -math.log(math.exp(cosine[row, 0]) / (math.exp(cosine[row, 0]) + math.exp(cosine[2, 0])))
        for row in (0, 1)
    ]
    third = -math.log(math.exp(cosine[2, 2]) / sum(math.exp(cosine[row, 2]) for row in range(3)))
    one_way = info_nce(query, document, shared, 0.1, alpha=0, delta=None)
    expected = (float(one_way.loss) + (sum(for_own) + third) / 3) / 2
    assert found.loss.item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("several", [False, True])
def test_blocks_do_not_show(
    rule: FalseNegatives | None, symmetric: bool, several: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row's other positives in another block that become its negatives; means over blocks."""
    rows, documents = 7, 15
    positive = torch.eye(rows, documents, dtype=torch.bool)
    if several:
        positive[torch.arange(rows), torch.arange(rows) + rows] = True
        positive[2, 14] = True
    candidates = torch.rand(rows, documents, generator=torch.Generator().manual_seed(3)) < 0.8

    def found() -> tuple[torch.Tensor, ...]:
        query = unit(rows, 6, seed=1).requires_grad_()
        document = unit(documents, 6, seed=2).requires_grad_()
        temperature = torch.full((rows,), 0.1, dtype=torch.float64, requires_grad=True)
        out = info_nce(
            query,
            document,
            positive,
            temperature,
            detach_weights=False,
            false_negatives=rule,
            threshold=0.4,
            candidate_BM=candidates,
            symmetric=symmetric,
        )
        out.loss.backward()
        grads = (query.grad, document.grad, temperature.grad)
        assert all(each is not None for each in grads)
        return out.loss.detach(), out.masked_fraction, out.effective_negatives, *grads  # type: ignore[return-value]

    whole = found()
    monkeypatch.setattr("rzen.training.losses.BLOCK_CELLS", 2 * 15)
    for one, other in zip(whole, found(), strict=True):
        torch.testing.assert_close(one, other)


def test_a_large_batch_keeps_no_matrix_of_cosines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that grows with the square of the batch."""
    cells = 1 << 14
    monkeypatch.setattr("rzen.training.losses.BLOCK_CELLS", cells)
    query, document = (unit(512, 8, seed=each).float().requires_grad_() for each in (1, 2))
    with saved_tensors() as kept:
        out = info_nce(query, document, torch.arange(512), 0.05)
    assert sum(kept.values()) < 4 * cells
    out.loss.backward()
    assert query.grad is not None


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("symmetric", [False, True])
def test_rows_of_two_ranks_are_those_of_one(rule: FalseNegatives | None, symmetric: bool) -> None:
    """Guards ``all_query_ND``: each rank's loss over all documents averages to the whole one."""
    query, document = unit(8, 4, seed=1), unit(12, 4, seed=2)
    positive = torch.arange(8)
    options = {"false_negatives": rule, "threshold": 0.3, "symmetric": symmetric}
    whole = info_nce(query, document, positive, 0.1, **options)  # type: ignore[arg-type]
    halves = [
        info_nce(
            query[rows],
            document,
            positive[rows],
            0.1,
            all_query_ND=query,
            **options,  # type: ignore[arg-type]
        )
        for rows in (slice(0, 4), slice(4, 8))
    ]
    assert float(whole.loss) == pytest.approx(sum(float(half.loss) for half in halves) / 2)


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 6),
    extra=st.integers(0, 5),
    seed=st.integers(0, 10_000),
    temperature=st.floats(0.01, 1.0),
    rule=st.sampled_from(RULES),
    symmetric=st.booleans(),
)
def test_never_negative_never_nan(
    rows: int,
    extra: int,
    seed: int,
    temperature: float,
    rule: FalseNegatives | None,
    symmetric: bool,
) -> None:
    """Guards every combination: the loss is finite and not below zero, fractions are fractions,
    effective negatives are no more than there are."""
    query, document = unit(rows, 4, seed=seed), unit(rows + extra, 4, seed=seed + 1)
    query.requires_grad_()
    found = info_nce(
        query,
        document,
        torch.arange(rows),
        temperature,
        false_negatives=rule,
        symmetric=symmetric,
    )
    found.loss.backward()
    assert query.grad is not None
    assert bool(query.grad.isfinite().all())
    assert 0 <= found.loss.item() < math.inf
    assert 0 <= float(found.masked_fraction) <= 1
    assert 0 <= float(found.effective_negatives) <= rows + extra - 1 + 1e-6


@pytest.mark.parametrize(
    ("positive", "temperature"),
    [
        (torch.tensor([0, 9]), 0.1),
        (torch.zeros(2, 3, dtype=torch.bool), 0.1),
        (torch.tensor([0, 1]), 0.0),
        (torch.tensor([0, 1]), torch.tensor([0.1, 0.1, 0.1])),
    ],
)
def test_wrong_calls_are_refused(positive: torch.Tensor, temperature: float | torch.Tensor) -> None:
    """Guards against a silent wrong loss: a positive out of range or missing, a bad temperature."""
    with pytest.raises(AssertionError):
        info_nce(unit(2, 4), unit(3, 4), positive, temperature)
