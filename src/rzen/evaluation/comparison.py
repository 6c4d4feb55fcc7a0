"""Two runs over the same queries: is the difference more than chance?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rzen.errors import DataError
from rzen.evaluation.metrics import per_query
from rzen.evaluation.outcome import RunOutcome, SetOutcome
from rzen.evaluation.predictions import predictions_hash, read_predictions
from rzen.evaluation.run_folder import predictions_file, read_run
from rzen.evaluation.statistics import Comparison, compare, compare_over_sets, holm

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonRow:
    """One set of two runs.

    Attributes:
        set: its name.
        first: the first run's main figure, a fraction.
        second: the second's.
        difference: first less second.
        low: of the interval of the difference (95 %).
        high: of the interval of the difference.
        p_value: of this set alone, not corrected.
    """

    set: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """What :func:`compare_runs` finds.

    Attributes:
        first: name of the first run's encoder.
        second: of the second's.
        rows: one for each set that both ran over the same data.
        overall: of the plain mean over those sets.
        facts: label -> value.
        warnings: what would mislead a reader who does not know it.
    """

    first: str
    second: str
    rows: tuple[ComparisonRow, ...]
    overall: ComparisonRow
    facts: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """The comparison as JSON; ``p_holm`` is corrected for the number of sets."""
        corrected = holm([row.p_value for row in self.rows])
        return {
            "first": self.first,
            "second": self.second,
            **self.facts,
            "overall": _row_document(self.overall),
            "sets": [
                {**_row_document(row), "p_holm": p_value}
                for row, p_value in zip(self.rows, corrected, strict=True)
            ],
            "warnings": list(self.warnings),
        }


def compare_runs(first: Path, second: Path) -> RunComparison:
    """Compares two runs query by query, on the main figure of each set.

    Args:
        first: the folder of a run.
        second: the folder of the other.

    Raises:
        DataError: if one is no whole run, they differ in suite, split or limit or in the version
            of every set, or predictions are not those that were scored.
        MissingExtraError: if a library of the extra ``eval`` is not installed.
    """
    one, other = read_run(first), read_run(second)
    found = _matched(one, other, f"{first} and {second}")
    pairs = [(_values(first, mine), _values(second, theirs)) for mine, theirs in found.pairs]
    rows = [
        _row(mine.name, mine.value, theirs.value, _compared(mine.name, *pair))
        for (mine, theirs), pair in zip(found.pairs, pairs, strict=True)
    ]
    mean, other_mean = (
        sum(getattr(row, which) for row in rows) / len(rows) for which in ("first", "second")
    )
    both = compare_over_sets([mine for mine, _ in pairs], [theirs for _, theirs in pairs])
    return RunComparison(
        first=one.encoder,
        second=other.encoder,
        rows=tuple(rows),
        overall=_row("mean over sets", mean, other_mean, both),
        facts={
            "suite": one.suite,
            "version": " and ".join(dict.fromkeys((one.version, other.version))),
            "split": one.split,
            "limit": "none" if one.limit is None else str(one.limit),
        },
        warnings=tuple(_warnings(one, other, found.changed)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Matched:
    """The sets that both ran, and the names of those whose data had changed in between."""

    pairs: tuple[tuple[SetOutcome, SetOutcome], ...]
    changed: tuple[str, ...]


def _matched(one: RunOutcome, other: RunOutcome, where: str) -> _Matched:
    for name in ("suite", "split", "limit"):
        mine, theirs = getattr(one, name), getattr(other, name)
        if mine != theirs:
            raise DataError(
                f"{where} do not compare: {name} {mine} and {theirs}: run both over the same data"
            )
    by_name = {each.name: each for each in other.sets}
    common = [(each, by_name[each.name]) for each in one.sets if each.name in by_name]
    if not common:
        raise DataError(f"{where} have no set in common: there is nothing to compare")
    pairs = tuple(pair for pair in common if pair[0].version == pair[1].version)
    if not pairs:
        raise DataError(
            f"{where} do not compare: version {one.version} and {other.version}, no set is of the "
            "same data: run both over the same data"
        )
    compared = {mine.name for mine, _ in pairs}
    changed = tuple(mine.name for mine, _ in common if mine.name not in compared)
    return _Matched(pairs=pairs, changed=changed)


def _values(folder: Path, each: SetOutcome) -> NDArray[np.float64]:
    """The main figure of each query.

    Queries are paired by their place: other predictions, or the same in another order, would make
    a comparison of anything with anything.
    """
    file = predictions_file(folder, each.name)
    rankings = read_predictions(file).rankings
    values_B = per_query(rankings)[each.metric]
    is_same = predictions_hash(rankings) == each.predictions
    if not is_same or abs(float(values_B.mean()) - each.value) > _ROUNDING:
        raise DataError(
            f"{file} does not hold the predictions that gave the run's {each.metric} of "
            f"{each.value:.4f}: it was changed; run the same command again, it makes them anew"
        )
    return values_B


def _compared(name: str, mine: NDArray[np.float64], theirs: NDArray[np.float64]) -> Comparison:
    try:
        return compare(mine, theirs)
    except DataError as error:
        raise DataError(f"set {name!r}: {error}") from None


def _row(name: str, first: float, second: float, found: Comparison) -> ComparisonRow:
    return ComparisonRow(
        set=name,
        first=first,
        second=second,
        difference=found.difference,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
    )


def _row_document(row: ComparisonRow) -> dict[str, Any]:
    return {name: getattr(row, name) for name in row.__slots__}


def _warnings(one: RunOutcome, other: RunOutcome, changed: Sequence[str]) -> list[str]:
    mine, theirs = ({each.name for each in run.sets} for run in (one, other))
    said = [
        f"only {run.encoder} was run on {', '.join(sorted(alone))}: left out of the comparison"
        for run, alone in ((one, mine - theirs), (other, theirs - mine))
        if alone
    ]
    if changed:
        said.append(
            f"the data of {', '.join(changed)} changed between the runs: left out of the comparison"
        )
    if one.limit is not None:
        said.append(f"only the first {one.limit} queries of each set: not the suite's own figures")
    return said
