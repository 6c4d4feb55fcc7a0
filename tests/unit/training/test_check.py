"""The check before a run: what it counts, what it opens, and the page that shows it."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import media_files
from rzen import media
from rzen.config import Limits
from rzen.data.batch_sampler import GlobalBatchSampler
from rzen.data.mixture import Mixture, MixtureSpec
from rzen.training.check import check
from rzen.training.check_page import render_check
from rzen.training.check_report import CheckReport

EVIL = '"><script>alert(1)</script><img src="http://evil.example/x.png" onerror="x">'
COLUMNS = {
    "query_text": "q",
    "positive_image": "p",
    "negative_text": "n",
    "task": "task",
}


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    for number in range(4):
        picture = media_files.picture(media_files.smooth(40 + number, 30))
        Path(f"{number}.png").write_bytes(picture)


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "q": f"query {number}",
        "p": f"{number % 4}.png",
        "n": ["a car", "a cat"],
        "task": "image retrieval",
        **changes,
    }


def source(file: str, *rows: dict[str, Any], **values: Any) -> dict[str, Any]:
    Path(f"{file}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    return {"kind": "jsonl", "path": f"{file}.jsonl", "columns": COLUMNS, **values}


def mixture(*sources: dict[str, Any], **values: Any) -> Mixture:
    return Mixture.open(MixtureSpec.model_validate({"source": sources, **values}))


def plan(of: Mixture, size: int = 4) -> Callable[[], GlobalBatchSampler]:
    return lambda: GlobalBatchSampler(list(of.groups.values()), batch_size=size)


def checked(*sources: dict[str, Any], **options: Any) -> CheckReport:
    return check(mixture(*sources), Limits(), **options)


def test_everything_is_counted() -> None:
    """A check that overlooks rows is worse than none."""
    found = mixture(
        source("a", *map(row, range(8)), row(8, q=""), row(9, q="")),
        source("b", row(0, task="grounding"), row(1, task="grounding")),
    )
    report = check(found, Limits(), plan=plan(found))
    assert (report.rows, report.skipped, report.looked_at, report.failed_rows) == (10, 2, 10, 0)
    a, b = report.sources
    assert (a.facts.rows, a.positives, dict(a.skipped.by_reason)) == (8, 4, {"no query": 2})
    assert a.media.opened == {"image": 4}
    assert a.media.bytes == sum(Path(f"{number}.png").stat().st_size for number in range(4))
    assert b.positives == 2
    assert [(each.name, each.batches, each.dealt) for each in report.groups] == [
        ("a", 2, 8),
        ("b", 1, 2),
    ]
    assert (report.batches, report.batch_size) == (3, 4)
    assert [(each.name, each.rows) for each in report.tasks] == [
        ("image retrieval", 8),
        ("grounding", 2),
    ]
    (warning,) = report.warnings
    assert warning == "2 of 12 rows are left out."


def test_media_that_cannot_be_opened_are_counted_by_reason_and_named() -> None:
    """Hours into a run is the wrong time to learn of a picture that was not downloaded."""
    whole = Path("0.png").read_bytes()
    Path("cut.png").write_bytes(whole[: len(whole) // 2])
    rows = [row(0), row(1, p="gone.png"), row(2, p="lost.png"), row(3, p="cut.png")]
    report = checked(source("a", *rows, row(4, p="gone.png"), row(5, p="https://a.b/c.png")))
    failed = report.sources[0].media.failed
    assert report.failed_rows == 5
    assert failed.by_reason["cannot be opened: No such file or directory"] == 2
    assert any(reason.startswith("the PNG picture is damaged") for reason in failed.by_reason)
    assert any(reason.startswith("fetching URLs") for reason in failed.by_reason)
    named = {each.where: each.reason for each in failed.first}
    assert named["a: a.jsonl, line 3"].startswith("lost.png: cannot be opened")
    assert "5 of the 6 rows looked at" in report.warnings[0]


def test_a_row_that_cannot_be_read_any_more_does_not_end_the_check() -> None:
    found = mixture(source("a", row(0), row(1)), source("b", row(2), row(3)))
    Path("a.jsonl").write_text("changed\n")
    report = check(found, Limits())
    assert report.failed_rows == 2
    assert report.sources[0].media.failed.by_reason == {"the row cannot be read": 2}
    html = render_check(report, title="x")
    assert "has changed since it was read" in html
    assert "query 2" in html


def test_each_medium_is_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five captions of a picture, or one page of a hundred questions, cost one decoding."""
    opened: list[Any] = []
    genuine = media.open

    def counted(part: Any, **options: Any) -> Any:
        opened.append(part.source)
        return genuine(part, **options)

    monkeypatch.setattr("rzen.training.check_media.media.open", counted)
    checked(source("a", *map(row, range(12))), per_task=0)
    assert sorted(each.name for each in opened) == [f"{number}.png" for number in range(4)]


def test_pages_are_not_read_by_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    """OCR of a scan takes seconds, and a data set has a hundred thousand of them."""
    monkeypatch.setattr("rzen.media.ocr.available", lambda: True)
    monkeypatch.setattr("rzen.media.ocr.read", lambda _: pytest.fail("the page was read"))
    Path("p.jsonl").write_text(json.dumps({"query": "what?", "image": "0.png"}) + "\n")
    report = checked({"kind": "vidore", "path": "p.jsonl"})
    assert report.sources[0].media.opened == {"page": 1}


