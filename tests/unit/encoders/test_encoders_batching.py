from hypothesis import given, settings
from hypothesis import strategies as st

from rzen.encoders.batching import by_length


@settings(deadline=None)
@given(st.lists(st.integers(1, 500), max_size=60), st.integers(1, 900), st.integers(1, 9))
def test_every_item_once_and_no_batch_over_budget(
    lengths: list[int], tokens: int, items: int
) -> None:
    """An item is lost or doubled at the border of a batch; padding is not counted in the budget."""
    batches = list(by_length(lengths, tokens=tokens, items=items))
    assert sorted(position for batch in batches for position in batch) == list(range(len(lengths)))
    for batch in batches:
        padded = len(batch) * max(lengths[position] for position in batch)
        assert len(batch) == 1 or (padded <= tokens and len(batch) <= items)
