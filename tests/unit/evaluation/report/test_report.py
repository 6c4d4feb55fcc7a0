"""The page of a run: it holds everything, and what it shows never runs."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import media_files
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.evaluation.outcome import BINS, Cost, Failure, Histogram, RunOutcome, SetOutcome
from rzen.evaluation.report.run_page import render_run
from rzen.render.shown import shown
from rzen.types import Content, Image, Text

EVIL = '"><script>alert(1)</script><img src="http://evil.example/x.png" onerror="x" style="x">'
ODD = EVIL + "\x00\x1b[31m\u202egnp.\u202c \ud83d {{ 7 * 7 }} </style></title></svg>"


class _Page(HTMLParser):
    """Tags, texts, rows of tables and the style of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.style = ""
        self.rows: list[list[str]] = []
        self._inside = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        if tag in ("style", "td", "th"):
            self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "style":
            self.style += data
            return
        self.text += data
        if self._inside:
            self.rows[-1][-1] += data

    def attributes(self, name: str) -> list[str]:
        return [
            value or "" for _, attrs in self.tags for key, value in attrs.items() if key == name
        ]


def _outcome(name: str = "stamps-t2i", **changes: object) -> SetOutcome:
    bins = [0] * BINS
    bins[25] = 4
    base = SetOutcome(
        name=name,
        group="image",
        family="retrieval",
        metric="hit@1",
        scope="global",
        about="find the stamp",
        value=0.5,
        low=0.4,
        high=0.6,
        scores={"hit@1": 0.5, "hit@5": 0.75, "mrr@10": 0.6123},
        queries=321,
        documents=1234,
        baselines={"random": 0.01, "words": 0.3},
        histograms={"image": Histogram(right=tuple(bins), wrong=tuple(bins))},
        failures=(
            Failure(
                query="q1", gold="d1", winner="d2", rank=7, gold_score=0.31, winner_score=-0.02
            ),
        ),
        cost=Cost(items=100, cached=300, seconds=4.0, tokens=2000, peak_bytes=512 * 2**20),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def _run(*sets: SetOutcome, **changes: object) -> RunOutcome:
    base = RunOutcome(
        suite="rzen-bench",
        version="1",
        split="test",
        limit=None,
        encoder="mini",
        fingerprint={},
        rzen="0.1",
        finished="2026-01-02T03:04:05+00:00",
        seconds=75.0,
        sets=sets or (_outcome(),),
        skipped={},
        groups={"image": 0.5},
        overall=0.5,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def _sets(name: str) -> RetrievalSet:
    return RetrievalSet(
        name=name,
        group="image",
        family="retrieval",
        metric="hit@1",
        scope="global",
        queries=(Query(id="q1", content=Content(Text("a red boat")), labels=("d1",)),),
        documents={
            "d1": Content(Image(media_files.picture(media_files.smooth(64, 48)))),
            "d2": Content(Image(Path("/nowhere/gone.png"))),
        },
    )


def _hostile_run() -> RunOutcome:
    failure = Failure(query=ODD, gold=ODD, winner=ODD, rank=2, gold_score=0.1, winner_score=0.2)
    outcome = _outcome(
        ODD,
        family=ODD,
        metric=ODD,
        about=ODD,
        scores={ODD: 0.1, f"{ODD}@1": 0.2},
        baselines={ODD: 0.1},
        failed={ODD: ODD},
        notes=(ODD,),
        histograms={ODD: Histogram(right=(1,) * BINS, wrong=(1,) * BINS)},
        failures=(failure,),
    )
    return _run(
        outcome,
        suite=ODD,
        version=ODD,
        split=ODD,
        encoder=ODD,
        finished=ODD,
        rzen=ODD,
        skipped={ODD: ODD},
        overall=None,
    )


def _hostile_set(name: str) -> RetrievalSet:
    content = Content(Text(ODD), Image(Path(f"/nowhere/{ODD}")))
    return RetrievalSet(
        name=name,
        group="image",
        family=ODD,
        metric=ODD,
        scope="global",
        queries=(Query(id=ODD, content=content, labels=(ODD,)),),
        documents={ODD: content},
    )


def _assert_harmless(html: str) -> None:
    html.encode("utf-8")
    page = _Page(html)
    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "iframe", "object", "link", "base"})
    names = {name for _, attrs in page.tags for name in attrs}
    assert not [name for name in names if name.startswith("on") or name == "style"]
    assert all(each.startswith("data:image/jpeg;base64,") for each in page.attributes("src"))
    assert all(each.startswith("#") for each in page.attributes("href"))
    assert not set(html) & set("\x00\x1b\u202e\u202c")


def test_hostile_names_and_texts_stay_text() -> None:
    """A caption or file name with markup must not run, nor end the style or the title."""
    run = _hostile_run()
    html = render_run(run, _hostile_set, others=[run, replace(run, limit=3)])
    _assert_harmless(html)
    page = _Page(html)
    assert "<script>alert(1)</script>" in page.text, "shown as what it is"
    assert "{{ 7 * 7 }}" in page.text, "no template is made of data"
    assert len([tag for tag, _ in page.tags if tag == "style"]) == 1


@settings(max_examples=20)
@given(st.text(st.characters(codec=None), max_size=30))
def test_any_text_can_stand_in_a_page(text: str) -> None:
    """Half a pair of surrogates would make writing the page fail after a run of hours."""
    html = render_run(_run(_outcome(about=text, notes=(text,)), encoder=text), None)
    _assert_harmless(html)
    assert shown(text).strip() in _Page(html).text


