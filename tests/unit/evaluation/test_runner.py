import contextlib
import itertools
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import media_files
from evaluation_sets import TableEncoder, Vector, scattered, suite, text_set
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.encoders.dummy import DummyEncoder
from rzen.errors import DataError, EncoderError, UsageError
from rzen.evaluation.metrics import KEYS, mean_scores
from rzen.evaluation.predictions import read_predictions, read_scores
from rzen.evaluation.progress import Progress
from rzen.evaluation.run_folder import predictions_file
from rzen.evaluation.runner import read_run, run
from rzen.evaluation.set_run import limited
from rzen.evaluation.suites import Suite
from rzen.evaluation.vector_cache import cache_file
from rzen.types import Calibration, Content, Image, Modality, Text


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path / "cache"))


COMPASS: Mapping[str, list[float]] = {
    "north?": [0.0, 1.0],
    "east?": [1.0, 0.0],
    "lost?": [1.0, 0.0],
    "north": [0.1, 0.9],
    "east": [0.9, 0.1],
    "south": [0.0, -1.0],
}


def compass(name: str = "compass", **about: str) -> RetrievalSet:
    """Two of three queries have their answer at the first place; the third at the last."""
    return text_set(
        {"north?": ("north",), "east?": ("east",), "lost?": ("south",)},
        {"north": "north", "east": "east", "south": "south"},
        name=name,
        about="Which way?",
        **about,
    )


def numbered(name: str, count: int = 100) -> RetrievalSet:
    return text_set(
        {f"{name} query {n}": (f"{n}",) for n in range(count)},
        {f"{n}": f"{name} document {n}" for n in range(count)},
        name=name,
    )


def with_other_data(data: Suite, version: str = "2") -> Suite:
    return replace(data, version=version, versions=dict.fromkeys(data.versions, version))


def table(**options: object) -> TableEncoder:
    return TableEncoder(scattered, dim=4, **options)  # type: ignore[arg-type]


def test_a_run_by_hand(tmp_path: Path) -> None:
    """From texts to figures and files: every number can be worked out."""
    encoder = TableEncoder(COMPASS, tokens=2)
    found = run(suite(tmp_path / "data", compass()), encoder, tmp_path / "out")
    one = found.sets[0]
    assert (one.name, one.group, one.metric, one.about) == (
        "compass",
        "text",
        "hit@1",
        "Which way?",
    )
    assert one.value == one.scores["hit@1"] == pytest.approx(2 / 3)
    assert one.scores["mrr@5"] == pytest.approx((1 + 1 + 1 / 3) / 3)
    assert one.scores.keys() == set(KEYS)
    assert one.low < one.value < one.high
    assert (one.queries, one.documents, one.ties, one.duplicates) == (3, 3, 0, 0)
    assert one.baselines == {"random": pytest.approx(1 / 3), "words": pytest.approx(2 / 3)}
    (failure,) = one.failures
    assert (failure.query, failure.gold, failure.winner, failure.rank) == (
        *("lost?", "south", "east"),
        3,
    )
    assert sum(one.histograms["text"].right) == 3
    assert sum(one.histograms["text"].wrong) == 6
    assert (one.cost.items, one.cost.cached, one.cost.tokens) == (6, 0, 12)
    assert one.notes == ()
    assert (found.suite, found.version, found.split, found.limit) == (
        "tiny-suite",
        "1",
        "test",
        None,
    )
    assert found.groups == {"text": one.value}
    assert found.overall == one.value
    assert (found.encoder, found.fingerprint["weights"]) == ("table", "table")
    assert found.skipped == {}


def test_the_files_of_a_run_say_what_it_returned(tmp_path: Path) -> None:
    """What is compared and reported later is what is on disk."""
    out = tmp_path / "out"
    found = run(suite(tmp_path / "data", compass()), TableEncoder(COMPASS), out)
    assert asdict(read_run(out)) == asdict(found)
    predictions = read_predictions(predictions_file(out, "compass"))
    assert mean_scores(predictions.rankings) == found.sets[0].scores
    assert predictions.rankings[2].prediction == ("east", "north", "south")
    scores = read_scores(out / "compass_score.json")
    assert scores.values == found.sets[0].scores
    assert (scores.num_pred, scores.num_data) == (3, 3)
    assert sorted(file.name for file in out.iterdir()) == [
        *("compass_pred.jsonl", "compass_score.json", "run.json")
    ]


