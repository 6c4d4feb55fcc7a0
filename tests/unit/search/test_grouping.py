from hypothesis import given, settings
from hypothesis import strategies as st

from rzen.search.grouping import group_rows

ranked = st.lists(st.integers(0, 6), max_size=40)


@settings(deadline=None)
@given(ranked, st.integers(1, 8), st.integers(0, 5))
def test_groups_hold_one_file_each_in_order(files: list[int], groups: int, others: int) -> None:
    """Guards against mixed files, lost first places and groups beyond their bounds."""
    rows = list(range(100, 100 + len(files)))
    made = group_rows(rows, files, groups=groups, others=others)
    file_of = dict(zip(rows, files, strict=True))
    firsts = [group[0] for group in made]
    assert len(made) == min(groups, len(set(files)))
    assert firsts == sorted(firsts)
    assert len({file_of[first] for first in firsts}) == len(firsts)
    for group in made:
        assert group == sorted(group)
        assert {file_of[row] for row in group} == {file_of[group[0]]}
        of_file = [row for row in rows if file_of[row] == file_of[group[0]]]
        assert group == of_file[: 1 + others]