def test_the_policy_allows_this_style_and_nothing_else() -> None:
    """With a wrong hash the page would have no style; with a wider policy a slip could run."""
    page = _Page(render_run(_run(), _sets))
    [policy] = [
        attrs["content"] or ""
        for _, attrs in page.tags
        if attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    digest = base64.b64encode(hashlib.sha256(page.style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}';" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert "http" not in policy
    assert "url(" not in page.style
    assert "@import" not in page.style


def test_every_set_has_its_row_and_its_section() -> None:
    """A set that is lost between groups would never be missed."""
    sets = [
        _outcome("a"),
        _outcome("b", group="video", family="moments"),
        _outcome("c", group="image", family="qa"),
        _outcome("d", group="image", family="retrieval"),
    ]
    page = _Page(render_run(_run(*sets), None))
    links = [each for each in page.attributes("href") if each.startswith("#set-")]
    ids = page.attributes("id")
    assert set(links) == {"#set-1", "#set-2", "#set-3", "#set-4"}
    assert all(link[1:] in ids for link in links)
    assert len(ids) == len(set(ids))
    order = re.findall(r"<h2><bdi>(\w)</bdi></h2>", render_run(_run(*sets), None))
    assert order == ["a", "d", "c", "b"], "by group, then by family"


def test_a_failure_whose_media_is_gone_still_renders() -> None:
    """The picture of the other document, the ranks and the reason must all be there."""
    page = _Page(render_run(_run(), _sets))
    assert len(page.attributes("src")) == 1
    assert "a red boat" in page.text
    assert "gone.png" in page.text
    assert re.search(r"rank 7, cosine 0\.310", page.text)
    assert "cosine \N{MINUS SIGN}0.020" in page.text


def test_a_page_without_the_data_shows_ids() -> None:
    """An old run is read where its data is not."""
    text = _Page(render_run(_run(), None)).text
    assert all(each in text for each in ("q1", "d1", "d2"))
    assert "Cannot be shown" not in text


def test_a_limit_is_told_on_top() -> None:
    """Figures of 50 queries copied into a table of full runs would be wrong."""
    told = "at most 50 queries of each set"
    assert told in _Page(render_run(_run(limit=50), None)).text
    assert "at most" not in _Page(render_run(_run(), None)).text


def test_what_was_left_out_is_told() -> None:
    """A mean without its hard sets, or documents that never took part, flatter an encoder."""
    failed = {f"d{at}": f"reason {at}" for at in range(30)}
    outcome = _outcome(failed=failed, ties=3, duplicates=2, notes=("read me",))
    run = _run(outcome, skipped={"moments": "no video"}, overall=None, groups={})
    text = " ".join(_Page(render_run(run, None)).text.split())
    assert "moments no video" in text
    assert "1 set of the suite did not run" in text
    assert "1 of 2 sets were run" in text
    assert "30 contents not encoded" in text
    assert "reason 0" in text
    assert "and 10 contents more" in text
    assert "read me" in text
    assert ["stamps-t2i", "3", "2", "read me"] in _Page(render_run(run, None)).rows


def test_rows_at_chance_are_marked_in_words() -> None:
    """A colour alone would not say that the encoder knows nothing here."""
    sets = [_outcome("good"), _outcome("bad", baselines={"random": 0.45})]
    text = _Page(render_run(_run(*sets), None)).text
    assert "1 of 2 sets better than every baseline. Not better than chance: bad." in text
    assert "not better than chance" in text


def test_other_runs_are_drawn_or_named() -> None:
    """A run beside which the figures do not compare must not vanish silently."""
    others = [
        _run(_outcome(value=0.25), encoder="tuned", overall=0.25, groups={"image": 0.25}),
        _run(_outcome(version="0"), encoder="old", version="0"),
    ]
    page = _Page(render_run(_run(), None, others=others))
    labels = [each for each in page.attributes("aria-label") if each.startswith("stamps-t2i: ")]
    assert labels
    assert all("tuned 25.0" in each for each in labels)
    assert not any("old" in each for each in labels)
    assert "The run of old is left out: version 0 instead of 1." in page.text


def test_costs_are_figures_of_what_was_encoded() -> None:
    """Items from the cache counted into the rate would make any encoder fast."""
    figures = ["100", "300 (75 %)", "4.0", "25.0", "2,000", "500", "512 MiB"]
    rows = _Page(render_run(_run(), None)).rows
    assert ["stamps-t2i", *figures] in rows
    assert ["In total", *figures] in rows
    idle = _run(_outcome(cost=Cost(items=0, cached=300, seconds=0.1)))
    dash = "\N{EN DASH}"
    assert ["stamps-t2i", "0", "300 (100 %)", "0.1", *[dash] * 4] in _Page(
        render_run(idle, None)
    ).rows


def test_all_scores_stand_under_their_cut() -> None:
    """A score shown under the wrong cut is a wrong score."""
    rows = _Page(render_run(_run(), None)).rows
    dash = "\N{EN DASH}"
    start = rows.index(["", "@1", "@5", "@10"])
    assert rows[start + 1 : start + 3] == [
        ["hit", "50.0", "75.0", dash],
        ["mrr", dash, dash, "61.2"],
    ]


def test_a_run_of_nothing_has_a_page() -> None:
    """All sets skipped: the reasons are what the reader needs."""
    run = _run(skipped={"a": "no video"}, overall=None, groups={})
    text = _Page(render_run(replace(run, sets=()), None)).text
    assert "no video" in text
    assert "0 of 0 sets" in text


@pytest.mark.parametrize("seconds", [12.3, 75.0, 4000.0])
def test_the_duration_is_readable(seconds: float) -> None:
    """4000 seconds say nothing at a glance."""
    told = {12.3: "12.3 s", 75.0: "1:15 min", 4000.0: "1:06:40 h"}[seconds]
    assert f"took {told}" in _Page(render_run(_run(seconds=seconds), None)).text