def test_queries_and_documents_get_their_own_role_and_instruction(tmp_path: Path) -> None:
    """The query's instruction on documents, or none on queries, costs points and raises nothing."""
    told = compass("told", instruction="Find the way.", document_instruction="A way.")
    encoder = TableEncoder(COMPASS)
    run(suite(tmp_path / "data", told, compass("plain")), encoder, tmp_path / "out")
    queries, documents = ["north?", "east?", "lost?"], ["north", "east", "south"]
    assert Counter(encoder.asked) == Counter(
        [
            *((text, "query", "Find the way.") for text in queries),
            *((text, "document", "A way.") for text in documents),
            # A set without an instruction gets none, not even the encoder's own.
            *((text, "query", "") for text in queries),
            *((text, "document", "") for text in documents),
        ]
    )


def test_an_encoder_that_knows_nothing_scores_nothing(tmp_path: Path) -> None:
    """Gold first in every list and the same vector for all: 0, where a careless sort gives 1."""
    letters = {letter: f"text {letter}" for letter in "abcd"}
    candidates = {f"q{letter}": (letter, *(set("abcd") - {letter})) for letter in "abcd"}
    made = text_set({f"q{x}": (x,) for x in "abcd"}, letters, candidates=candidates)
    constant = TableEncoder(lambda _: [3.0, 4.0])
    (one,) = run(suite(tmp_path / "data", made), constant, tmp_path / "out").sets
    assert one.value == 0.0
    assert one.ties == 4
    assert one.baselines["random"] == 0.25


def test_a_second_run_encodes_nothing(tmp_path: Path) -> None:
    """In the same folder all is there; in another, all vectors are."""
    data = suite(tmp_path / "data", numbered("one"), numbered("two"))
    first = run(data, table(), tmp_path / "out")
    same, other = table(), table()
    assert asdict(run(data, same, tmp_path / "out")) == asdict(first)
    elsewhere = run(data, other, tmp_path / "elsewhere")
    assert same.asked == other.asked == []
    assert [each.scores for each in elsewhere.sets] == [each.scores for each in first.sets]
    assert [each.cost.cached for each in elsewhere.sets] == [200, 200]


def test_a_run_that_is_cut_off_goes_on_where_it_stopped(tmp_path: Path) -> None:
    """A kill after two hours must not cost two hours, nor look like a result."""
    data = suite(tmp_path / "data", *(numbered(name) for name in ("one", "two", "three")))
    out = tmp_path / "out"
    # 200 contents of the first set, then two batches of 64 and 36 queries, one of 64 documents.
    with pytest.raises(KeyboardInterrupt):
        run(data, table(dies_after=364), out)
    assert not (out / "run.json").exists()
    with pytest.raises(DataError, match="cut off after 1 of 3 sets: run the same command again"):
        read_run(out)
    encoder = table()
    told: list[Progress] = []
    resumed = run(data, encoder, out, progress=told.append)
    assert len(encoder.asked) == 600 - 364
    assert told[0].sets_total == 2, "what is there already is not to do"
    whole = run(data, table(), tmp_path / "whole")
    assert [replace(each, cost=whole.sets[0].cost) for each in resumed.sets] == [
        replace(each, cost=whole.sets[0].cost) for each in whole.sets
    ]
    assert resumed.sets[1].cost.cached == 164
    assert resumed.groups == whole.groups
    assert asdict(read_run(out)) == asdict(resumed)


@pytest.mark.parametrize("change", ["version", "environment"])
def test_results_of_older_data_are_not_taken(tmp_path: Path, change: str) -> None:
    """A score of older data, or of other libraries, under a new name would be a lie."""
    data = suite(tmp_path / "data", compass())
    run(data, TableEncoder(COMPASS), tmp_path / "out")
    turned = {**COMPASS, "north": COMPASS["east"], "east": COMPASS["north"]}
    encoder = TableEncoder(turned)
    if change == "version":
        data = with_other_data(data)
    else:
        encoder.environment = {"device": "cuda"}
    cache_file(TableEncoder(COMPASS)).unlink()
    found = run(data, encoder, tmp_path / "out")
    assert len(encoder.asked) == 6
    assert found.sets[0].value == 0.0
    assert asdict(read_run(tmp_path / "out")) == asdict(found)


