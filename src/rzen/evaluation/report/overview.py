"""What the sets of a run come to when they are read side by side: verdicts, pools and totals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from rzen.errors import DataError
from rzen.evaluation.outcome import BINS, Cost, Histogram, RunOutcome, SetOutcome

Verdict: TypeAlias = Literal["better", "not better", "worse", "no baseline"]

_BIN_WIDTH = 2 / BINS


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One set beside its baselines and the same set of other runs.

    Attributes:
        outcome: the set.
        others: label of another run -> its main figure.
        beats: baseline -> whether the whole interval lies above it.
        verdict: "worse" if the interval lies below a baseline, "not better" if it holds one.
    """

    outcome: SetOutcome
    others: Mapping[str, float]
    beats: Mapping[str, bool]
    verdict: Verdict

    @property
    def unbeaten(self) -> tuple[str, ...]:
        """The baselines that are not beaten, the strongest first."""
        baselines = self.outcome.baselines
        names = [name for name, beaten in self.beats.items() if not beaten]
        return tuple(sorted(names, key=lambda name: -baselines[name]))

    @property
    def finding(self) -> str:
        """The verdict in words."""
        if self.verdict == "no baseline":
            return "no baseline to compare with"
        if self.verdict == "better":
            return "better than every baseline"
        below = [name for name in self.unbeaten if self.outcome.high < self.outcome.baselines[name]]
        level = [name for name in self.unbeaten if name not in below]
        said = [
            f"{how} {_listed(names)}"
            for how, names in (("worse than", below), ("not better than", level))
            if names
        ]
        return ", ".join(said)

    def document(self) -> dict[str, Any]:
        """The row as JSON."""
        each = self.outcome
        return {
            "set": each.name,
            "group": each.group,
            "family": each.family,
            "metric": each.metric,
            "scope": each.scope,
            "value": each.value,
            "low": each.low,
            "high": each.high,
            "queries": each.queries,
            "documents": each.documents,
            "baselines": dict(each.baselines),
            "beats": dict(self.beats),
            "verdict": self.verdict,
            "others": dict(self.others),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Other runs that a run may be read beside.

    Attributes:
        runs: label -> run; the label is the encoder's name, numbered where it is taken.
        left_out: label -> why its figures do not compare.
    """

    runs: Mapping[str, RunOutcome]
    left_out: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Separation:
    """How well cosines tell right from wrong.

    Attributes:
        histogram: counts of all sets.
        auc: how often a label's cosine is above that of another document, ties counting half;
            ``None`` where one side is empty. Within the width of a bin.
        overlap: the share that the two distributions have in common; ``None`` as above.
        sets: names of those that were counted.
    """

    histogram: Histogram
    auc: float | None
    overlap: float | None
    sets: tuple[str, ...]


def beside(run: RunOutcome, others: Sequence[RunOutcome]) -> Beside:
    """Sorts other runs into those that compare with a run and those that do not."""
    runs: dict[str, RunOutcome] = {}
    left_out: dict[str, str] = {}
    for other in others:
        taken = {run.encoder, *runs, *left_out}
        label = next(
            name
            for number in range(1, len(others) + 3)
            if (name := other.encoder if number == 1 else f"{other.encoder} ({number})")
            not in taken
        )
        differing = [
            f"{what} {theirs} instead of {ours}"
            for what, ours, theirs in (
                ("suite", run.suite, other.suite),
                ("version", *_versions(run, other)),
                ("split", run.split, other.split),
                ("limit", run.limit or "none", other.limit or "none"),
            )
            if ours != theirs
        ]
        if differing:
            left_out[label] = ", ".join(differing)
        else:
            runs[label] = other
    return Beside(runs=runs, left_out=left_out)


def rows(run: RunOutcome, runs: Mapping[str, RunOutcome]) -> list[Row]:
    """One row for each set, in the order of the run."""
    values = {
        label: {each.name: each.value for each in other.sets} for label, other in runs.items()
    }
    return [
        Row(
            outcome=each,
            others={
                label: by_set[each.name] for label, by_set in values.items() if each.name in by_set
            },
            beats={name: each.low > value for name, value in each.baselines.items()},
            verdict=_verdict(each),
        )
        for each in run.sets
    ]


def summarise_run(run: RunOutcome, others: Sequence[RunOutcome] = ()) -> dict[str, Any]:
    """The report as JSON.

    Returns:
        the run's document, and ``rows`` (one for each set, with ``beats``: baseline -> whether the
        interval lies above it), ``others`` (label -> overall) and ``left_out`` (label -> why that
        run does not compare).
    """
    compared = beside(run, others)
    return {
        **run.document(),
        "rows": [row.document() for row in rows(run, compared.runs)],
        "others": {label: other.overall for label, other in compared.runs.items()},
        "left_out": dict(compared.left_out),
    }


def group_baselines(members: Sequence[SetOutcome]) -> dict[str, float]:
    """Means over sets of those baselines that all of them have."""
    if not members:
        return {}
    return {
        name: float(np.mean([each.baselines[name] for each in members]))
        for name in members[0].baselines
        if all(name in each.baselines for each in members)
    }


def separations(run: RunOutcome) -> dict[str, Separation]:
    """Modality of the document -> cosines of all sets in which a query ranks every document.

    Local candidates are chosen to be hard, or are few: they would be counted with others that are
    neither.

    Raises:
        DataError: if a histogram has another number of bins.
    """
    members: dict[str, list[tuple[str, Histogram]]] = {}
    for each in run.sets:
        if each.scope == "global":
            for modality, histogram in each.histograms.items():
                members.setdefault(modality, []).append((each.name, _checked(each, histogram)))
    return {modality: _separation(found) for modality, found in members.items()}


def bounds(histograms: Sequence[Histogram]) -> slice:
    """The bins between the first and the last that hold anything, and one more on either side."""
    counts = [each for histogram in histograms for each in (histogram.right, histogram.wrong)]
    used = np.flatnonzero(np.sum(counts, axis=0)) if counts else np.arange(BINS)
    if not len(used):
        return slice(0, BINS)
    return slice(max(int(used[0]) - 1, 0), min(int(used[-1]) + 2, BINS))


def edges(bins: slice) -> tuple[float, float]:
    """The cosines at both ends of a stretch of bins.

    >>> edges(slice(0, BINS))
    (-1.0, 1.0)
    """
    return -1 + bins.start * _BIN_WIDTH, -1 + bins.stop * _BIN_WIDTH


def total(costs: Sequence[Cost]) -> Cost:
    """Sums, and the highest peak; tokens only if no encoding left them untold."""
    tokens = [each.tokens for each in costs if each.items]
    known = [each for each in tokens if each is not None]
    return Cost(
        items=sum(each.items for each in costs),
        cached=sum(each.cached for each in costs),
        seconds=sum(each.seconds for each in costs),
        tokens=sum(known) if known and len(known) == len(tokens) else None,
        peak_bytes=max((each.peak_bytes for each in costs), default=0),
    )


def _versions(run: RunOutcome, other: RunOutcome) -> tuple[str, str]:
    """Of both runs; twice the same where the sets that both have are of the same data."""
    known = {each.name: each.version for each in run.sets}
    is_same = all(known.get(each.name, each.version) == each.version for each in other.sets)
    return (run.version, run.version) if is_same else (run.version, other.version)


def _verdict(each: SetOutcome) -> Verdict:
    if not each.baselines:
        return "no baseline"
    best = max(each.baselines.values())
    if each.low > best:
        return "better"
    return "worse" if each.high < best else "not better"


def _listed(names: Sequence[str]) -> str:
    return " or ".join("chance" if name == "random" else name for name in names)


def _checked(each: SetOutcome, histogram: Histogram) -> Histogram:
    for counts in (histogram.right, histogram.wrong):
        if len(counts) != BINS:
            raise DataError(
                f"set {each.name!r}: a histogram of {len(counts)} bins, {BINS} were expected: "
                "run rzen eval again with this version of rzen"
            )
    return histogram


def _separation(found: Sequence[tuple[str, Histogram]]) -> Separation:
    right = np.sum([histogram.right for _, histogram in found], axis=0)
    wrong = np.sum([histogram.wrong for _, histogram in found], axis=0)
    auc = overlap = None
    if right.sum() and wrong.sum():
        right_share, wrong_share = right / right.sum(), wrong / wrong.sum()
        below = np.cumsum(wrong_share) - wrong_share / 2
        auc = float(right_share @ below)
        overlap = float(np.minimum(right_share, wrong_share).sum())
    return Separation(
        histogram=Histogram(right=tuple(right.tolist()), wrong=tuple(wrong.tolist())),
        auc=auc,
        overlap=overlap,
        sets=tuple(name for name, _ in found),
    )