@pytest.mark.parametrize(("sample", "expected"), [(3, 3), (None, 9), (0, 0)])
def test_as_many_rows_are_looked_at_as_asked_for(sample: int | None, expected: int) -> None:
    told: list[tuple[str, int, int]] = []
    report = checked(
        source("a", *map(row, range(9))),
        sample=sample,
        on_progress=lambda *each: told.append(each),
    )
    assert report.looked_at == expected
    assert told[-1:] == [("image retrieval", expected, expected)] * (expected > 0)


def test_examples_are_of_all_sources_in_turn() -> None:
    """Twenty examples of the largest source say nothing about the small one's columns."""
    report = checked(
        source("a", *map(row, range(40))), source("b", row(1), row(2), row(3)), per_task=6
    )
    (task,) = report.tasks
    assert sorted(each.where[0] for each in task.specimens) == list("aaabbb")
    lines = [each.where for each in task.specimens]
    assert len(set(lines)) == 6
    assert lines != sorted(lines)


def test_an_example_is_shown_as_it_is_trained_on() -> None:
    """What is said with it, and hard negatives, are where recipes go wrong."""
    report = checked(
        source("a", row(0, n=list("uvwxyz")), instruction="Find it.", document_instruction="")
    )
    (specimen,) = report.tasks[0].specimens
    assert (specimen.instruction, specimen.document_instruction) == ("Find it.", "")
    assert specimen.query.text == "query 0"
    assert [len(each.pictures) for each in specimen.positives] == [1]
    assert [each.text for each in specimen.negatives] == list("uvwx")
    assert (specimen.more_positives, specimen.more_negatives) == (0, 2)
    html = render_check(report, title="x")
    assert "Find it." in html
    assert "and 2 negatives more" in html


def test_a_clip_is_three_frames(tmp_path: Path) -> None:
    media_files.clip(tmp_path / "v.mp4", [2.0, 2.0])
    rows = [
        {"video": "v.mp4", "start": 2 * number, "end": 2 * number + 2, "caption": f"scene {number}"}
        for number in range(2)
    ]
    Path("c.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
    report = checked({"kind": "video-captions", "path": "c.jsonl"})
    assert report.sources[0].media.opened == {"video": 2}
    (one, _) = report.tasks[0].specimens
    assert [len(each.pictures) for each in (*one.positives, *one.negatives)] == [3, 3]


def test_batches_that_cannot_be_made_are_a_finding() -> None:
    """The rest of the report is what tells the user why."""
    found = mixture(source("a", row(0), row(4), row(8)))
    report = check(found, Limits(), plan=plan(found))
    assert "share one positive" in report.refused
    assert report.warnings[0].startswith("No batches can be made: group 'a'")
    assert report.to_json()["batches_per_epoch"] == 0
    assert "share one positive" in render_check(report, title="x")


def test_a_group_that_leaves_out_many_rows_is_warned_of() -> None:
    found = mixture(source("a", *[row(0) for _ in range(20)], row(1), row(2)))
    report = check(found, Limits(), plan=plan(found))
    assert report.groups[0].repeats == 19
    assert "3 different positives for 22 rows" in report.warnings[0]


def test_the_report_is_json() -> None:
    found = mixture(source("a", row(0), row(1, q=""), row(2, p="gone.png"), licence="MIT"))
    document = json.loads(json.dumps(check(found, Limits(), plan=plan(found)).to_json()))
    (one,) = document["sources"]
    assert one["facts"]["licence"] == "MIT"
    assert one["skipped"]["by_reason"] == {"no query": 1}
    assert one["skipped"]["first"] == [{"where": "a.jsonl, line 2", "reason": "no query"}]
    assert document["tasks"] == {"image retrieval": 2}
    assert document["groups"][0]["batches"] == 1


def test_what_the_page_shows_never_runs() -> None:
    """Texts, names, paths and reasons come from data sets that others made."""
    rows = [
        row(0, q=EVIL, n=[EVIL]),
        row(1, task=EVIL, p=f"{EVIL.replace('/', '')}.png"),
        row(2, q=None),
    ]
    spec = source("a", *rows, name=EVIL, licence=EVIL, instruction=EVIL, document_instruction=EVIL)
    html = render_check(checked(spec), title=EVIL)
    assert "<script" not in html
    assert 'onerror="' not in html
    sources = re.findall(r'src="([^"]*)"', html)
    assert sources
    assert all(each.startswith("data:image/jpeg;base64,") for each in sources)
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in html
    assert not re.search(r'\sstyle="', html)


def test_page_names_what_is_left_out_and_what_could_not_be_opened() -> None:
    html = render_check(checked(source("a", row(0), row(1, q=""), row(2, p="gone.png"))), title="x")
    for said in ("a.jsonl, line 2", "no query", "a.jsonl, line 3", "gone.png: cannot be opened"):
        assert said in html
    clean = render_check(checked(source("b", row(0), row(1))), title="x")
    assert "Every row can be trained on." in clean
    assert "Nothing, among the 2 rows looked at." in clean