@pytest.mark.parametrize("change", [None, "one", "two"])
def test_only_what_changed_is_made_anew(tmp_path: Path, change: str | None) -> None:
    """Guards against hours that are lost because another set was added, or its data changed."""
    both = suite(tmp_path / "data", numbered("one"), numbered("two"))
    out = tmp_path / "out"
    first = run(both.only(["one"]) if change is None else both, table(), out)
    cache_file(table()).unlink()
    if change:
        both = replace(both, version="2", versions={**both.versions, change: "2"})
    encoder = table()
    second = run(both, encoder, out)
    made = {text.partition(" ")[0] for text, _, _ in encoder.asked}
    assert made == {change or "two"}
    assert (second.version, len(second.sets)) == (both.version, 2)
    assert [each.version for each in second.sets] == list(both.versions.values())
    if change != "one":
        assert second.sets[0] == first.sets[0]
    assert asdict(read_run(out)) == asdict(second)


@pytest.mark.parametrize("change", ["limit", "encoder", "split", "suite", "evaluator"])
def test_results_of_something_else_are_left_alone(tmp_path: Path, change: str) -> None:
    """Guards against hours of another model's run, lost to a slip in --output."""
    data = suite(tmp_path / "data", compass())
    out = tmp_path / "out"
    run(data, TableEncoder(COMPASS), out)
    encoder, limit = TableEncoder(COMPASS), None
    if change == "split":
        data = replace(data, split="validation")
    elif change == "suite":
        data = replace(data, name="other-suite")
    elif change == "limit":
        limit = 3
    elif change == "encoder":
        encoder = TableEncoder(COMPASS, name="other")
    else:
        document = json.loads((out / "compass_score.json").read_text())
        del document["rzen"]
        (out / "compass_score.json").write_text(json.dumps(document))
    before = {file.name: file.read_bytes() for file in out.iterdir()}
    with pytest.raises(UsageError, match="choose another folder with --output"):
        run(data, encoder, out, limit=limit)
    assert {file.name: file.read_bytes() for file in out.iterdir()} == before


@pytest.mark.parametrize(
    ("name", "text", "holds"),
    [
        ("compass_score.json", '{"hit@1": 0.5}', "compass_score.json of another evaluator"),
        ("other_score.json", "[]", "other_score.json of another evaluator"),
        ("compass_score.json", "my notes", "compass_score.json, which cannot be read"),
        ("compass_score.json", '{\n    "hit@1": 0.5,\n    "hi', "maybe of another evaluator"),
        ("compass_pred.jsonl", "precious\n", "compass_pred.jsonl without the scores"),
        ("run.json", '{"mine": 1}', "run.json of another evaluator"),
        ("run.json", "[" * 100_000, "run.json, which cannot be read"),
    ],
)
def test_files_of_others_are_left_alone(tmp_path: Path, name: str, text: str, holds: str) -> None:
    """Guards against hours of another evaluator's work, overwritten by a slip in --output."""
    out = tmp_path / "out"
    out.mkdir()
    (out / name).write_text(text)
    encoder = TableEncoder(COMPASS)
    with pytest.raises(UsageError, match=rf"{holds}.*: choose another folder with --output"):
        run(suite(tmp_path / "data", compass()), encoder, out)
    assert [(file.name, file.read_text()) for file in out.iterdir()] == [(name, text)]
    assert encoder.asked == []


def test_the_predictions_of_another_run_are_left_alone_in_our_folder(tmp_path: Path) -> None:
    """They may have been copied there to be compared."""
    data = suite(tmp_path / "data", compass("one"), compass("two"))
    out = tmp_path / "out"
    run(data.only(["one"]), TableEncoder(COMPASS), out)
    (out / "two_pred.jsonl").write_text("precious")
    with pytest.raises(UsageError, match=r"two_pred\.jsonl without the scores"):
        run(data, TableEncoder(COMPASS), out)
    assert (out / "two_pred.jsonl").read_text() == "precious"


