"""Small charts as SVG that stands in a page's own markup: no script, no style attribute.

Shapes tell the marks apart where colours cannot. The figures that a chart draws are in its label
too, for those who do not see it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias
from xml.etree.ElementTree import Element, SubElement

from rzen.render import svg
from rzen.render.shown import shown

MarkKind: TypeAlias = Literal["baseline", "run"]

_PAD = 7.0
_BAR_HEIGHT = 10.0
_LANE = 13.0
_SIZE = 4.5
_BASELINE_SHAPES = {
    "random": "tick",
    "words": "diamond",
    "thumbnail": "square",
    "majority": "triangle",
}
_OTHER_BASELINES = "saltire"
_RUN_SHAPES = ("circle", "plus", "pennant", "hexagon")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A value beside a bar.

    Attributes:
        name: whose it is.
        value: a fraction.
        shape: as :func:`baseline_shapes` or :func:`run_shapes` gives it.
        kind: baselines and other runs have lanes and colours of their own.
    """

    name: str
    value: float
    shape: str
    kind: MarkKind


def percent(value: float) -> str:
    """A fraction as it stands in tables, where the sign is left out.

    >>> percent(0.4234), percent(1.0)
    ('42.3', '100.0')
    """
    return f"{100 * value:.1f}"


def signed_percent(value: float) -> str:
    r"""A difference of fractions, with a true minus sign.

    >>> signed_percent(0.021), signed_percent(-0.021) == "\N{MINUS SIGN}2.1", signed_percent(0.0)
    ('+2.1', True, '0.0')
    """
    size = f"{abs(100 * value):.1f}"
    if float(size) == 0:
        return size
    return ("+" if value > 0 else "\u2212") + size


def baseline_shapes(names: Iterable[str]) -> dict[str, str]:
    """Name -> shape; unknown baselines share one."""
    return {name: _BASELINE_SHAPES.get(name, _OTHER_BASELINES) for name in names}


def run_shapes(names: Sequence[str]) -> dict[str, str]:
    """Name -> shape; they repeat from the fifth run on."""
    return {name: _RUN_SHAPES[at % len(_RUN_SHAPES)] for at, name in enumerate(names)}


def score_bar(
    value: float,
    label: str,
    *,
    interval: tuple[float, float] | None = None,
    marks: Sequence[Mark] = (),
    width: float = 240,
) -> svg.Svg:
    """A fraction as a bar from 0 to 1, with its interval and marks to compare it with.

    Other runs lie above the bar, baselines below it; a dashed line carries the best baseline up
    to the bar, where the interval can be read against it.

    Args:
        value: in [0, 1].
        label: whose bar it is.
        interval: low and high of the whisker.
        marks: of baselines and other runs.
        width: in pixels.
    """
    runs = [mark for mark in marks if mark.kind == "run"]
    baselines = [mark for mark in marks if mark.kind == "baseline"]
    top = _LANE if runs else 3.0
    bottom = top + _BAR_HEIGHT
    height = bottom + (_LANE if baselines else 3.0)
    figure = svg.figure(_score_label(label, value, interval, marks), "score", width, height)
    span = width - 2 * _PAD
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        svg.line(figure, "grid", (_PAD + share * span, 0), (_PAD + share * span, height))
    svg.add(figure, "rect", "track", x=_PAD, y=top, width=span, height=_BAR_HEIGHT)
    length = _clipped(value) * span
    svg.add(figure, "rect", "bar", x=_PAD, y=top, width=length, height=_BAR_HEIGHT)
    if baselines:
        best = _PAD + _clipped(max(mark.value for mark in baselines)) * span
        for name in ("halo", "best"):
            svg.line(figure, name, (best, top - 2), (best, height - _LANE / 2))
    if interval is not None:
        _whisker(figure, [_PAD + _clipped(end) * span for end in interval], top + _BAR_HEIGHT / 2)
    for mark in marks:
        middle = top - _LANE / 2 if mark.kind == "run" else bottom + _LANE / 2
        _mark(figure, mark, _PAD + _clipped(mark.value) * span, middle)
    return svg.markup(figure)


