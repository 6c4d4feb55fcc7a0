"""Whose vector is where, and who is compared with whom."""

from rzen.training.batch import GlobalLayout, LocalBatch, Row
from training_toys import ToyContent


def row(
    name: str, documents: list[str], *, own: str = "", positives: int = 1, part: int = 0
) -> Row:
    return Row(
        name=name,
        task=0,
        part=part,
        query=ToyContent([1, 2]),
        own_key=own or f"{name} itself",
        documents={key: ToyContent([3]) for key in documents},
        positives=positives,
    )


def layout(*ranks: list[Row], by_part: bool = False) -> GlobalLayout:
    return GlobalLayout.of(
        [LocalBatch.of(rows).about for rows in ranks], by_part=by_part, device="cpu"
    )


def test_a_document_of_two_ranks_counts_once() -> None:
    """Guards the loss against the number of ranks: a copy would be a negative of its own query."""
    found = layout([row("a", ["x", "n"])], [row("b", ["y", "n"]), row("c", ["x"])])
    assert found.query_N.tolist() == [0, 3, 4]
    assert found.document_M.tolist() == [1, 2, 5]  # x and n of the first rank, y of the second
    assert found.positive.tolist() == [0, 2, 0]
    assert found.candidate_NM is None
    assert found.names == ["a", "b", "c"]
    assert found.tokens == 4 + 6 + 1


def test_several_positives_become_flags() -> None:
    """Guards rows with two right answers: the second is no negative."""
    found = layout([row("a", ["x", "y", "n"], positives=2), row("b", ["z"])])
    assert found.positive.tolist() == [[True, True, False, False], [False, False, False, True]]


def test_sub_batches_meet_their_own_documents_alone() -> None:
    """Guards ``negatives = "sub-batch"``; a document of both parts belongs to both."""
    rows = [row("a", ["x", "n"], part=0), row("b", ["y", "n"], part=1)]
    assert layout(rows).candidate_NM is None
    candidate_NM = layout(rows, by_part=True).candidate_NM
    assert candidate_NM is not None
    assert candidate_NM.tolist() == [[True, True, False], [False, True, True]]


def test_no_query_is_asked_to_be_unlike_itself() -> None:
    """Guards pairs that stand in both directions: a query's own picture among the documents is as
    near as can be and answers nothing. As the row's own hard negative it counts."""
    rows = [row("a", ["x"], own="y"), row("b", ["y"], own="x"), row("c", ["z", "q"], own="q")]
    candidate_NM = layout(rows).candidate_NM
    assert candidate_NM is not None
    assert candidate_NM.tolist() == [
        [True, False, True, True],
        [False, True, True, True],
        [True, True, True, True],
    ]