@pytest.mark.parametrize("earlier", ["nothing", "older data", "damage"])
def test_a_run_goes_on_wherever_it_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: str
) -> None:
    """Guards against a folder that its own run refuses, or takes for done, after a kill between
    two files: every change of the folder is the last one once."""
    data = suite(tmp_path / "data", compass("one"), compass("two"))
    expected = run(data, TableEncoder(COMPASS), tmp_path / "whole")
    for last in itertools.count():
        out = tmp_path / f"out{last}"
        if earlier != "nothing":
            run(with_other_data(data, "0") if earlier == "older data" else data, compassed(), out)
        if earlier == "damage":
            (out / "one_score.json").write_text((out / "one_score.json").read_text()[:300])
            predictions_file(out, "two").write_text("")
            (out / "run.json").write_text((out / "run.json").read_text()[:300])
        with monkeypatch.context() as patched:
            is_killed = dies_at_change(patched, last, out)
            with contextlib.suppress(KeyboardInterrupt):
                run(data, compassed(), out)
        for file in out.glob("*_pred.jsonl"):
            assert file.with_name(file.name.replace("_pred.jsonl", "_score.json")).exists()
        if is_killed():
            with contextlib.suppress(DataError):
                assert read_run(out).version == "0", "whole is only what was whole before"
        resumed = run(data, compassed(), out)
        for mine, theirs in zip(resumed.sets, expected.sets, strict=True):
            assert replace(mine, cost=theirs.cost) == theirs
            assert mean_scores(read_predictions(predictions_file(out, mine.name)).rankings) == (
                theirs.scores
            )
        if not is_killed():
            break
    assert last > 4, "it was killed at every change"


def compassed() -> TableEncoder:
    return TableEncoder(COMPASS)