def score_axis(width: float = 240) -> svg.Svg:
    """The scale above a column of :func:`score_bar`."""
    figure = svg.figure("Scale from 0 to 100 %", "axis", width, 14)
    span = width - 2 * _PAD
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        place = _PAD + share * span
        text = svg.add(figure, "text", "scale", x=place, y=10, text_anchor=_anchor(share))
        text.text = f"{100 * share:.0f}"
    return svg.markup(figure)


def legend_mark(shape: str, kind: MarkKind) -> svg.Svg:
    """One mark alone; the text beside it says what it is, so it is hidden from screen readers."""
    figure = Element("svg", {"class": "legend-mark", "width": "14", "height": "14"})
    figure.set("aria-hidden", "true")
    _mark(figure, Mark(name="", value=0.0, shape=shape, kind=kind), 7, 7)
    return svg.markup(figure)


def difference_bar(
    difference: float,
    interval: tuple[float, float],
    label: str,
    *,
    reach: float,
    significant: bool,
    width: float = 260,
) -> svg.Svg:
    """A difference as a bar to the left (negative) or right of the middle, with its interval.

    Args:
        difference: first less second.
        interval: low and high of it.
        label: whose bar it is.
        reach: the difference at either edge, more than 0.
        significant: a bar that is not is drawn hollow.
        width: in pixels.
    """
    low, high = interval
    told = f"{label}: difference {signed_percent(difference)} points"
    told += f", 95 % interval {signed_percent(low)} to {signed_percent(high)}"
    told += ", significant" if significant else ", not significant"
    height = 20.0
    figure = svg.figure(told, "difference", width, height)
    half = width / 2 - _PAD
    middle = width / 2
    for share in (-1.0, -0.5, 0.5, 1.0):
        svg.line(figure, "grid", (middle + share * half, 0), (middle + share * half, height))
    length = min(abs(difference) / reach, 1.0) * half
    start = middle if difference >= 0 else middle - length
    sign = "gain" if difference >= 0 else "loss"
    name = f"bar {sign}" if significant else f"bar {sign} hollow"
    svg.add(figure, "rect", name, x=start, y=5, width=length, height=_BAR_HEIGHT)
    svg.line(figure, "zero", (middle, 0), (middle, height))
    ends = [middle + max(-1.0, min(end / reach, 1.0)) * half for end in (low, high)]
    _whisker(figure, ends, height / 2)
    return svg.markup(figure)


def difference_axis(reach: float, width: float = 260) -> svg.Svg:
    """The scale above a column of :func:`difference_bar`."""
    figure = svg.figure(
        f"Scale from -{percent(reach)} to {percent(reach)} points", "axis", width, 14
    )
    half = width / 2 - _PAD
    for share in (-1.0, -0.5, 0.0, 0.5, 1.0):
        anchor = "middle" if abs(share) < 1 else ("start" if share < 0 else "end")
        place = width / 2 + share * half
        text = svg.add(figure, "text", "scale", x=place, y=10, text_anchor=anchor)
        text.text = f"{100 * share * reach:+g}".replace("-", "\u2212") if share else "0"
    return svg.markup(figure)


def histogram(
    right: Sequence[float],
    wrong: Sequence[float],
    label: str,
    *,
    bounds: tuple[float, float],
    width: float = 460,
    height: float = 130,
) -> svg.Svg:
    """Two distributions over the same bins, each drawn as shares of its own total.

    There are far more wrong documents than right ones: as counts, the right ones would not be seen.

    Args:
        right: counts of each bin, drawn filled.
        wrong: counts of each bin, drawn as an outline.
        label: what is counted.
        bounds: of the first and of the last bin.
        width: in pixels.
        height: in pixels.
    """
    assert len(right) == len(wrong), "the bins are the same"
    figure = svg.figure(label, "histogram", width, height)
    floor = height - 18.0
    shares = [[count / (sum(counts) or 1) for count in counts] for counts in (wrong, right)]
    most = max((share for each in shares for share in each), default=0.0) or 1.0
    span = width - 2 * _PAD
    step = span / len(right)
    for name, each in zip(("wrong", "right"), shares, strict=True):
        if sum(each) == 0:
            continue
        points = [(_PAD, floor)]
        for at, share in enumerate(each):
            top = floor - share / most * (floor - 4)
            points += [(_PAD + at * step, top), (_PAD + (at + 1) * step, top)]
        points.append((_PAD + span, floor))
        svg.add(
            figure,
            "path",
            name,
            d="M" + "L".join(f"{svg.number(x)} {svg.number(y)}" for x, y in points),
        )
    svg.line(figure, "zero", (_PAD, floor), (_PAD + span, floor))
    low, high = bounds
    for tick in _ticks(low, high):
        place = _PAD + (tick - low) / (high - low) * span
        svg.line(figure, "zero", (place, floor), (place, floor + 3))
        anchor = _anchor((tick - low) / (high - low))
        text = svg.add(figure, "text", "scale", x=place, y=height - 4, text_anchor=anchor)
        text.text = f"{tick:.1f}".replace("-", "\u2212")
    return svg.markup(figure)


