"""The page of two runs: which differences count, and for whom."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rzen.evaluation.comparison import ComparisonRow
from rzen.evaluation.report.comparison_page import render_comparison
from rzen.evaluation.statistics import holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def _row(name: str, difference: float, p_value: float) -> ComparisonRow:
    return ComparisonRow(
        set=name,
        first=0.5 + difference,
        second=0.5,
        difference=difference,
        low=difference - 0.02,
        high=difference + 0.02,
        p_value=p_value,
    )


def _text(html: str) -> str:
    return " ".join(re.sub(r"<[^>]*>", " ", html.split("<main>")[1]).split())


def test_holm_by_hand() -> None:
    """Without the correction, one of twenty sets is called different by chance alone."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(P_VALUES)
def test_corrected_values_keep_their_order_and_never_fall(p_values: list[float]) -> None:
    """A correction that favours anything is none."""
    corrected = holm(p_values)
    pairs = sorted(zip(p_values, corrected, strict=True))
    assert all(after >= before for before, after in pairs)
    assert [after for _, after in pairs] == sorted(corrected)
    assert min(corrected) == pytest.approx(min(1, min(p_values) * len(p_values)))


def test_only_differences_that_survive_the_correction_are_marked() -> None:
    """0.03 alone would count; beside another set it does not."""
    rows = [_row("a", 0.1, 0.001), _row("b", -0.1, 0.04), _row("c", 0.1, 0.03)]
    html = render_comparison(rows, first="tuned", second="mini")
    text = _text(html)
    assert "tuned is ahead in 1 set, mini in 0 sets; 2 sets without a clear difference." in text
    assert len(re.findall('class="bar gain"', html)) == 1
    assert len(re.findall('class="bar gain hollow"', html)) == 1
    assert len(re.findall('class="bar loss hollow"', html)) == 1
    assert "c +10.0 +8.0 to +12.0" in text
    assert "0.060" in text


def test_the_run_that_lost_is_called_behind() -> None:
    """A swapped sign would recommend the worse model."""
    text = _text(render_comparison([_row("a", -0.1, 0.001)], first="tuned", second="mini"))
    assert "tuned is ahead in 0 sets, mini in 1 set" in text
    assert re.search(r"a \S*10\.0 .* behind 0\.001 40\.0 50\.0", text)


def test_bars_share_one_scale() -> None:
    """Each drawn to its own, all differences would look alike."""
    html = render_comparison([_row("a", 0.1, 0.5), _row("b", 0.05, 0.5)], first="x", second="y")
    widths = [
        float(each) for each in re.findall(r'class="bar gain hollow"[^>]* width="([\d.]+)"', html)
    ]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.02)
    assert widths[0] == pytest.approx(123 * 0.1 / 0.2, abs=0.02)


def test_the_overall_difference_is_one_question_of_its_own() -> None:
    """It is not one of the many: correcting it, or counting it as a set, would be wrong."""
    rows = [_row("a", 0.1, 0.02)]
    html = render_comparison(
        rows, first="x", second="y", overall=_row("overall", 0.04, 0.03), facts={"suite": "s"}
    )
    assert "p = 0.030" in _text(html)
    assert "x is ahead in 1 set" in _text(html)
    assert re.search(r'class="bar gain"[^>]*', html)


def test_hostile_names_stay_text_and_equal_names_are_told_apart() -> None:
    """Names of sets and runs come from files."""
    evil = '"><script>alert(1)</script>\u202e\ud83d'
    html = render_comparison(
        [_row(evil, 0.1, 0.5)], first=evil, second=evil, facts={evil: evil}, warnings=[evil]
    )
    html.encode("utf-8")
    assert "<script" not in html
    assert "style=" not in html
    assert "\u202e" not in html
    assert "(first)" in html
    assert "(second)" in html


def test_no_rows_give_a_page() -> None:
    """Two runs without a common set still say so."""
    assert "0 sets without a clear difference" in _text(
        render_comparison([], first="x", second="y")
    )
