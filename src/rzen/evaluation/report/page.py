"""What all report pages share: one HTML file that needs nothing else, with no script in it.

What a page shows (names, texts, reasons) is data: every expression of a template is escaped, and
freed of control characters, before it is written. A strict content-security policy backs that up.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from rzen.evaluation.report.charts import Mark, legend_mark, percent, score_bar, signed_percent
from rzen.render.shown import shown
from rzen.render.svg import Svg

ABSENT = "\u2013"
CARD_WIDTH = 200.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The top of a page.

    Attributes:
        kind: of the report, in a word or two.
        title: what it is about.
        facts: label -> value.
        warnings: what would mislead a reader who does not know it.
    """

    kind: str
    title: str
    facts: Mapping[str, str] = field(default_factory=dict)
    warnings: Sequence[str] = ()


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


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "set"), count(1200, "query")
    ('1 set', '1,200 queries')
    """
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun[:-1]}ies" if noun.endswith("y") else f"{number:,} {noun}s"


def html(template: str, head: Head, **context: object) -> str:
    """A page as HTML.

    Args:
        template: its file.
        head: the top of it.
        **context: what the template shows.
    """
    style = _resource("page.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    found = _environment().get_template(template)
    return str(found.render(head=head, style=style, style_hash=digest, **context))


def _data_url(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")


def _made_fit(value: object) -> object:
    """Text without what a page cannot carry; markup stays as it is."""
    return shown(value) if isinstance(value, str) and not hasattr(value, "__html__") else value


def _cosine(value: float) -> str:
    return f"{value:.3f}".replace("-", "\u2212")


@cache
def _resource(name: str) -> str:
    return files("rzen.evaluation.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _environment() -> Any:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        autoescape=True,
        finalize=_made_fit,
        loader=FunctionLoader(_resource),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=percent,
        signed=signed_percent,
        as_percent=as_percent,
        cosine=_cosine,
        count=count,
        data_url=_data_url,
    )
    return environment
