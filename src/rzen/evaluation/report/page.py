"""What the reports of evaluations share: cards of means, marks, figures in percent."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rzen.evaluation.report.charts import Mark, legend_mark, percent, score_bar, signed_percent
from rzen.render.report import Head, ReportPages
from rzen.render.svg import Svg

ABSENT = "\u2013"
CARD_WIDTH = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One large figure.

    Attributes:
        label: what it is the figure of.
        value: in percent; ``ABSENT`` where there is none.
        bar: drawn beneath it.
        note: such as how many sets it is the mean of.
        beside: name -> value, for other runs or files.
    """

    label: str
    value: str
    bar: Svg | None = None
    note: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)


def mean_card(label: str, value: float | None, *, note: str, marks: Sequence[Mark] = ()) -> Card:
    """A card of a mean, with the same mean of others beside it."""
    bar = None if value is None else score_bar(value, label, marks=marks, width=CARD_WIDTH)
    return Card(
        label=label,
        value=as_percent(value),
        bar=bar,
        note=note,
        beside={mark.name: percent(mark.value) for mark in marks if mark.kind == "run"},
    )


def as_percent(value: float | None) -> str:
    """A fraction in percent; a dash where there is none."""
    return ABSENT if value is None else percent(value)


def legend(marks: Sequence[Mark]) -> list[tuple[str, Svg]]:
    """Name and drawing of each mark that occurs, once."""
    drawn = {mark.name: legend_mark(mark.shape, mark.kind) for mark in marks}
    return list(drawn.items())


def html(template: str, head: Head, **context: object) -> str:
    """A page as HTML.

    Args:
        template: its file.
        head: the top of it.
        **context: what the template shows.
    """
    return _PAGES.html(template, head, **context)


def _cosine(value: float) -> str:
    return f"{value:.3f}".replace("-", "\u2212")


_PAGES = ReportPages(
    "rzen.evaluation.report",
    filters={
        "percent": percent,
        "signed": signed_percent,
        "as_percent": as_percent,
        "cosine": _cosine,
    },
)
