"""Explanations on a page: laid over what they explain, within the page's policy."""

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image

from rzen.media import preview
from rzen.render.explained import bars, middle, over, reach
from rzen.render.page import Block, Document, render
from rzen.types import Explanation, HeatMap, Hit


def explanation(*heats: list[list[float]], times: tuple[float, ...] = ()) -> Explanation:
    maps = [
        HeatMap(
            heat_HW=np.array(heat, np.float32),
            score=float(np.mean(heat)),
            time=times[at] if times else None,
        )
        for at, heat in enumerate(heats)
    ]
    return Explanation(similarity=0.5, maps=tuple(maps))


PREVIEW = preview.jpeg(np.full((60, 120, 3), 99, np.uint8))
CORNER = explanation([[0.1, 0.1, 0.1], [0.1, 0.1, 0.5]])


def pixels(png: bytes | None) -> np.ndarray:
    assert png is not None
    return np.asarray(Image.open(io.BytesIO(png)))


def test_the_overlay_has_the_preview_s_size_and_lies_the_right_way_round() -> None:
    """A map that is turned, or scaled otherwise than the picture beneath it."""
    found = pixels(over(CORNER, PREVIEW, 0.4))
    assert found.shape == (60, 120, 4)
    opacity = found[..., 3]
    assert opacity[-5:, -5:].min() > 150
    assert opacity[:, :40].max() == 0
    assert opacity[:20].max() < opacity[-5:, -5:].min()
    with_a_low_one = explanation([[0.0, 0.1, 0.1], [0.1, 0.1, 0.5]])
    assert pixels(over(with_a_low_one, PREVIEW, 0.4))[:20, 60:].max(axis=(0, 1))[3] < 40
    red, green, _, _ = found[-1, -1]
    assert red > 4 * green


def test_one_scale_for_all_hits_of_a_query() -> None:
    """A picture in which nothing stands out is painted red where noise is highest."""
    flat = explanation([[0.50, 0.50, 0.51]])
    most = reach({"one": CORNER, "other": flat})
    assert most == pytest.approx(0.4)
    assert pixels(over(flat, PREVIEW, most))[..., 3].max() < 10
    assert pixels(over(CORNER, PREVIEW, most))[..., 3].max() > 150


def test_a_level_map_shows_nothing() -> None:
    """Division by a range of zero."""
    level = explanation([[0.3, 0.3]])
    assert reach({"x": level}) == 0
    assert pixels(over(level, PREVIEW, 0.0))[..., 3].max() == 0
    assert reach({}) == 0


def test_a_damaged_preview_does_not_break_the_page() -> None:
    """One bad JPEG in an index, and no hit of the query can be looked at."""
    assert over(CORNER, b"no jpeg", 0.4) is None
    assert over(None, PREVIEW, 0.4) is None
    assert over(CORNER, None, 0.4) is None


def test_bars_follow_scores_and_say_their_times() -> None:
    """The highest bar is another frame's."""
    drawn = bars(explanation([[0.1]], [[0.4]], [[0.2]], times=(61.0, 65.0, 70.0)))
    heights = [float(each) for each in re.findall(r'<rect[^>]* height="([0-9.]+)"', drawn)]
    assert np.argsort(heights).tolist() == [0, 2, 1]
    assert min(heights) > 0
    assert re.findall(r'class="(bar[^"]*)"', drawn) == ["bars", "bar", "bar best", "bar"]
    assert re.findall(r">([0-9:. to]+)</text>", drawn) == ["1:01", "0.100 to 0.400", "1:10"]
    assert "the highest at 1:05" in drawn
    assert 'height="44"' in bars(explanation([[0.2]], [[0.2]]))


def test_the_page_shows_maps_within_its_policy() -> None:
    """A browser refuses styles of elements; a map over another hit misleads."""
    hits = [
        Hit(id="a", modality="image", uri="/a.png", score=1, preview=PREVIEW),
        Hit(id="b", modality="image", uri="/b.png", score=1, preview=PREVIEW),
        Hit(id="c", modality="video", uri="/c.mp4", score=1, t_start=0.0, t_end=9.0),
    ]
    why = {"b": CORNER, "c": explanation([[0.1]], [[0.2]], times=(0.0, 3.0))}
    html = render(Document(title="t", blocks=[Block(heading="h", hits=hits, explanations=why)]))
    cards = html.split("<article")[1:]
    assert ["data:image/png;base64," in card for card in cards] == [False, True, False]
    assert ["<svg" in card for card in cards] == [False, False, True]
    (encoded,) = re.findall(r"data:image/png;base64,([^\"]+)", html)
    assert base64.b64decode(encoded) == over(CORNER, PREVIEW, reach(why))
    assert "hottest 0.500, median 0.100" in cards[1]
    assert middle(CORNER.maps[0]) == pytest.approx(0.1)
    body = html.partition("<body>")[2]
    assert " style=" not in body
    assert "<style" not in body
    assert "<script" not in body
