import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import media_files
from evaluation_sets import text_set
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.evaluation import baselines
from rzen.evaluation.baselines import Baselines, majority, random_order, thumbnails, words
from rzen.evaluation.pools import Pools
from rzen.evaluation.thumbnail_encoder import ThumbnailEncoder
from rzen.types import Content, Example, Frames, Image, Page, Text, Video


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RZEN_CACHE", str(tmp_path / "cache"))


def test_random_order_by_hand() -> None:
    """1 of 4, and 2 of 3: the mean of the chances that a label comes first."""
    made = text_set(
        {"q": ("a",), "r": ("a", "b")},
        {"a": "1", "b": "2", "c": "3", "d": "4"},
        candidates={"q": "abcd", "r": "abc"},
    )
    assert random_order(Pools(made)) == pytest.approx((1 / 4 + 2 / 3) / 2)


def test_random_order_is_that_of_the_merged_pool() -> None:
    """Copies are not ranked, so they do not make the task harder than it is."""
    made = text_set({"q": ("a",)}, {"a": "1", "b": "2", "c": "2", "d": "1"})
    assert random_order(Pools(made)) == pytest.approx(1 / 2)


def test_words_find_what_shares_them() -> None:
    """Rare words count more, stems match, case and accents do not matter."""
    made = text_set(
        {"The boats": ("boat",), "the CAFÉ": ("cafe",), "the moon": ("boat",)},
        {"boat": "a boat on the lake", "cafe": "the cafe", "tree": "the tree on the hill"},
    )
    assert words(Pools(made)) == pytest.approx(2 / 3)


def test_sharing_no_word_is_no_hit() -> None:
    """All documents tie at zero; the tie must not go to the label."""
    made = text_set({"moon": ("a",), "sun": ("a",)}, {"a": "boat", "b": "tree"})
    assert words(Pools(made)) == 0.0


@pytest.mark.parametrize(
    "query",
    [
        '"boat" NOT NEAR(',
        "boat OR *",
        "text : boat ^",
        "boat - + {",
        "boat\x00",
        "boat _",
        '""boat',
    ],
)
def test_no_query_is_syntax(query: str) -> None:
    """FTS5 has a language of its own; a caption with a quotation mark would end the run."""
    made = text_set({query: ("boat",)}, {"boat": "a boat", "tree": "a tree", "text": "near a lake"})
    assert words(Pools(made)) == 1.0


def test_words_read_the_text_of_pages_and_need_text_on_both_sides() -> None:
    """A baseline that cannot run is left out, not given as zero."""
    page = Content(Page(b"%PDF", 1, "a boat on a lake"))
    picture = Content(Image(b"png"))
    assert words(Pools(text_set({"boat": ("p",)}, {"p": page, "i": picture}))) == 1.0
    assert words(Pools(text_set({"boat": ("i",)}, {"i": picture}))) is None
    asked = Query(id="q", content=picture, labels=("p",))
    assert words(Pools(text_set({"q": asked}, {"p": page}))) is None


def drawn(seed: int, size: tuple[int, int]) -> Content:
    return Content(Image(media_files.picture(media_files.smooth(*size, seed=seed))))


def asked_with(contents: Mapping[str, Content], labels: Mapping[str, str]) -> dict[str, Query]:
    return {
        name: Query(id=name, content=each, labels=(labels[name],))
        for name, each in contents.items()
    }


def test_thumbnails_know_a_picture_in_another_size() -> None:
    """The trivial way to solve picture to picture."""
    documents = {f"d{seed}": drawn(seed, (64, 64)) for seed in range(5)}
    queries = asked_with(
        {f"q{seed}": drawn(seed, (40, 40)) for seed in range(5)},
        {f"q{seed}": f"d{seed}" for seed in range(5)},
    )
    found = thumbnails(Pools(text_set(queries, documents)))
    assert found == 1.0


def test_thumbnails_need_pixels_on_both_sides() -> None:
    """Captions have none; a text in the pool comes last."""
    picture = drawn(0, (16, 16))
    assert thumbnails(Pools(text_set({"boat": ("i",)}, {"i": picture}))) is None
    queries = asked_with({"q": picture}, {"q": "i"})
    assert thumbnails(Pools(text_set(queries, {"i": picture, "t": "boat"}))) == 1.0
    queries = asked_with({"q": picture}, {"q": "t"})
    assert thumbnails(Pools(text_set(queries, {"t": "boat"}))) is None


