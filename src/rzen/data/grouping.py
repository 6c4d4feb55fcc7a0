"""Which rows of a mixture are dealt into batches together."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from rzen.data.batch_sampler import GroupRows
from rzen.data.mixture_spec import MixtureSpec
from rzen.data.sources.directions import direction_name
from rzen.data.sources.source import Source
from rzen.data.sources.spec import SourceSpec

_Members: TypeAlias = Mapping[str, Sequence[tuple[int, NDArray[np.int64]]]]
"""Group -> the rows it has of each source."""


def group_rows(
    spec: MixtureSpec, sources: Sequence[Source], usable: Sequence[NDArray[np.bool_]]
) -> dict[str, GroupRows]:
    """The groups of a mixture, in the order of its sources.

    One for each task of a source, unless the recipe merges them.

    Args:
        spec: what is mixed how.
        sources: of the mixture.
        usable: for each source, which rows can be trained on.
    """
    members: dict[str, list[tuple[int, NDArray[np.int64]]]] = {}
    for number, source in enumerate(sources):
        tasks = np.unique(source.task_N[usable[number]]).tolist()
        for task in tasks:
            row_N = np.flatnonzero(usable[number] & (source.task_N == task))
            name = _name(spec, number, source, source.tasks[task], is_only=len(tasks) == 1)
            for group, part_N in _divided(spec, name, row_N, source.direction_N):
                members.setdefault(group, []).append((number, part_N))
    caps = _caps(spec, members)
    return {
        name: GroupRows(
            name=name,
            source_N=np.concatenate([np.full(len(part_N), n, np.int32) for n, part_N in parts]),
            row_N=np.concatenate([part_N for _, part_N in parts]),
            positive_N=np.concatenate(
                [_keys(spec.sources[n], sources[n], n, part_N) for n, part_N in parts]
            ),
            weight=spec.weights.get(name, 1.0),
            repeat={n: spec.sources[n].repeat for n, _ in parts},
            cap={n: caps[n, name] for n, _ in parts if (n, name) in caps},
        )
        for name, parts in members.items()
    }


def _keys(
    spec: SourceSpec, source: Source, number: int, row_N: NDArray[np.int64]
) -> NDArray[np.int64]:
    """(N,): what no batch holds twice: the rows' positives, or the rows, where those may be shared.

    Rows that all have one positive keep it, and are refused: nothing could be told apart.
    """
    positive_N = source.positive_N[row_N]
    if not spec.shared_positives or (positive_N == positive_N[0]).all():
        return positive_N
    # Spread over all of 64 bits, so that they meet no other source's keys.
    mixed_N = (row_N.astype(np.uint64) + np.uint64(number << 40)) * np.uint64(0x9E3779B97F4A7C15)
    return mixed_N.view(np.int64)


def _name(spec: MixtureSpec, number: int, source: Source, task: str, *, is_only: bool) -> str:
    if spec.sources[number].group:
        return spec.sources[number].group
    if task in spec.merge:
        return task
    return source.name if is_only else f"{source.name}: {task}"


def _divided(
    spec: MixtureSpec, name: str, row_N: NDArray[np.int64], direction_N: NDArray[np.int8]
) -> Iterator[tuple[str, NDArray[np.int64]]]:
    if not spec.by_direction:
        yield name, row_N
        return
    for direction in np.unique(direction_N[row_N]).tolist():
        yield f"{name} ({direction_name(direction)})", row_N[direction_N[row_N] == direction]


def _caps(spec: MixtureSpec, members: _Members) -> dict[tuple[int, str], int]:
    """Each source's cap, shared out to its groups by their rows; the largest remainders first."""
    found: dict[tuple[int, str], int] = {}
    for number, source in enumerate(spec.sources):
        rows = {
            name: sum(len(part_N) for each, part_N in parts if each == number)
            for name, parts in members.items()
        }
        total = sum(rows.values())
        if source.cap is None or source.cap >= total:
            continue
        exact = {name: source.cap * count / total for name, count in rows.items() if count}
        shares = {name: int(share) for name, share in exact.items()}
        by_remainder = sorted(shares, key=lambda name: shares[name] - exact[name])
        for name in by_remainder[: source.cap - sum(shares.values())]:
            shares[name] += 1
        found |= {(number, name): share for name, share in shares.items()}
    return found
