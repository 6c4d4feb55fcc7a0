import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rzen.errors import DataError
from rzen.evaluation.metrics import KEYS, Ranking, mean_scores
from rzen.evaluation.predictions import (
    SetScores,
    findings,
    predictions_hash,
    read_predictions,
    read_scores,
    write_predictions,
    write_scores,
    write_whole,
)

GOOD = '{"prediction": ["a", "b"], "label": ["b"], "rel_scores": null}'


def written(folder: Path, *lines: str, end: str = "\n") -> Path:
    file = folder / "toy_pred.jsonl"
    file.write_text("\n".join(lines) + end, encoding="utf-8")
    return file


def line(**changed: Any) -> str:
    return json.dumps({**json.loads(GOOD), **changed})


def scored() -> SetScores:
    values = mean_scores([Ranking(prediction=("a", "b"), labels=("b",))])
    return SetScores(values=values, num_pred=1, num_data=2, extra={"revision": "2025-11"})


def test_a_file_is_read(tmp_path: Path) -> None:
    """By hand: a bare label, grades written as floats, grades left out, an empty prediction."""
    file = written(
        tmp_path,
        GOOD,
        '{"prediction": [], "label": "b", "rel_scores": [2.0]}',
        '{"prediction": ["é"], "label": ["é", "x"]}',
    )
    read = read_predictions(file)
    assert read.rankings == (
        Ranking(prediction=("a", "b"), labels=("b",)),
        Ranking(prediction=(), labels=("b",), grades=(2,)),
        Ranking(prediction=("é",), labels=("é", "x")),
    )


names = st.text(min_size=1)


@st.composite
def rankings(draw: st.DrawFn) -> Ranking:
    labels = draw(st.lists(names, min_size=1, max_size=4, unique=True))
    graded = st.lists(st.integers(0, 16), min_size=len(labels), max_size=len(labels))
    grades = draw(st.none() | graded)
    return Ranking(
        prediction=tuple(draw(st.lists(names, unique=True, max_size=6))),
        labels=tuple(labels),
        grades=None if grades is None else tuple(grades),
    )


@given(several=st.lists(rankings(), min_size=1, max_size=4))
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, several: list[Ranking]
) -> None:
    """Guards against line breaks, quotes and odd letters in candidates that are texts."""
    file = tmp_path_factory.mktemp("predictions") / "toy_pred.jsonl"
    write_predictions(file, several)
    assert read_predictions(file).rankings == tuple(several)
    assert len(file.read_bytes().splitlines()) == len(several)


def test_a_written_line_is_the_reference_evaluators(tmp_path: Path) -> None:
    """Guards against files that the reference evaluator's tools cannot read."""
    file = tmp_path / "new" / "toy_pred.jsonl"
    write_predictions(file, [Ranking(prediction=("a", "b"), labels=("b",))])
    assert file.read_text() == GOOD + "\n"


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ('{"prediction": ["a"]', "not JSON"),
        ("", "it is blank"),
        ("[1]", "it is [1], not an object"),
        ("[" * 100_000, "not JSON"),
        ('{"label": ["a"]}', "'prediction' is missing"),
        ('{"prediction": ["a"]}', "'label' is missing"),
        (line(prediction="a"), "'prediction' is \"a\", not a list"),
        (line(prediction=["a", 3]), "'prediction' holds 3, not only texts"),
        (line(label=7), "'label' is 7, not a list"),
        (line(label=None), "'label' is null, not a list"),
        (line(label=[]), "'label' is empty"),
        (line(label=""), "'label' is empty"),
        (line(rel_scores=[1, 2]), "2 grades for 1 labels"),
        (line(rel_scores=1), "'rel_scores' is 1, neither"),
        (line(rel_scores=["1"]), "'rel_scores' holds \"1\""),
        (line(rel_scores=[None]), "'rel_scores' holds null"),
        (line(rel_scores=[float("nan")]), "the grade nan is no whole number"),
        (line(rel_scores=[0.5]), "the grade 0.5 is no whole number"),
        (line(label=["a", "a"], rel_scores=[1, 2]), "the label 'a' is given and graded twice"),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, broken: str, problem: str) -> None:
    """Guards against a score over the lines that happen to parse."""
    file = written(tmp_path, GOOD, broken, GOOD)
    with pytest.raises(DataError) as caught:
        read_predictions(file)
    assert problem in str(caught.value)
    assert f"{file}, line 2: " in str(caught.value)
    assert "mend the line, or run the evaluation again" in str(caught.value)


def test_a_line_that_is_not_utf_8(tmp_path: Path) -> None:
    """Guards against a UnicodeDecodeError without a line."""
    file = tmp_path / "toy_pred.jsonl"
    file.write_bytes(GOOD.encode() + b'\n{"prediction": ["\xff"], "label": ["a"]}\n')
    with pytest.raises(DataError, match=r"line 2: it is not JSON \(.*utf-8"):
        read_predictions(file)


def test_a_torn_last_line_says_that_the_run_was_cut_off(tmp_path: Path) -> None:
    """A killed run ends in half a line: scoring the lines before it would look like a result."""
    for length in range(1, len(GOOD)):
        file = written(tmp_path, GOOD, GOOD[:length], end="")
        with pytest.raises(DataError, match=r"line 2: the last line breaks off .* cut off while"):
            read_predictions(file)


def test_a_last_line_may_lack_its_end(tmp_path: Path) -> None:
    """Editors leave the last line break out; the line is whole all the same."""
    assert len(read_predictions(written(tmp_path, GOOD, GOOD, end="")).rankings) == 2


