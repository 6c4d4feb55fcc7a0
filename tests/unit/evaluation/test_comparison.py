"""Two runs compared: query by query, over the same data, from predictions that were scored."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from evaluation_sets import TableEncoder, scattered, suite, text_set
from rzen.data.retrieval_set import RetrievalSet
from rzen.errors import DataError
from rzen.evaluation.comparison import compare_runs
from rzen.evaluation.run_folder import predictions_file, read_run
from rzen.evaluation.runner import run
from rzen.evaluation.suites import Suite


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path / "cache"))


def numbered(name: str) -> RetrievalSet:
    return text_set(
        {f"{name} query {n}": (f"{n}",) for n in range(12)},
        {f"{n}": f"{name} document {n}" for n in range(12)},
        name=name,
        metric="mrr@10",
    )


@pytest.fixture
def data(tmp_path: Path) -> Suite:
    return suite(tmp_path / "data", numbered("one"), numbered("two"))


def run_of(data: Suite, folder: Path, name: str = "first", limit: int | None = None) -> Path:
    encoder = TableEncoder(lambda text: scattered(f"{name} {text}"), dim=4, name=name)
    run(data, encoder, folder / name, limit=limit)
    return folder / name


def test_two_runs_are_paired_by_query(data: Suite, tmp_path: Path) -> None:
    """By hand from the files: differences are those of the figures, and of no other run's."""
    first, second = run_of(data, tmp_path), run_of(data, tmp_path, "second")
    found = compare_runs(first, second)
    for row, mine, theirs in zip(
        found.rows, read_run(first).sets, read_run(second).sets, strict=True
    ):
        assert (row.set, row.first, row.second) == (mine.name, mine.value, theirs.value)
        assert row.difference == pytest.approx(mine.value - theirs.value)
    assert found.overall.difference == pytest.approx(sum(row.difference for row in found.rows) / 2)
    assert found.facts == {"suite": "tiny-suite", "version": "1", "split": "test", "limit": "none"}
    assert found.warnings == ()


@pytest.mark.parametrize("change", ["order", "line", "line lost", "cut off", "gone", "figure"])
def test_predictions_that_were_not_scored_are_refused(
    data: Suite, tmp_path: Path, change: str
) -> None:
    """Queries are paired by their place: the same lines in another order have the same mean, and
    p-values of anything against anything."""
    first, second = run_of(data, tmp_path), run_of(data, tmp_path, "second")
    file = predictions_file(second, "two")
    lines = file.read_bytes().splitlines(keepends=True)
    if change == "gone":
        file.unlink()
    elif change == "figure":
        document = read_run(second).document()
        document["sets"][1]["value"] += 0.01
        (second / "run.json").write_text(json.dumps(document))
    else:
        changed = {
            "order": lines[::-1],
            "line": [lines[1], *lines[1:]],
            "line lost": lines[:-1],
            "cut off": [*lines[:-1], lines[-1][:20]],
        }
        file.write_bytes(b"".join(changed[change]))
    for pair in ((first, second), (second, first)):
        with pytest.raises(DataError, match=r"two_pred\.jsonl"):
            compare_runs(*pair)


def test_sets_of_other_data_are_left_out_and_told(data: Suite, tmp_path: Path) -> None:
    """A label that was corrected in between is a difference of the data, not of the encoders."""
    first = run_of(data, tmp_path)
    newer = replace(data, version="2", versions={**data.versions, "two": "2"})
    found = compare_runs(first, run_of(newer, tmp_path, "second"))
    assert [row.set for row in found.rows] == ["one"]
    assert found.facts["version"] == "1 and 2"
    assert found.warnings == (
        "the data of two changed between the runs: left out of the comparison",
    )
    newest = replace(data, version="3", versions=dict.fromkeys(data.versions, "3"))
    with pytest.raises(DataError, match="version 1 and 3, no set is of the same data"):
        compare_runs(first, run_of(newest, tmp_path, "third"))


def test_a_set_that_one_run_lacks_is_told(data: Suite, tmp_path: Path) -> None:
    """The overall difference is over fewer sets than a reader may think."""
    first = run_of(data, tmp_path)
    found = compare_runs(first, run_of(data.only(["two"]), tmp_path, "second"))
    assert [row.set for row in found.rows] == ["two"]
    assert found.warnings == ("only first was run on one: left out of the comparison",)


def test_other_questions_do_not_compare(data: Suite, tmp_path: Path) -> None:
    """Runs of another suite, split or limit, or with no set in common, have no pairs."""
    first = run_of(data, tmp_path)
    others = {
        "suite": replace(data, name="other"),
        "split": replace(data, split="validation"),
    }
    for name, other in others.items():
        with pytest.raises(DataError, match=f"do not compare: {name}"):
            compare_runs(first, run_of(other, tmp_path, f"other {name}"))
    with pytest.raises(DataError, match="do not compare: limit None and 3"):
        compare_runs(first, run_of(data, tmp_path, "few", limit=3))
    run(data.only(["one"]), TableEncoder(scattered, dim=4), tmp_path / "a")
    run(data.only(["two"]), TableEncoder(scattered, dim=4), tmp_path / "b")
    with pytest.raises(DataError, match="no set in common"):
        compare_runs(tmp_path / "a", tmp_path / "b")
    assert asdict(read_run(tmp_path / "a"))["overall"] is None