def test_a_thumbnail_is_the_mean_colour_of_each_cell() -> None:
    """By hand: four coloured quarters, in any size, at unit length and mean zero."""
    for width, height in ((8, 8), (16, 24), (30, 50), (4, 4), (2, 1000)):
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[: height // 2, : width // 2] = (255, 0, 0)
        pixels[height // 2 :, width // 2 :] = (0, 0, 255)
        vector = thumbnail(Content(Image(Frames(pixels=(pixels,)))))
        grid = vector.reshape(8, 8, 3)
        expected = np.zeros((8, 8, 3))
        expected[:4, :4, 0] = expected[4:, 4:, 2] = 1.0
        expected -= expected.mean()
        expected /= np.linalg.norm(expected)
        np.testing.assert_allclose(grid, expected, atol=1e-6)


def test_a_clip_is_the_mean_of_its_frames_and_a_page_is_its_picture() -> None:
    """Frames count alike; a page's text has no part in it."""
    frames = [np.full((8, 8, 3), 90, np.uint8) for _ in range(2)]
    frames[0][:4] = 250
    frames[1][:, :4] = 250
    clip = thumbnail(Content(Video(Frames(pixels=tuple(frames), times=(0.0, 1.0)))))
    both = np.mean(frames, axis=0).ravel()
    both -= both.mean()
    np.testing.assert_allclose(clip, both / np.linalg.norm(both), atol=1e-6)
    page = Content(Page(Frames(pixels=(frames[0],)), 1, "words"), Text("more"))
    plain = Content(Image(Frames(pixels=(frames[0],))))
    np.testing.assert_array_equal(thumbnail(page), thumbnail(plain))


def test_a_flat_picture_has_a_thumbnail_that_is_near_to_no_other() -> None:
    """Nothing is left of one grey; a zero vector would end the run."""
    flat = thumbnail(Content(Image(Frames(pixels=(np.full((9, 9, 3), 77, np.uint8),)))))
    assert np.linalg.norm(flat) == pytest.approx(1.0)
    assert abs(float(flat @ thumbnail(drawn(3, (20, 20))))) < 1e-6


def thumbnail(content: Content) -> NDArray[np.float32]:
    encoded = ThumbnailEncoder().encode([content], role="document")
    assert not encoded.failed
    vector: NDArray[np.float32] = encoded.vectors[0]
    return vector


def questions(
    rows: Iterable[tuple[str, str]], answers: str = "red blue yes no", **about: str
) -> RetrievalSet:
    """Rows of (question, answer) about pictures, with all answers as candidates."""
    listed = answers.split()
    queries = {
        f"q{number}": Query(
            id=f"q{number}",
            content=Content(Image(b"%d" % number), Text(question)),
            labels=(answer,),
            candidates=tuple(listed),
        )
        for number, (question, answer) in enumerate(rows)
    }
    facts = {"family": "qa", **about}
    return text_set(queries, {each: each for each in listed}, candidates=listed, **facts)


def example(question: str, answer: str) -> Example:
    picture = Image(b"any")
    asked = Content(picture, Text(question)) if question else Content(picture)
    return Example(task="image qa", query=asked, positives=(Content(Text(answer)),))


def test_majority_is_the_commonest_training_answer_for_the_question() -> None:
    """It must equal the table that is published for the suite, and take no part in tie rules."""
    train = (
        [("what?", "red")] * 3 + [("what?", "blue")] * 2 + [("is it?", "no")] + [("x", "no")] * 9
    )
    test = [("what?", "red"), ("what?", "blue"), ("is it?", "no"), ("never seen?", "no")]
    found = majority(Pools(questions(test)), [example(*row) for row in train])
    assert found == 0.75


def test_answers_that_are_equally_common_are_not_a_tie() -> None:
    """A table has to say something: half of a balanced question, not nothing."""
    train = [("what?", "red"), ("what?", "blue")]
    assert majority(Pools(questions(train)), [example(*row) for row in train]) == 0.5


def test_examples_of_other_tasks_teach_nothing() -> None:
    """Captions with the same words must not stand in for this set's own answers."""
    picture = Content(Image(b"any"))
    pictures = Example(task="image to image", query=picture, positives=(picture,))
    others = [*[example("what?", "a boat")] * 9, pictures]
    blue = questions([("what?", "blue")] * 4)
    assert majority(Pools(blue), [*others, example("what?", "blue")]) == 1.0
    mostly_red = questions([("what?", "red")] * 80 + [("what?", "yes")] * 20)
    assert majority(Pools(mostly_red), others) == pytest.approx(0.8), "as without examples"


def test_without_examples_one_half_teaches_the_other() -> None:
    """Its own answer must not teach a query: a set of single questions would be solved by heart."""
    skewed = questions([("", "red")] * 80 + [("", "blue")] * 20, family="classification")
    assert majority(Pools(skewed), []) == pytest.approx(0.8)
    single = questions([(f"question {n}?", ["red", "blue"][n % 2]) for n in range(200)])
    assert 0.3 < (majority(Pools(single), []) or 0.0) < 0.7


def test_without_examples_a_balanced_set_is_guessed_not_missed() -> None:
    """Leaving out one query alone makes its answer the rarest: it would be right never."""
    random = np.random.default_rng(0)
    answers = random.permutation(["red", "blue", "yes", "no"] * 50)
    found = majority(Pools(questions([("what?", str(each)) for each in answers])), [])
    assert found is not None
    assert found > 0.15


def test_majority_is_for_sets_of_short_answers() -> None:
    """In a global pool of captions there is no commonest answer."""
    assert majority(Pools(text_set({"q": ("a",)}, {"a": "1"}, family="qa")), []) is None
    retrieval = questions([("what?", "red")], family="retrieval")
    assert majority(Pools(retrieval), []) is None
    made = text_set({"q": ("a",)}, {"a": drawn(0, (8, 8))}, candidates="a", family="classification")
    assert majority(Pools(made), []) is None


def never() -> Iterable[Example]:
    raise AssertionError("it was kept")


def test_baselines_are_computed_once_for_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warm run needs no second for them, and new data never gets old figures."""
    pools = Pools(questions([("what?", "red")] * 4))
    train = [example("what?", "red")]
    file = tmp_path / "baselines-test.json"
    one, two = {"tiny": "1"}, {"tiny": "2"}
    first = Baselines(file, one, lambda: train).of(pools, None)
    assert first == {"random": 0.25, "words": 0.0, "majority": 1.0}
    assert Baselines(file, one, never).of(pools, None) == first
    fewer = Baselines(file, one, lambda: [example("what?", "blue")]).of(pools, 3)
    assert fewer["majority"] == 0.0, "a set that is cut has baselines of its own"
    assert Baselines(file, one, never).of(pools, None) == first
    other = Baselines(file, two, lambda: [example("what?", "blue")]).of(pools, None)
    assert other["majority"] == 0.0
    assert list(json.loads(file.read_text())["sets"]) == ["tiny 2 all"], "the old ones are gone"
    monkeypatch.setattr(baselines, "_EDITION", 1000)
    assert Baselines(file, two, lambda: train).of(pools, None) == first


def test_a_set_that_is_added_leaves_the_baselines_of_others(tmp_path: Path) -> None:
    """A folder of MMEB fills set by set: what is known of a set depends on that set alone."""
    file = tmp_path / "baselines-test.json"
    first = Baselines(file, {"tiny": "1"}, list).of(Pools(questions([("what?", "red")])), None)
    other = text_set({"q": ("a",)}, {"a": "1", "b": "2"}, name="other")
    grown = {"tiny": "1", "other": "1"}
    Baselines(file, grown, list).of(Pools(other), None)
    assert Baselines(file, grown, never).of(Pools(questions([("what?", "red")])), None) == first


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"edition": 2}', '{"edi', "[" * 100_000])
def test_a_damaged_file_of_baselines_is_made_anew(
    tmp_path: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It can be computed again, so it is no reason to end a run."""
    file = tmp_path / "baselines-test.json"
    file.write_text(text)
    pools = Pools(questions([("what?", "red")]))
    assert Baselines(file, {"tiny": "1"}).of(pools, None)["random"] == 0.25
    assert "computed again" in caplog.text
    assert json.loads(file.read_text())["sets"]["tiny 1 all"]["random"] == 0.25


def test_a_suite_that_cannot_be_written_has_baselines_all_the_same(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A suite may lie on a read-only disk."""
    (tmp_path / "taken").write_text("a file where a folder should be")
    kept = Baselines(tmp_path / "taken" / "baselines-test.json", {"tiny": "1"})
    assert kept.of(Pools(questions([("what?", "red")])), None)["random"] == 0.25
    assert "again next time" in caplog.text