@pytest.mark.parametrize("end", ["\n", "\n\n", "\n \t\n", "\n   ", "\r\n\r\n"])
def test_blank_lines_at_the_end_are_no_lines(tmp_path: Path, end: str) -> None:
    """Guards against a run that is told to have been cut off because an editor left a blank."""
    assert len(read_predictions(written(tmp_path, GOOD, GOOD, end=end)).rankings) == 2
    with pytest.raises(DataError, match=r"line 2: it is blank"):
        read_predictions(written(tmp_path, GOOD, "", "", GOOD, end=end))


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    """Editors on Windows write one; at any other place it is damage."""
    file = written(tmp_path, "\ufeff" + GOOD, GOOD)
    assert len(read_predictions(file).rankings) == 2
    with pytest.raises(DataError, match="line 2: it is not JSON"):
        read_predictions(written(tmp_path, GOOD, "\ufeff" + GOOD))


def test_the_hash_is_that_of_the_file(tmp_path: Path) -> None:
    """By it a damaged file is known; another hash would have every set made anew each time."""
    several = [Ranking(prediction=("é", "\ud800"), labels=("b",), grades=(2,))] * 3
    write_predictions(tmp_path / "toy_pred.jsonl", several)
    written_bytes = (tmp_path / "toy_pred.jsonl").read_bytes()
    assert predictions_hash(several) == hashlib.sha256(written_bytes).hexdigest()


@pytest.mark.parametrize("content", [None, b"", b"\n \n"])
def test_nothing_to_read(tmp_path: Path, content: bytes | None) -> None:
    """A missing and an empty file; the latter must not score 0."""
    file = tmp_path / "toy_pred.jsonl"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=r"cannot read|is empty"):
        read_predictions(file)
    with pytest.raises(DataError, match="cannot read"):
        read_predictions(tmp_path)


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda some: GOOD.encode() + some))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    """Guards against any error but the one that a user can act on."""
    file = tmp_path_factory.mktemp("bytes") / "toy_pred.jsonl"
    file.write_bytes(content)
    with contextlib.suppress(DataError):
        assert read_predictions(file).rankings


def test_findings(tmp_path: Path) -> None:
    """What can be scored but should be known: counted, with the first line named."""
    file = written(
        tmp_path,
        GOOD,
        line(label=["b", "gone"]),
        line(prediction=["a", "b", "a", "b"]),
        line(label=["away"]),
        line(label=["b", "b"]),
    )
    read = read_predictions(file)
    assert read.rankings[2].prediction == ("a", "b")
    assert read.rankings[4].labels == ("b",)
    missed, candidate, label = findings(read)
    assert missed == (
        "2 of 5 lines have a label that is not among their candidates (first: line 2, 'gone'): "
        "it counts as a miss"
    )
    assert candidate == (
        "1 of 5 lines list a candidate twice (first: line 3, 'a'): its first place counts; the "
        "reference evaluator would count it twice"
    )
    assert label == "1 of 5 lines give a label twice (first: line 5, 'b'): it counts once"
    assert findings(read_predictions(written(tmp_path, GOOD))) == ()


def test_scores_round_trip(tmp_path: Path) -> None:
    """The reference evaluator's keys in its order, then ours."""
    file = tmp_path / "toy_score.json"
    write_scores(file, scored())
    assert list(json.loads(file.read_text())) == [*KEYS, "num_pred", "num_data", "revision"]
    read = read_scores(file)
    assert (dict(read.values), read.num_pred, read.num_data) == (dict(scored().values), 1, 2)
    assert dict(read.extra) == {"revision": "2025-11"}


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"hit@1": "0.5"}, "'hit@1' is \"0.5\", not a number"),
        ({"hit@1": None}, "'hit@1' is null, not a number"),
        ({"hit@1": True}, "'hit@1' is true, not a number"),
        ({"mrr@10": 64.9}, "'mrr@10' is 64.9, not a fraction"),
        ({"mrr@10": float("nan")}, "'mrr@10' is NaN, not a fraction"),
        ({"num_data": 1.5}, "'num_data' is 1.5, not a whole number"),
    ],
)
def test_a_broken_score_file(tmp_path: Path, changed: dict[str, Any], problem: str) -> None:
    """Guards against score files of other tools that are read as if they were fractions."""
    file = tmp_path / "toy_score.json"
    file.write_text(json.dumps({**scored().document(), **changed}))
    with pytest.raises(DataError) as caught:
        read_scores(file)
    assert problem in str(caught.value)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("content", [None, "", "[]", '{"hit@1": 0.5', '{"hit@1": 0.5}'])
def test_no_score_file(tmp_path: Path, content: str | None) -> None:
    """Missing, empty, another JSON, cut off, or with keys left out."""
    file = tmp_path / "toy_score.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(DataError, match="is not the score file of a set"):
        read_scores(file)


def test_a_write_that_breaks_off_leaves_the_old_file(tmp_path: Path) -> None:
    """Guards against a half-written file under the name of a whole one."""
    file = tmp_path / "toy_pred.jsonl"
    file.write_text("old")

    def breaking() -> Iterator[bytes]:
        yield b"new " * 100_000
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(file, breaking())
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_reader_of_the_old_file_is_not_disturbed(tmp_path: Path) -> None:
    """Guards against writing over a file in place, of which a reader may see a half."""
    file = tmp_path / "toy_pred.jsonl"
    file.write_text("old")
    with file.open("rb") as reader:
        write_whole(file, [b"new"])
        assert reader.read() == b"old"
    assert file.read_text() == "new"


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """Guards against an OSError where a user can choose another folder."""
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(DataError, match="cannot write"):
        write_whole(tmp_path / "taken" / "toy_score.json", [b"{}"])
