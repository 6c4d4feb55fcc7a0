import pytest

from rzen.data.bench.language.text_overlap import similar_texts

STORY = "one two three four five six seven eight nine ten"


def test_pairs_come_in_the_order_of_the_texts() -> None:
    """Guards against pairs of which the stronger text is dropped: the first is the stronger."""
    texts = {"z": STORY, "a": f"{STORY} eleven", "m": STORY}
    assert similar_texts(texts) == [("z", "a"), ("z", "m"), ("a", "m")]
    other = STORY.replace("e", "")
    nested = {"z": STORY, "a": other, "m": other, "b": STORY}
    assert similar_texts(nested) == [("z", "b"), ("a", "m")]


@pytest.mark.parametrize(("more", "alike"), [(6, True), (7, False)])
def test_overlap_is_shared_runs_over_all_runs(more: int, alike: bool) -> None:
    """Guards against a long text that swallows every short one: 6 runs shared of 12, of 13."""
    longer = " ".join([STORY, *(f"w{number}" for number in range(more))])
    assert bool(similar_texts({"a": STORY, "b": longer})) == alike


def test_the_least_overlap_can_be_set() -> None:
    """Guards against a limit that is not heeded."""
    texts = {"a": STORY, "b": f"{STORY} eleven"}
    assert similar_texts(texts, least=0.86) == []
    assert similar_texts(texts, least=0.85) == [("a", "b")]


def test_words_count_without_case_and_punctuation() -> None:
    """Guards against copies that differ by a comma."""
    assert similar_texts({"a": "One, two; three four FIVE", "b": "one two (three) four five."})


def test_short_texts_are_like_no_other() -> None:
    """Guards against all empty pages as copies of one another."""
    assert (
        similar_texts({"a": "", "b": "", "c": "one two three four", "d": "one two three four"})
        == []
    )


def test_repeated_runs_count_once() -> None:
    """Guards against a refrain that makes a text like itself, or like all with the refrain."""
    refrain = "la la la la la la la la la la"
    texts = {"a": f"{refrain} {STORY}", "b": f"{refrain} other words of no song that anyone knows"}
    assert similar_texts(texts) == []
