"""Charts: what is drawn is what the figures say, and labels stay text."""

from xml.etree.ElementTree import Element, fromstring

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rzen.evaluation.report.charts import (
    Mark,
    baseline_shapes,
    difference_bar,
    histogram,
    run_shapes,
    score_axis,
    score_bar,
    signed_percent,
)
from rzen.render.shown import shown
from rzen.render.svg import Svg

FRACTIONS = st.floats(0, 1)


def _parsed(drawing: Svg) -> Element:
    return fromstring(drawing)  # noqa: S314 - our own markup


def _one(drawing: Svg, name: str) -> dict[str, float]:
    [found] = [each for each in _parsed(drawing).iter() if each.get("class") == name]
    return {key: float(value) for key, value in found.items() if key in ("x", "width", "x1", "x2")}


@given(value=FRACTIONS, low=FRACTIONS, high=FRACTIONS)
def test_a_bar_and_its_whisker_are_as_long_as_the_figures_say(
    value: float, low: float, high: float
) -> None:
    """A bar drawn to another scale than its track or whisker would compare wrongly."""
    drawing = score_bar(value, "a set", interval=(low, high), width=214)
    track, bar = _one(drawing, "track"), _one(drawing, "bar")
    assert track["width"] == 200
    assert bar["x"] == track["x"]
    assert bar["width"] == pytest.approx(200 * value, abs=0.006)
    whisker = _one(drawing, "whisker")
    assert whisker["x1"] == pytest.approx(track["x"] + 200 * low, abs=0.006)
    assert whisker["x2"] == pytest.approx(track["x"] + 200 * high, abs=0.006)


def test_values_beside_the_scale_stay_inside_of_the_picture() -> None:
    """A figure above 1, or none at all, must not draw over the neighbouring column."""
    assert _one(score_bar(1.7, "a", width=214), "bar")["width"] == 200
    assert _one(score_bar(-0.2, "a", width=214), "bar")["width"] == 0
    assert _one(score_bar(float("nan"), "a", width=214), "bar")["width"] == 0


def test_the_dashed_line_stands_at_the_best_baseline() -> None:
    """Drawn at the first one, a set would look better than a baseline that beats it."""
    shapes = baseline_shapes(["random", "words", "new"])
    values = {"random": 0.1, "words": 0.6, "new": 0.3}
    marks = [
        Mark(name=name, value=values[name], shape=shape, kind="baseline")
        for name, shape in shapes.items()
    ]
    drawing = score_bar(0.5, "a", marks=marks, width=214)
    assert _one(drawing, "best")["x1"] == 7 + 200 * 0.6
    assert len(set(shapes.values())) == 3, "shapes tell the marks apart where colours cannot"
    for name, value in values.items():
        assert f"{name} {100 * value:.1f}" in (_parsed(drawing).get("aria-label") or "")


def test_other_runs_and_baselines_have_lanes_of_their_own() -> None:
    """In one lane, a run beside a baseline of the same score would hide it."""
    marks = [
        Mark(name="mini", value=0.3, shape=run_shapes(["mini"])["mini"], kind="run"),
        Mark(name="words", value=0.3, shape="square", kind="baseline"),
    ]
    picture = _parsed(score_bar(0.5, "a", marks=marks))
    [circle] = picture.iter("circle")
    [bar] = [each for each in picture.iter("rect") if each.get("class") == "bar"]
    [square] = [each for each in picture.iter("path") if each.get("class") == "square"]
    top = float(bar.get("y", ""))
    assert float(circle.get("cy", "")) < top
    corners = (square.get("d") or "").strip("MZ").split("L")
    assert all(float(corner.split()[1]) > top + 10 for corner in corners)


@given(difference=st.floats(-1, 1), reach=st.floats(0.01, 1))
def test_a_difference_runs_from_the_middle_to_its_side(difference: float, reach: float) -> None:
    """A bar to the wrong side would name the wrong run as the better one."""
    drawing = difference_bar(
        difference, (difference, difference), "a", reach=reach, significant=True, width=214
    )
    bar = _one(drawing, "bar gain" if difference >= 0 else "bar loss")
    length = min(abs(difference) / reach, 1) * 100
    assert bar["width"] == pytest.approx(length, abs=0.006)
    assert bar["x"] == pytest.approx(107 if difference >= 0 else 107 - length, abs=0.006)


def test_an_insignificant_difference_is_drawn_hollow_and_says_so() -> None:
    """Colour alone would not reach those who do not see it."""
    drawing = difference_bar(0.1, (-0.1, 0.3), "a", reach=0.5, significant=False)
    assert 'class="bar gain hollow"' in drawing
    assert "not significant" in (_parsed(drawing).get("aria-label") or "")


def test_a_histogram_draws_shares_of_each_total() -> None:
    """As counts, a million wrong pairs would leave a hundred right ones invisible."""
    drawing = histogram((0, 10, 0), (1_000_000, 0, 0), "a", bounds=(-0.1, 0.2), height=118)
    tops = {}
    for each in _parsed(drawing).iter("path"):
        heights = [float(point.split()[1]) for point in (each.get("d") or "")[1:].split("L")]
        tops[each.get("class")] = min(heights)
    assert tops == {"wrong": 4, "right": 4}
    texts = [each.text for each in _parsed(drawing).iter("text")]
    assert texts == ["\N{MINUS SIGN}0.1", "0.0", "0.1", "0.2"]


def test_a_histogram_of_nothing_can_be_drawn() -> None:
    """A set without a right pair of a modality must not stop the page."""
    drawing = histogram((0, 0), (0, 3), "a", bounds=(-1.0, 1.0))
    assert [each.get("class") for each in _parsed(drawing).iter("path")] == ["wrong"]


@given(st.text())
def test_any_label_gives_whole_markup(label: str) -> None:
    """A name with markup, control characters or half a pair must not break the page."""
    picture = _parsed(score_bar(0.5, label))
    assert picture.findtext("title", default="").startswith(shown(label)[:40])
    assert not [each for each in picture.iter() if each.tag == "script"]


@given(st.text(st.characters(codec=None)))
def test_text_that_is_shown_can_be_written_and_hides_nothing(text: str) -> None:
    """An override of the writing direction makes a name read as another one."""
    fit = shown(text)
    fit.encode("utf-8")
    assert shown(fit) == fit
    assert not set(fit) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\x00\x1b")


def test_no_chart_carries_a_style() -> None:
    """The policy of the page refuses style attributes: such a chart would be black."""
    for drawing in (score_bar(0.5, "a", interval=(0.4, 0.6)), score_axis()):
        assert "style=" not in drawing


def test_a_difference_that_rounds_to_nothing_has_no_sign() -> None:
    """ "-0.0" reads as if something had been lost."""
    assert signed_percent(-0.0001) == "0.0"
