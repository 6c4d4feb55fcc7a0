"""The page of public score files: nothing is averaged that is not there."""

from html.parser import HTMLParser

import pytest

from rzen.evaluation.mmeb.score_files import summarize
from rzen.evaluation.mmeb.sets import SETS
from rzen.evaluation.report.mmeb_page import render_mmeb

EVIL = "</b><script>alert(1)</script>\x00"


class _Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.labels: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self._in_cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.labels += [value or "" for name, value in attrs if name == "aria-label"]
        assert "style" not in dict(attrs)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        if tag in ("td", "th"):
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_cell:
            self.rows[-1][-1] += data

    def row(self, start: str) -> list[str]:
        [found] = [row for row in self.rows if row[0].strip() == start]
        return [" ".join(cell.split()) for cell in found]


def _summary(model: str = "ours", *, leave_out: tuple[str, ...] = (), value: float = 0.5) -> object:
    metrics: dict[str, dict[str, object]] = {"image": {}, "video": {}, "visdoc": {}}
    for each in SETS:
        if each.name not in leave_out:
            metrics[each.modality][each.name] = {each.metric: value}
    metrics["video"][EVIL] = {"hit@1": 0.1}
    return {"metadata": {"model_name": model, "url": EVIL}, "metrics": metrics}


def _page(first: object, *others: object) -> _Page:
    summaries = [summarize(each, "a.json") for each in (first, *others)]
    return _Page(render_mmeb(summaries[0], summaries[1:]))


def test_every_set_has_a_row_with_the_figures_of_all_files() -> None:
    """A set that is not shown is taken for one that was not scored."""
    page = _page(_summary(), _summary("theirs", value=0.25))
    for each in SETS:
        row = page.row(each.name)
        assert (row[1], row[-1]) == ("50.0", "25.0")
    assert "ImageNet-1K: 50.0 %; theirs 25.0" in page.labels
    assert not any("interval" in label for label in page.labels), "there is none to show"


def test_what_is_missing_or_extra_is_named_and_not_averaged() -> None:
    """A mean without its hard sets looks better than it is."""
    page = _page(_summary(leave_out=("ViDoSeek-doc",)))
    assert "1 set of MMEB-V2 without a score" in page.text
    assert "Missing: ViDoSeek-doc" in page.text
    assert "Extra, not averaged: </b><script>alert(1)</script>\ufffd" in page.text
    assert page.row("ViDoSeek-doc")[1:] == ["\N{EN DASH}", "missing"]
    assert page.row("all of document pages")[1] == "50.0 23 of 24 sets"
    assert page.row("all of pictures")[1] == "50.0 36 of 36 sets"


def test_means_over_other_sets_are_joined_by_the_mean_over_shared_ones() -> None:
    """Files that lack other sets do not compare by their own means."""
    first = _summary(leave_out=("ViDoSeek-doc",))
    page = _page(first, _summary("theirs", value=0.25))
    assert page.row("the 23 sets that all files have")[1] == "50.0"
    same = _page(_summary(), _summary("theirs"))
    assert "that all files have" not in same.text


def test_a_whole_file_has_its_overall_figure() -> None:
    """The figure that people compare must be there when it is defined, and only then."""
    assert "Overall: 50.0 %" in _page(_summary()).labels
    assert not any(
        each.startswith("Overall: ") for each in _page(_summary(leave_out=("GQA",))).labels
    )


@pytest.mark.parametrize("model", [EVIL, "", 7, None])
def test_hostile_or_missing_names_stay_text(model: object) -> None:
    """Score files come from anyone."""
    document = _summary()
    assert isinstance(document, dict)
    document["metadata"]["model_name"] = model
    page = _page(document, document)
    assert "script" not in page.tags
    if model != EVIL:
        assert "score file 1" in page.text


def test_two_files_of_one_model_keep_their_columns() -> None:
    """Under one name the second would replace the first."""
    page = _page(_summary("a"), _summary("a", value=0.25))
    assert page.row("GQA")[1:] == ["50.0", "GQA: 50.0 %; a (2) 25.0a (2) 25.0", "25.0"]
