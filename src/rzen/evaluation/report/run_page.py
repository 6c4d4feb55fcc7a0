"""Reports of evaluations as pages and as JSON."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from rzen.data.retrieval_set import RetrievalSet
from rzen.evaluation.outcome import Cost, RunOutcome
from rzen.evaluation.report import overview
from rzen.evaluation.report.charts import (
    Mark,
    baseline_shapes,
    histogram,
    run_shapes,
    score_axis,
    score_bar,
)
from rzen.evaluation.report.exhibits import Exhibit, exhibits
from rzen.evaluation.report.overview import Row, Separation
from rzen.evaluation.report.page import ABSENT, Card, html, legend, mean_card
from rzen.render.report import Head, count
from rzen.render.svg import Svg
from rzen.types import clock

FAILURES = 5
_REASONS = 20
_LARGE_BAR = 420.0
_GROUPS = {
    "image": "Pictures",
    "video": "Videos",
    "visdoc": "Document pages",
    "text": "Texts",
    "mixed": "Mixed pool",
}
_MODALITIES = {"text": "Texts", "image": "Pictures", "video": "Videos", "page": "Pages"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scores:
    """All figures of a set: one line for each name, one column for each cut."""

    cuts: Sequence[str]
    lines: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Line:
    """One set, as the overview and its own section show it."""

    number: int
    row: Row
    marks: Sequence[Mark]
    bar: Svg
    large_bar: Svg
    scores: _Scores
    exhibits: Sequence[Exhibit]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Group:
    label: str
    note: str
    lines: Sequence[_Line]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reasons:
    """Names with reasons, cut to what a page holds."""

    total: int
    shown: Sequence[tuple[str, str]]

    @property
    def more(self) -> int:
        return self.total - len(self.shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pool:
    label: str
    auc: float | None
    overlap: float | None
    chart: Svg
    note: str


def render_run(
    run: RunOutcome,
    sets: Callable[[str], RetrievalSet] | None,
    *,
    others: Sequence[RunOutcome] = (),
) -> str:
    """A run as one HTML page that needs nothing else.

    Args:
        run: what is reported.
        sets: name -> the set that was run, for the pictures of its failures; ``None`` leaves them
            out. What it cannot give, or what cannot be opened, is told on the page.
        others: runs to show beside it; those of another suite, version, split or limit are named
            on the page and left out.

    Raises:
        DataError: if a histogram has another number of bins than ours.
    """
    compared = overview.beside(run, others)
    shapes = run_shapes(tuple(compared.runs))
    table = overview.rows(run, compared.runs)
    lines = [_line(row, at, shapes, sets) for at, row in enumerate(table, 1)]
    groups = _groups(run, lines)
    return html(
        "run.html.j2",
        _head(run, compared),
        run=run,
        cards=_cards(run, compared.runs, shapes),
        tally=_tally(table),
        marks=legend([mark for line in lines for mark in line.marks]),
        axis=score_axis(),
        groups=groups,
        failed={each.name: _reasons(each.failed) for each in run.sets if each.failed},
        remarks=[each for each in run.sets if each.notes or each.ties or each.duplicates],
        pools=_pools(overview.separations(run)),
        costs={each.name: _cost_figures(each.cost) for each in run.sets},
        whole_cost=_cost_figures(overview.total([each.cost for each in run.sets])),
        seconds=_duration(run.seconds),
    )


def _head(run: RunOutcome, compared: overview.Beside) -> Head:
    warnings = []
    if run.limit is not None:
        warnings.append(
            f"This run took at most {count(run.limit, 'query')} of each set. Its figures do not "
            "compare with those of a full run or of another limit."
        )
    if run.overall is None:
        warnings.append(
            f"{count(len(run.skipped), 'set')} of the suite did not run, so there is no overall "
            "figure; a group of which a set is missing has no mean."
        )
    warnings += [
        f"The run of {label} is left out: {why}. Such figures do not compare."
        for label, why in compared.left_out.items()
    ]
    facts = {
        "suite": run.suite,
        "version": run.version,
        "split": run.split,
        "encoder": run.encoder,
        "limit": "none" if run.limit is None else f"{run.limit} queries a set",
        "finished": re.sub(r"^(\d+-\d+-\d+)T(\d+:\d+).*$", r"\1 \2 UTC", run.finished),
        "rzen": run.rzen,
    }
    return Head(
        kind="Evaluation", title=f"{run.encoder} on {run.suite}", facts=facts, warnings=warnings
    )


def _cards(
    run: RunOutcome, runs: Mapping[str, RunOutcome], shapes: Mapping[str, str]
) -> list[Card]:
    cards = [
        mean_card(
            "Overall",
            run.overall,
            note=f"mean over {count(len(run.sets), 'set')}"
            if run.overall is not None
            else f"{len(run.sets)} of {len(run.sets) + len(run.skipped)} sets were run",
            marks=[
                *_run_marks({name: other.overall for name, other in runs.items()}, shapes),
                *_baseline_marks(overview.group_baselines(run.sets)),
            ],
        )
    ]
    for name in dict.fromkeys(each.group for each in run.sets):
        members = [each for each in run.sets if each.group == name]
        complete = name in run.groups
        cards.append(
            mean_card(
                _GROUPS.get(name, name),
                run.groups.get(name),
                note=f"mean over {count(len(members), 'set')}"
                if complete
                else f"{count(len(members), 'set')} were run, others of the group were not",
                marks=[
                    *_run_marks({to: other.groups.get(name) for to, other in runs.items()}, shapes),
                    *_baseline_marks(overview.group_baselines(members)),
                ],
            )
        )
    return cards


def _line(
    row: Row,
    number: int,
    shapes: Mapping[str, str],
    sets: Callable[[str], RetrievalSet] | None,
) -> _Line:
    each = row.outcome
    marks = [*_run_marks(row.others, shapes), *_baseline_marks(each.baselines)]
    interval = (each.low, each.high)
    return _Line(
        number=number,
        row=row,
        marks=marks,
        bar=score_bar(each.value, each.name, interval=interval, marks=marks),
        large_bar=score_bar(
            each.value, each.name, interval=interval, marks=marks, width=_LARGE_BAR
        ),
        scores=_scores(each.scores),
        exhibits=exhibits(each, sets, limit=FAILURES),
    )


def _groups(run: RunOutcome, lines: Sequence[_Line]) -> list[_Group]:
    """Lines by group and, within it, by family, each in the order in which it first appears."""
    names = list(dict.fromkeys(line.row.outcome.group for line in lines))
    families = list(dict.fromkeys(line.row.outcome.family for line in lines))
    ordered = sorted(
        lines,
        key=lambda line: (
            names.index(line.row.outcome.group),
            families.index(line.row.outcome.family),
        ),
    )
    return [
        _Group(
            label=_GROUPS.get(name, name),
            note=f"mean {100 * run.groups[name]:.1f}" if name in run.groups else "no mean",
            lines=list(members),
        )
        for name, members in groupby(ordered, key=lambda line: line.row.outcome.group)
    ]


def _run_marks(values: Mapping[str, float | None], shapes: Mapping[str, str]) -> list[Mark]:
    return [
        Mark(name=name, value=value, shape=shapes[name], kind="run")
        for name, value in values.items()
        if value is not None
    ]


def _baseline_marks(values: Mapping[str, float]) -> list[Mark]:
    shapes = baseline_shapes(values)
    return [
        Mark(name=name, value=value, shape=shapes[name], kind="baseline")
        for name, value in values.items()
    ]


def _tally(table: Sequence[Row]) -> str:
    """How many sets are better than trivial, and which are not."""
    better = sum(row.verdict == "better" for row in table)
    told = f"{better} of {count(len(table), 'set')} better than every baseline."
    at_chance = [row.outcome.name for row in table if "random" in row.unbeaten]
    if at_chance:
        told += f" Not better than chance: {', '.join(at_chance)}."
    return told


def _scores(scores: Mapping[str, float]) -> _Scores:
    parts = [(*key.rpartition("@")[::2], value) for key, value in scores.items()]
    cuts = list(dict.fromkeys(cut for name, cut, _ in parts if name))
    lines: dict[str, list[str]] = {}
    for name, cut, value in parts:
        if name:
            cells = lines.setdefault(name, [ABSENT] * len(cuts))
            cells[cuts.index(cut)] = f"{100 * value:.1f}"
        else:
            lines[cut] = [f"{100 * value:.1f}", *[""] * (len(cuts) - 1)]
    return _Scores(cuts=[f"@{cut}" for cut in cuts] or ["%"], lines=lines)


def _reasons(entries: Mapping[str, str]) -> _Reasons:
    return _Reasons(total=len(entries), shown=list(entries.items())[:_REASONS])


def _pools(found: Mapping[str, Separation]) -> list[_Pool]:
    bins = overview.bounds([each.histogram for each in found.values()])
    return [
        _Pool(
            label=_MODALITIES.get(modality, modality),
            auc=each.auc,
            overlap=each.overlap,
            chart=histogram(
                each.histogram.right[bins],
                each.histogram.wrong[bins],
                f"Cosines with documents of the kind {modality}, right and wrong",
                bounds=overview.edges(bins),
            ),
            note=f"{sum(each.histogram.right):,} right, {sum(each.histogram.wrong):,} wrong; "
            f"{', '.join(each.sets)}",
        )
        for modality, each in found.items()
    ]


def _cost_figures(cost: Cost) -> list[str]:
    known = cost.items + cost.cached
    timed = cost.items > 0 and cost.seconds > 0
    return [
        f"{cost.items:,}",
        f"{cost.cached:,} ({100 * cost.cached / known:.0f} %)" if known else ABSENT,
        f"{cost.seconds:,.1f}",
        f"{cost.items / cost.seconds:,.1f}" if timed else ABSENT,
        ABSENT if cost.tokens is None else f"{cost.tokens:,}",
        f"{cost.tokens / cost.seconds:,.0f}" if timed and cost.tokens is not None else ABSENT,
        f"{cost.peak_bytes / 2**20:,.0f} MiB" if cost.peak_bytes else ABSENT,
    ]


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{clock(seconds)} {'min' if seconds < 3600 else 'h'}"