def dies_at_change(patched: pytest.MonkeyPatch, last: int, out: Path) -> Callable[[], bool]:
    """Dies instead of the change of that number: a file renamed into the folder, or removed."""
    made = itertools.count()
    killed = []

    def dying(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(path: Path, *arguments: Any, **options: Any) -> Any:
            if path.parent == out and path.exists() and next(made) == last:
                killed.append(path)
                raise KeyboardInterrupt
            return change(path, *arguments, **options)

        return changed

    patched.setattr(Path, "unlink", dying(Path.unlink))
    patched.setattr(Path, "replace", dying(Path.replace))
    return lambda: bool(killed)


@pytest.mark.parametrize(
    "damage", ["cut off", "no line", "other order", "other line", "no predictions"]
)
def test_damaged_predictions_are_made_anew(tmp_path: Path, damage: str) -> None:
    """Scores whose predictions are lost cannot be compared: the run said it was whole for ever."""
    data = suite(tmp_path / "data", compass("one"), compass("two"))
    out = tmp_path / "out"
    first = run(data, TableEncoder(COMPASS), out)
    file = predictions_file(out, "one")
    whole = file.read_bytes()
    lines = whole.splitlines(keepends=True)
    changed = {
        "cut off": whole[:100],
        "no line": b"".join(lines[:-1]),
        "other order": b"".join(lines[::-1]),
        "other line": b"".join([lines[1], *lines[1:]]),
        "no predictions": b"",
    }
    file.write_bytes(changed[damage])
    again = run(data, TableEncoder(COMPASS), out)
    assert file.read_bytes() == whole
    assert again.sets[0].cost.cached == 6, "it was scored anew"
    assert again.sets[1] == first.sets[1], "the other set was not"
    assert asdict(read_run(out)) == asdict(again)


def test_a_run_that_says_something_else_than_its_sets_is_written_anew(tmp_path: Path) -> None:
    """Guards against an edited run.json that passes for the result of its score files."""
    data = suite(tmp_path / "data", compass("one"), compass("two"))
    out = tmp_path / "out"
    first = run(data, TableEncoder(COMPASS), out)
    changes: list[dict[str, Any]] = [
        {"sets": []},
        {"sets": [asdict(first.sets[0])]},
        {"version": "0"},
    ]
    for change in changes:
        (out / "run.json").write_text(json.dumps({**asdict(first), **change}))
        again = run(data, TableEncoder(COMPASS), out)
        assert (again.sets, again.version) == (first.sets, "1")
        assert asdict(read_run(out)) == asdict(again)


def test_a_run_without_sets_is_none(tmp_path: Path) -> None:
    """It would be shown as a whole run with nothing in it, and its mean kept."""
    found = run(suite(tmp_path / "data", compass()), TableEncoder(COMPASS), tmp_path / "out")
    file = tmp_path / "out" / "run.json"
    file.write_text(json.dumps({**asdict(found), "sets": []}))
    with pytest.raises(DataError, match=r"run\.json: it holds no set"):
        read_run(tmp_path / "out")


@pytest.mark.parametrize("damage", ["no predictions", "half a score", "odd outcome"])
def test_damaged_results_are_made_anew(tmp_path: Path, damage: str) -> None:
    """Guards against a crash, or a half result, where a disk was full."""
    data = suite(tmp_path / "data", compass())
    out = tmp_path / "out"
    first = run(data, TableEncoder(COMPASS), out)
    score = out / "compass_score.json"
    document = json.loads(score.read_text())
    if damage == "no predictions":
        predictions_file(out, "compass").unlink()
    elif damage == "half a score":
        score.write_text(score.read_text()[:300])
    else:
        document["rzen"]["outcome"]["value"] = "much"
        score.write_text(json.dumps(document))
    again = run(data, TableEncoder(COMPASS), out)
    assert again.sets[0].cost.cached == 6, "it was scored anew"
    assert again.sets[0].scores == first.sets[0].scores
    assert read_scores(score).extra["rzen"]["outcome"]["value"] == pytest.approx(2 / 3)
    assert predictions_file(out, "compass").is_file()


def test_a_new_run_in_an_old_folder_is_not_whole_until_it_is(tmp_path: Path) -> None:
    """With the old run.json still there, a killed run would pass for a finished one."""
    data = suite(tmp_path / "data", numbered("one"), numbered("two"))
    run(data, table(), tmp_path / "out")
    cache_file(table()).unlink()
    with pytest.raises(KeyboardInterrupt):
        run(with_other_data(data), table(dies_after=250), tmp_path / "out")
    with pytest.raises(DataError, match="after 1 of 2 sets"):
        read_run(tmp_path / "out")


def test_there_is_no_run_where_none_was_made(tmp_path: Path) -> None:
    """The message must tell a cut-off run from a wrong folder."""
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(DataError, match="there is no run in"):
            read_run(folder)
    (tmp_path / "run.json").write_text('{"format": 2, "sui')
    with pytest.raises(DataError, match=r"cannot read .*run\.json"):
        read_run(tmp_path)
    (tmp_path / "run.json").write_text('{"format": 99}')
    with pytest.raises(DataError, match="format 2 was expected, this is 99"):
        read_run(tmp_path)
    for broken in (
        "[" * 100_000,
        '{"format": 2, "overall": NaN}',
        '{"format": 2, "seconds": 1e999}',
    ):
        (tmp_path / "run.json").write_text(broken)
        with pytest.raises(DataError, match=r"cannot read .*run\.json"):
            read_run(tmp_path)


def test_some_sets_of_a_whole_run_are_a_run_of_their_own(tmp_path: Path) -> None:
    """Asking for one set must not return the mean over others."""
    data = suite(tmp_path / "data", compass("one"), compass("two", group="image"))
    run(data, TableEncoder(COMPASS), tmp_path / "out")
    encoder = TableEncoder(COMPASS)
    some = run(data.only(["two"]), encoder, tmp_path / "out")
    assert encoder.asked == []
    assert [each.name for each in some.sets] == ["two"]
    assert some.skipped == {"one": "not asked for"}
    assert some.groups == {"image": pytest.approx(2 / 3)}
    assert some.overall is None
    assert asdict(read_run(tmp_path / "out")) == asdict(some)


def picture_set(folder: Path, name: str = "pictures") -> RetrievalSet:
    folder.mkdir(parents=True, exist_ok=True)
    documents: dict[str, str | Content] = {}
    for number in range(3):
        file = folder / f"{number}.png"
        file.write_bytes(media_files.picture(media_files.smooth(24, 24, seed=number)))
        documents[f"p{number}"] = Content(Image(file))
    queries = {f"boat {number}": (f"p{number}",) for number in range(3)}
    return text_set(queries, documents, name=name, group="image")


def test_sets_that_an_encoder_does_not_take_are_skipped_by_name(tmp_path: Path) -> None:
    """A group or an overall score without them would be a mean over something else."""
    data = tmp_path / "data"
    both = suite(
        data, compass("words"), compass("signs", group="image"), picture_set(data / "media")
    )
    found = run(both, TableEncoder(COMPASS), tmp_path / "out")
    assert found.skipped == {"pictures": "table takes no image"}
    assert [each.name for each in found.sets] == ["words", "signs"]
    assert found.groups == {"text": pytest.approx(2 / 3)}
    assert found.overall is None


def test_means_are_over_sets_not_over_queries(tmp_path: Path) -> None:
    """By hand: 2/3 and 1 make 5/6, however many queries each has."""
    easy = text_set({"north?": ("north",)}, {"north": "north", "south": "south"}, name="easy")
    data = suite(tmp_path / "data", compass(), easy, compass("signs", group="image"))
    found = run(data, TableEncoder(COMPASS), tmp_path / "out")
    assert found.groups == {"text": pytest.approx(5 / 6), "image": pytest.approx(2 / 3)}
    assert found.overall == pytest.approx((2 / 3 + 1 + 2 / 3) / 3)


def test_an_encoder_that_takes_nothing_is_told_so(tmp_path: Path) -> None:
    """An empty table is no answer."""
    data = suite(tmp_path / "data", picture_set(tmp_path / "data" / "media"))
    with pytest.raises(UsageError, match="table takes no image"):
        run(data, TableEncoder(COMPASS), tmp_path / "out")


def test_nan_ends_the_run_and_names_everything(tmp_path: Path) -> None:
    """And nothing of it may be taken for a result later."""
    table: dict[str, Vector] = {**COMPASS, "east": np.array([np.nan, 1.0])}
    data = suite(tmp_path / "data", compass())
    with pytest.raises(EncoderError, match="'wild' gave NaN for the document 'east' of set 'comp"):
        run(data, TableEncoder(table, name="wild"), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_contents_that_fail_are_counted_and_named(tmp_path: Path) -> None:
    """A lost file must cost its own query, and show."""
    folder = tmp_path / "data" / "media"
    made = picture_set(folder)
    data = suite(tmp_path / "data", made)
    (folder / "1.png").write_bytes(b"broken")
    (one,) = run(data, DummyEncoder(), tmp_path / "out").sets
    assert one.failed.keys() == {"p1"}
    assert "1.png" in one.failed["p1"]
    assert one.notes == ("1 of 3 documents could not be encoded and are never found",)
    ranking = read_predictions(predictions_file(tmp_path / "out", "pictures")).rankings[1]
    assert sorted(ranking.prediction) == ["p0", "p2"]
    assert one.scores["hit@5"] == pytest.approx(2 / 3)


def test_a_query_that_fails_is_a_miss_and_a_shared_id_tells_both(tmp_path: Path) -> None:
    """Queries and documents may have the same ids: neither reason may be lost."""
    folder = tmp_path / "data" / "media"
    made = picture_set(folder)
    queries = {
        name: Query(id=name, content=content, labels=(name,))
        for name, content in made.documents.items()
    }
    twins = text_set(queries, made.documents, name="twins", group="image")
    data = suite(tmp_path / "data", twins)
    (folder / "1.png").unlink()
    (one,) = run(data, DummyEncoder(), tmp_path / "out").sets
    assert one.value == pytest.approx(2 / 3)
    assert one.failed["p1"].startswith("as a query: ")
    assert "; as a document: " in one.failed["p1"]
    assert one.notes[0] == "1 of 3 queries could not be encoded and count as misses"


def test_a_set_of_which_nothing_can_be_encoded_ends_the_run(tmp_path: Path) -> None:
    """0 % would be a figure of the lost folder, not of the encoder."""
    folder = tmp_path / "data" / "media"
    data = suite(tmp_path / "data", picture_set(folder))
    for file in folder.iterdir():
        file.unlink()
    with pytest.raises(EncoderError, match=r"set 'pictures': of 3 contents .* document none"):
        run(data, DummyEncoder(), tmp_path / "out")


def test_warnings_of_the_encoder_are_counted(tmp_path: Path) -> None:
    """A text that was cut off explains a low score."""
    data = suite(tmp_path / "data", compass())
    (one,) = run(data, TableEncoder(COMPASS, warning="cut off"), tmp_path / "out").sets
    assert one.notes == ("3 queries: cut off", "3 documents: cut off")


def test_a_damaged_cache_is_told_in_the_notes(tmp_path: Path) -> None:
    """It was set aside, which a user should hear of."""
    encoder = TableEncoder(COMPASS)
    cache_file(encoder).parent.mkdir(parents=True)
    cache_file(encoder).write_bytes(b"no database, however one looks at it" * 100)
    (one,) = run(suite(tmp_path / "data", compass()), encoder, tmp_path / "out").sets
    assert one.value == pytest.approx(2 / 3)
    assert "damaged" in one.notes[0]


CALIBRATION: Mapping[Modality, Calibration] = {
    "text": Calibration(slope=8.0, intercept=-8.0),
    "image": Calibration(slope=8.0, intercept=0.0),
}


class Sighted(TableEncoder):
    """Sees every picture at cosine 0.6, below texts at 0.8."""

    def __init__(self, calibration: Mapping[Modality, Calibration]) -> None:
        both: frozenset[Modality] = frozenset({"text", "image"})
        vectors = {"boat?": [1.0, 0.0], "": [0.6, 0.8], "a text": [0.8, 0.6]}
        super().__init__(vectors, modalities=both, calibration=calibration)


def mixed(folder: Path, group: str = "mixed") -> Suite:
    pictures = picture_set(folder / "media")
    documents: dict[str, str | Content] = {"t": "a text", "p": pictures.documents["p0"]}
    return suite(folder, text_set({"boat?": ("p",)}, documents, name="pool", group=group))


def test_a_mixed_pool_is_ranked_by_calibrated_scores(tmp_path: Path) -> None:
    """That is how it is searched; the plain figure stands beside it."""
    (one,) = run(mixed(tmp_path / "data"), Sighted(CALIBRATION), tmp_path / "out").sets
    assert one.value == one.scores["hit@1"] == 1.0
    assert one.scores["hit@1 by cosine"] == 0.0
    assert "calibrated" in one.notes[0]
    assert asdict(read_run(tmp_path / "out").sets[0]) == asdict(one)


@pytest.mark.parametrize(
    ("calibration", "group", "note"),
    [
        ({}, "mixed", "no calibration for image, text"),
        ({"image": CALIBRATION["image"]}, "mixed", "no calibration for text"),
        (CALIBRATION, "image", ""),
    ],
)
def test_without_calibration_for_all_it_is_ranked_by_cosine(
    tmp_path: Path, calibration: Mapping[Modality, Calibration], group: str, note: str
) -> None:
    """Half a calibration is none; and other groups are measured as the protocol says."""
    data = mixed(tmp_path / "data", group)
    (one,) = run(data, Sighted(calibration), tmp_path / "out").sets
    assert one.value == 0.0
    assert one.scores.keys() == set(KEYS)
    assert note in " ".join(one.notes)
    assert bool(one.notes) == bool(note)


def test_a_limit_keeps_what_its_queries_need(tmp_path: Path) -> None:
    """By hand: 2 queries, their labels, and 8 of the others from all over the pool."""
    made = numbered("one")
    cut = limited(made, 2)
    assert [query.labels for query in cut.queries] == [("0",), ("1",)]
    assert len(cut.documents) == 10
    others = [int(name) for name in cut.documents][2:]
    assert max(others) > 80
    assert np.diff(others).max() < 20
    assert limited(made, None) is made
    assert limited(made, 1000).documents == made.documents
    local = text_set(
        {f"q{n}": (str(n),) for n in range(5)},
        {str(n): f"text {n}" for n in range(20)},
        candidates={f"q{n}": (str(n), str(n + 10)) for n in range(5)},
    )
    assert set(limited(local, 2).documents) == {"0", "10", "1", "11"}
    (one,) = run(suite(tmp_path / "data", made), table(), tmp_path / "out", limit=2).sets
    assert (one.queries, one.documents) == (2, 10)
    assert "first 2 of 100 queries and 10 of 100 documents" in one.notes[0]
    assert read_run(tmp_path / "out").limit == 2


def test_a_limit_of_nothing_is_refused(tmp_path: Path) -> None:
    """A mean over no queries is NaN."""
    for limit in (0, -3):
        with pytest.raises(UsageError, match="give 1 or more"):
            run(suite(tmp_path / "data", compass()), table(), tmp_path / "out", limit=limit)


def test_sets_that_cannot_be_measured_are_refused_at_once(tmp_path: Path) -> None:
    """After hours of encoding the sets before them would be too late."""
    encoder = TableEncoder(COMPASS)
    odd = {
        "no query": text_set({}, {"a": "1"}, name="odd"),
        "no score 'hit@3'": compass("odd", metric="hit@3"),
    }
    for number, (message, made) in enumerate(odd.items()):
        data = suite(tmp_path / str(number), compass(), made)
        with pytest.raises(DataError, match=rf"set 'odd'.*{message}"):
            run(data, encoder, tmp_path / "out")
    data = suite(tmp_path / "data", compass())
    for name in ("other", "../compass"):
        renamed = replace(data, sets=(name,), load=lambda _: compass())
        with pytest.raises(DataError, match="does not fit"):
            run(renamed, encoder, tmp_path / "out")
    assert encoder.asked == []


def test_progress_reaches_its_end_and_never_goes_back(tmp_path: Path) -> None:
    """Counted up front over all sets, cached contents among them."""
    data = suite(tmp_path / "data", numbered("one"), numbered("two", 70))
    run(data.only(["one"]), table(), tmp_path / "other")
    told: list[Progress] = []
    run(data, table(), tmp_path / "out", progress=told.append)
    assert {each.contents_total for each in told} == {340}
    done = [each.contents_done for each in told]
    assert done == sorted(done)
    assert done[-1] == 340
    assert (told[-1].sets_done, told[-1].sets_total, told[-1].seconds_left) == (2, 2, 0.0)
    assert {each.set_name for each in told} == {"one", "two"}
    assert told[-1].items_per_second > 0


def test_a_run_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    """Before anything is encoded."""
    (tmp_path / "taken").write_text("a file where a folder should be")
    encoder = TableEncoder(COMPASS)
    with pytest.raises(DataError, match=r"cannot write the run to .*taken"):
        run(suite(tmp_path / "data", compass()), encoder, tmp_path / "taken")
    assert encoder.asked == []


def test_copies_in_the_pool_are_reported(tmp_path: Path) -> None:
    """From two files of the same bytes to the figure in the outcome."""
    made = text_set(
        {"north?": ("north",)}, {"a": "north", "north": "north", "z": "south"}, name="copies"
    )
    (one,) = run(suite(tmp_path / "data", made), TableEncoder(COMPASS), tmp_path / "out").sets
    assert (one.value, one.ties, one.duplicates) == (1.0, 0, 1)
    assert one.baselines["random"] == 0.5


def test_a_picture_query_has_no_calibration(tmp_path: Path) -> None:
    """It was fitted on queries of text."""
    folder = tmp_path / "data"
    pictures = picture_set(folder / "media")
    query = Query(
        id="q", content=Content(pictures.documents["p1"].parts[0], Text("boat?")), labels=("p",)
    )
    documents: dict[str, str | Content] = {"t": "a text", "p": pictures.documents["p0"]}
    data = suite(folder, text_set({"q": query}, documents, name="pool", group="mixed"))
    (one,) = run(data, Sighted(CALIBRATION), tmp_path / "out").sets
    assert one.value == 0.0
    assert "for queries of text alone" in one.notes[0]
