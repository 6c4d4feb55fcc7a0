"""Hits by file: the best one of each, with the others behind it."""

from collections.abc import Sequence


def group_rows(
    rows: Sequence[int], files: Sequence[int], *, groups: int, others: int
) -> list[list[int]]:
    """The first row of each file, followed by its further rows.

    >>> group_rows([5, 6, 7, 8], [1, 1, 2, 1], groups=2, others=1)
    [[5, 6], [7]]

    Args:
        rows: best first.
        files: the file of each row.
        groups: how many groups to make, at most.
        others: how many rows follow the first of a group, at most.

    Returns:
        groups in the order of their first rows.
    """
    by_file: dict[int, list[int]] = {}
    for row, file in zip(rows, files, strict=True):
        group = by_file.get(file)
        if group is None:
            if len(by_file) < groups:
                by_file[file] = [row]
        elif len(group) <= others:
            group.append(row)
    return list(by_file.values())
