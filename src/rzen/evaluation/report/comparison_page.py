"""Two runs over the same queries, set by set, as a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rzen.evaluation.comparison import ComparisonRow
from rzen.evaluation.report.charts import (
    difference_axis,
    difference_bar,
    round_reach,
    signed_percent,
)
from rzen.evaluation.report.page import Card, as_percent, html
from rzen.evaluation.statistics import holm
from rzen.render.report import Head, count
from rzen.render.svg import Svg

LEVEL = 0.05
"""A corrected p-value below it counts as a difference."""

Finding: TypeAlias = Literal["ahead", "behind", "unclear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    row: ComparisonRow
    corrected: str
    finding: Finding
    bar: Svg


def render_comparison(
    rows: Sequence[ComparisonRow],
    *,
    first: str,
    second: str,
    overall: ComparisonRow | None = None,
    facts: Mapping[str, str] | None = None,
    warnings: Sequence[str] = (),
) -> str:
    """A comparison as one HTML page that needs nothing else.

    The p-values of the sets are corrected here (:func:`holm`); that of the overall difference is
    one question by itself and stays as it is.

    Args:
        rows: one for each set.
        first: name of the first run.
        second: name of the second run.
        overall: of the means over the sets.
        facts: label -> value, for the head.
        warnings: what would mislead a reader who does not know it.
    """
    if first == second:
        first, second = f"{first} (first)", f"{second} (second)"
    reach = round_reach(
        max((max(abs(row.low), abs(row.high), abs(row.difference)) for row in rows), default=0.0)
    )
    corrected = holm([row.p_value for row in rows])
    lines = [_line(row, p_value, reach) for row, p_value in zip(rows, corrected, strict=True)]
    head = Head(
        kind="Comparison", title=f"{first} beside {second}", facts=facts or {}, warnings=warnings
    )
    return html(
        "comparison.html.j2",
        head,
        first=first,
        second=second,
        lines=lines,
        cards=_cards(overall, (first, second)),
        tally=_tally(lines, (first, second)),
        axis=difference_axis(reach),
    )


def p_value_text(p_value: float) -> str:
    """A p-value as it is read.

    >>> p_value_text(0.0321), p_value_text(0.0001)
    ('= 0.032', '< 0.001')
    """
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.3f}"


def _line(row: ComparisonRow, corrected: float, reach: float) -> _Line:
    significant = corrected < LEVEL
    finding: Finding = "unclear"
    if significant and row.difference:
        finding = "ahead" if row.difference > 0 else "behind"
    return _Line(
        row=row,
        corrected=p_value_text(corrected).removeprefix("= "),
        finding=finding,
        bar=difference_bar(
            row.difference, (row.low, row.high), row.set, reach=reach, significant=significant
        ),
    )


def _cards(overall: ComparisonRow | None, names: tuple[str, str]) -> list[Card]:
    if overall is None:
        return []
    bar = difference_bar(
        overall.difference,
        (overall.low, overall.high),
        "Overall",
        reach=round_reach(max(abs(overall.low), abs(overall.high), abs(overall.difference))),
        significant=overall.p_value < LEVEL,
        width=220,
    )
    note = f"difference of the means over the sets, p {p_value_text(overall.p_value)}"
    figures = {names[0]: as_percent(overall.first), names[1]: as_percent(overall.second)}
    return [
        Card(
            label="Overall",
            value=signed_percent(overall.difference),
            bar=bar,
            note=note,
            beside=figures,
        )
    ]


def _tally(lines: Sequence[_Line], names: tuple[str, str]) -> str:
    first = sum(line.finding == "ahead" for line in lines)
    second = sum(line.finding == "behind" for line in lines)
    return (
        f"{names[0]} is ahead in {count(first, 'set')}, {names[1]} in {count(second, 'set')}; "
        f"{count(len(lines) - first - second, 'set')} without a clear difference."
    )
