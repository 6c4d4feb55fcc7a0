"""What an explanation looks like: a map over a preview, bars for the frames of a video."""

from collections.abc import Mapping
from xml.etree.ElementTree import Element

import numpy as np
from numpy.typing import NDArray

from rzen.errors import MediaError
from rzen.media import preview
from rzen.render import svg
from rzen.types import Explanation, HeatMap, clock

_COLD, _HOT = (255, 214, 10), (214, 20, 20)
_MOST_OPAQUE = 0.7
_WIDTH, _HEIGHT, _LABEL = 200.0, 44.0, 12.0


def reach(explanations: Mapping[str, Explanation]) -> float:
    """How far the hottest place of all lies above the middle of its own map.

    One scale for all hits of a query: a picture in which nothing stands out is not painted as if
    something did. Only differences within a map count: a whole map may lie higher than another
    for reasons of the encoder's.
    """
    stills = [one.maps[0] for one in explanations.values() if len(one.maps) == 1]
    return max((hottest(one) - middle(one) for one in stills), default=0.0)


def over(explanation: Explanation | None, jpeg: bytes | None, most: float) -> bytes | None:
    """A PNG that lies over a preview: clear where its map is at its median or below.

    Args:
        explanation: of a picture or a page; ``None``, or of several pictures, gives ``None``.
        jpeg: the preview, whose size the overlay gets.
        most: how far above the median is red (:func:`reach`).
    """
    if explanation is None or jpeg is None or len(explanation.maps) != 1:
        return None
    one = explanation.maps[0]
    above_HW = np.clip(one.heat_HW - middle(one), 0.0, None)
    try:
        return preview.png(_coloured(above_HW / most if most else above_HW), preview.size(jpeg))
    except MediaError:  # a preview that cannot be read is not shown either
        return None


def hottest(one: HeatMap) -> float:
    """The highest cosine of a map."""
    return float(one.heat_HW.max())


def middle(one: HeatMap) -> float:
    """The median of a map: what most of a picture is like."""
    return float(np.median(one.heat_HW))


def _coloured(scaled_HW: NDArray[np.float32]) -> NDArray[np.uint8]:
    """(H, W, 4) RGBA of values from 0 to 1."""
    heat_HW1 = scaled_HW[..., None]
    colours = np.array(_COLD) * (1 - heat_HW1) + np.array(_HOT) * heat_HW1
    return np.asarray(
        np.concatenate([colours, 255 * _MOST_OPAQUE * heat_HW1], -1).round(), np.uint8
    )


def bars(explanation: Explanation) -> svg.Svg:
    """The scores of a video's frames, from its first to its last.

    Bars begin at the lowest score, less a tenth of the range: what they compare is frames.
    """
    scores = [each.score for each in explanation.maps]
    low, high = min(scores), max(scores)
    best = scores.index(high)
    told = f"scores of {len(scores)} frames: {low:.3f} to {high:.3f}"
    if (time := explanation.maps[best].time) is not None:
        told += f", the highest at {clock(time)}"
    picture = svg.figure(told, "bars", _WIDTH, _HEIGHT + _LABEL)
    step = _WIDTH / len(scores)
    floor = low - 0.1 * (high - low)
    for number, score in enumerate(scores):
        height = _HEIGHT * ((score - floor) / (high - floor) if high > floor else 1.0)
        svg.add(
            picture,
            "rect",
            "bar best" if number == best else "bar",
            x=number * step,
            y=_HEIGHT - height,
            width=max(step - 1, step * 0.8),
            height=height,
        )
    first, last = (explanation.maps[at].time for at in (0, -1))
    _note(picture, "start", 0.0, "" if first is None else clock(first))
    _note(picture, "middle", _WIDTH / 2, f"{low:.3f} to {high:.3f}")
    _note(picture, "end", _WIDTH, "" if last is None else clock(last))
    return svg.markup(picture)


def _note(picture: Element, anchor: str, x: float, text: str) -> None:
    svg.add(picture, "text", "when", x=x, y=_HEIGHT + _LABEL - 1, text_anchor=anchor).text = text