def round_reach(largest: float) -> float:
    """The next round number to draw a scale to.

    >>> round_reach(0.034), round_reach(0.2), round_reach(0.0)
    (0.05, 0.2, 0.01)
    """
    for reach in (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5):
        if largest <= reach:
            return reach
    return 1.0


def _score_label(
    label: str, value: float, interval: tuple[float, float] | None, marks: Sequence[Mark]
) -> str:
    told = f"{label}: {percent(value)} %"
    if interval is not None:
        told += f", 95 % interval {percent(interval[0])} to {percent(interval[1])}"
    return told + "".join(f"; {mark.name} {percent(mark.value)}" for mark in marks)


def _ticks(low: float, high: float) -> list[float]:
    """Tenths between the bounds, seven or so of them."""
    step = next(each for each in (1, 2, 5, 10) if (high - low) * 10 / each <= 8 or each == 10)
    first, last = math.ceil(low * 10 - 1e-9), math.floor(high * 10 + 1e-9)
    return [tenth / 10 for tenth in range(first, last + 1) if tenth % step == 0]


def _anchor(share: float) -> str:
    """Labels at the edges stay inside of the picture."""
    if share < 0.02:
        return "start"
    return "end" if share > 0.98 else "middle"


def _whisker(parent: Element, ends: Sequence[float], middle: float) -> None:
    low, high = ends
    for name in ("halo", "whisker"):  # the halo sets it off from the bar beneath
        svg.line(parent, name, (low, middle), (high, middle))
        for end in ends:
            svg.line(parent, f"{name} cap", (end, middle - 3.5), (end, middle + 3.5))


_POLYGONS: Mapping[str, Sequence[tuple[float, float]]] = {
    "diamond": ((0, -1), (1, 0), (0, 1), (-1, 0)),
    "square": ((-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)),
    "triangle": ((0, -0.95), (0.95, 0.8), (-0.95, 0.8)),
    "pennant": ((-0.8, -0.9), (0.9, 0), (-0.8, 0.9)),
    "hexagon": ((-0.5, -0.9), (0.5, -0.9), (1, 0), (0.5, 0.9), (-0.5, 0.9), (-1, 0)),
}
_STROKES: Mapping[str, Sequence[tuple[float, float]]] = {
    "tick": ((0, -1.1), (0, 1.1)),
    "saltire": ((-0.8, -0.8), (0.8, 0.8), (-0.8, 0.8), (0.8, -0.8)),
    "plus": ((-1, 0), (1, 0), (0, -1), (0, 1)),
}


def _mark(parent: Element, mark: Mark, x: float, y: float) -> None:
    group = SubElement(parent, "g", {"class": f"mark {mark.kind}"})
    if mark.name:
        SubElement(group, "title").text = shown(f"{mark.name} {percent(mark.value)}")
    if mark.shape == "circle":
        svg.add(group, "circle", mark.shape, cx=x, cy=y, r=_SIZE * 0.85)
        return
    stroked = mark.shape in _STROKES
    corners = (_STROKES if stroked else _POLYGONS)[mark.shape]
    places = [f"{svg.number(x + _SIZE * dx)} {svg.number(y + _SIZE * dy)}" for dx, dy in corners]
    path = "".join(
        ("L" if at % 2 or (at and not stroked) else "M") + place for at, place in enumerate(places)
    )
    svg.add(group, "path", mark.shape, d=path if stroked else path + "Z")


def _clipped(value: float) -> float:
    return min(1.0, max(0.0, value))
