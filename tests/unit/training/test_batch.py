"""Batches as the loss sees them: which vector is whose, what answers what, who meets whom."""

import json
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from rzen.training.batch import GlobalLayout, LocalBatch, Row
from rzen.training.losses import info_nce
from training_toys import ToyContent


def row(
    name: str,
    *documents: str,
    positives: int = 1,
    task: int = 0,
    part: int = 0,
    own: str = "itself",
) -> Row:
    """A row whose contents can be told apart by their single word."""
    return Row(
        name=name,
        task=task,
        part=part,
        query=word(name),
        own_key=own,
        documents={key: word(key) for key in documents},
        positives=positives,
    )


def word(name: str) -> ToyContent:
    return ToyContent([ord(letter) for letter in name])


def layout(*ranks: Sequence[Row], by_part: bool = False) -> GlobalLayout:
    abouts = [json.loads(json.dumps(LocalBatch.of(rows).about)) for rows in ranks]
    return GlobalLayout.of(abouts, by_part=by_part, device="cpu")


def gathered(*ranks: Sequence[Row]) -> list[Any]:
    """What stands where after the vectors of all ranks were gathered."""
    return [content for rows in ranks for content in LocalBatch.of(rows).contents]


A = row("A", "a", "n", task=1)
B = row("B", "b", "a")
C = row("C", "c", "n", task=1, part=1)
D = row("D", "d", "a", part=1)


def test_each_distinct_document_is_encoded_once() -> None:
    """Copies in one batch cost memory, and count as negatives of each other."""
    local = LocalBatch.of([A, B, C, D])
    assert local.contents == [word(each) for each in ("A", "B", "C", "D", *"anbcd")]
    assert local.about["tokens"] == 9


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 4])
def test_the_number_of_ranks_does_not_show(cut: int) -> None:
    """A document that two ranks encode counts twice, or its place is another rank's."""
    rows = [A, B, C, D]
    whole, split = layout(rows, by_part=True), layout(rows[:cut], rows[cut:], by_part=True)
    contents = gathered(rows[:cut], rows[cut:])
    assert [contents[at] for at in split.query_N] == [word(each) for each in "ABCD"]
    found = [contents[at] for at in split.document_M]
    assert sorted(each.ids for each in found) == [[ord(letter)] for letter in "abcdn"]
    assert [found[at] for at in split.positive] == [word(each) for each in "abcd"]
    assert split.names == ["A", "B", "C", "D"]
    assert split.task_N.tolist() == [1, 0, 1, 0]
    assert split.candidate_NM is not None
    assert whole.candidate_NM is not None
    for one, other in zip(whole.candidate_NM, split.candidate_NM, strict=True):
        met = [gathered(rows)[at] for at in whole.document_M[one]]
        assert sorted(each.ids for each in met) == sorted(
            contents[at].ids for at in split.document_M[other]
        )


def test_three_ranks_one_of_them_empty() -> None:
    """A rank all of whose rows were unreadable shifts everybody's places."""
    found = layout([A], [], [B, D])
    contents = gathered([A], [], [B, D])
    assert [contents[at] for at in found.query_N] == [word(each) for each in "ABD"]
    assert len(found.document_M) == 4
    assert layout([], []).names == []


def test_several_positives_are_booleans() -> None:
    """Hard negatives, which stand behind the positives, are taken for answers."""
    found = layout([row("A", "a", "b", "n", positives=2), row("B", "n", "a")])
    assert found.positive.tolist() == [[True, True, False], [False, False, True]]


def test_a_negative_that_answers_another_row_is_no_positive_of_its_own() -> None:
    """B's hard negative is A's positive: for B it stays a negative."""
    found = layout([A, B])
    assert found.positive.tolist() == [0, 2]
    assert found.candidate_NM is None


def test_sub_batches_keep_to_themselves() -> None:
    """By hand: `negatives = "sub-batch"` that still compares with the other part's documents."""
    found = layout([A, B, C, D], by_part=True)
    # Documents in order of appearance: a n b c d. C and D do not meet b, A and B meet no c, no d.
    assert found.candidate_NM is not None
    assert found.candidate_NM.int().tolist() == [
        [1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0],
        [1, 1, 0, 1, 1],
        [1, 1, 0, 1, 1],
    ]


def test_the_loss_of_sub_batches_is_the_mean_of_their_losses() -> None:
    """The mask by another way: each part alone, as a batch of its own."""
    torch.manual_seed(0)
    rows = [A, B, C, D]
    vectors = normalize(torch.randn(9, 4), dim=1)
    temperature = torch.tensor([0.1, 0.2])

    def loss(part: Sequence[Row], *, by_part: bool) -> float:
        own = layout(part, by_part=by_part)
        places = [gathered(rows).index(each) for each in gathered(part)]
        own_vectors = vectors[places]
        return float(
            info_nce(
                own_vectors[own.query_N],
                own_vectors[own.document_M],
                own.positive,
                temperature[own.task_N],
                delta=None,
                candidate_BM=own.candidate_NM,
            ).loss
        )

    apart = (loss(rows[:2], by_part=False) + loss(rows[2:], by_part=False)) / 2
    assert loss(rows, by_part=True) == pytest.approx(apart, rel=1e-6)
    assert loss(rows, by_part=False) > apart + 0.01


def test_no_query_is_asked_to_be_unlike_itself() -> None:
    """Guards pairs that stand in both directions: a query's own picture among the documents is as
    near as can be and answers nothing. As the row's own hard negative it counts."""
    rows = [row("A", "x", own="y"), row("B", "y", own="x"), row("C", "z", "q", own="q")]
    candidate_NM = layout(rows).candidate_NM
    assert candidate_NM is not None
    assert candidate_NM.tolist() == [
        [True, False, True, True],
        [False, True, True, True],
        [True, True, True, True],
    ]
