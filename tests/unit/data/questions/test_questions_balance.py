"""Balance: no answer oftener than another by more than one, and the same questions each time."""

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rzen.data.questions.balance import CLOSED, GROUP, Draft, asked, evened

COUNTS = st.lists(st.integers(1, 30), min_size=1, max_size=30)


def drafts(counts: list[int], template: str = "colour") -> list[Draft]:
    """As many questions for each answer as are told."""
    return [
        Draft(
            template=template,
            text=f"What of {template} {answer} number {number}?",
            answer=f"it is {chr(97 + answer // 26)}{chr(97 + answer % 26)}",
            gold=("item",),
        )
        for answer, count in enumerate(counts)
        for number in range(count)
    ]


@given(COUNTS, st.integers(2, 200))
def test_no_answer_is_oftener_than_another_by_more_than_one(counts: list[int], most: int) -> None:
    found = Counter(draft.answer for draft in evened(drafts(counts), most))
    assert sum(found.values()) <= most
    if len(counts) > 1:
        assert len(found) > 1
        assert max(found.values()) - min(found.values()) <= 1
    else:
        assert not found, "one answer alone is no question"


@given(COUNTS, st.randoms(use_true_random=False))
def test_the_order_of_drafts_does_not_matter(counts: list[int], random: object) -> None:
    made = drafts(counts)
    mixed = made[:]
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert asked("family", made, 50) == asked("family", mixed, 50)


def test_rare_answers_make_way_for_many_questions() -> None:
    found = Counter(draft.answer for draft in evened(drafts([40, 40, 40, 2]), 200))
    assert sorted(found.values()) == [40, 40, 40]


def test_of_two_ways_to_choose_the_one_with_more_answers_is_taken() -> None:
    """Two answers give 22 questions, five give 21: of these a guess is right four times."""
    found = Counter(draft.answer for draft in evened(drafts([11, 11, 4, 4, 4]), 200))
    assert len(found) == 5


@pytest.mark.parametrize("most", [3, 5, 7])
def test_what_is_wanted_at_most_holds_where_there_are_more_answers(most: int) -> None:
    assert len(evened(drafts([9] * 8), most)) == most


def test_a_few_answers_are_all_candidates() -> None:
    found = asked("family", drafts([5] * CLOSED), 100)
    assert {len(question.candidates) for question in found} == {CLOSED}


def test_many_answers_are_dealt_into_groups_in_which_each_is_right_as_often() -> None:
    found = asked("family", drafts([2] * 61), 1000)
    assert len(found) == 122
    groups = Counter((question.candidates, question.answer) for question in found)
    assert set(groups.values()) == {2}
    for candidates in {question.candidates for question in found}:
        assert GROUP <= len(candidates) < 2 * GROUP
        assert {answer for group, answer in groups if group == candidates} == {*candidates}


def test_kin_are_candidates_together() -> None:
    made = [
        Draft(
            template="name",
            text=f"{kin} {number}?",
            answer=f"a {kin}{letter}",
            gold=("i",),
            kin=kin,
        )
        for kin in ("bird", "fish")
        for number, letter in enumerate("abcdefgh")
    ]
    for question in asked("family", made, 100):
        assert len({candidate[:4] for candidate in question.candidates}) == 1


def test_what_a_question_names_is_no_candidate() -> None:
    made = [
        Draft(template="besides", text=f"What is beside the {one}?", answer=other, gold=("i",))
        for one, other in (("owl", "drum"), ("drum", "owl"), ("saw", "hat"), ("hat", "saw"))
    ]
    for question in asked("family", made, 100):
        named = question.text.rstrip("?").split()[-1]
        assert named not in question.candidates
        assert question.answer in question.candidates


def test_what_is_beside_the_answer_is_a_candidate() -> None:
    made = [
        Draft(template="mover", text=f"What moves, {n}?", answer=each, gold=("i",), beside=("cat",))
        for n, each in enumerate(("owl", "drum"))
    ]
    assert asked("family", made, 9)[0].candidates == ("cat", "drum", "owl")


def test_questions_that_say_their_answer_or_ask_alike_are_left_out() -> None:
    made = [
        Draft(template="t", text="Is the Owl an owl?", answer="owl", gold=("a",)),
        Draft(template="t", text="What?", answer="saw", accepted=("WHAT",), gold=("a",)),
        Draft(template="t", text="Which?", answer="saw", gold=("a",)),
        Draft(template="t", text="Which?", answer="hat", gold=("b",)),
        Draft(template="t", text="Who?", answer="saw", gold=("a",), picture=Path("one.png")),
        Draft(template="t", text="Who?", answer="hat", gold=("b",), picture=Path("two.png")),
    ]
    assert {question.text for question in asked("family", made, 9)} == {"Who?"}


def test_ids_differ_and_templates_have_limits_of_their_own() -> None:
    made = [*drafts([9, 9], "one"), *drafts([9, 9], "two")]
    found = asked("family", made, {"one": 4, "two": 6})
    assert Counter(question.template for question in found) == {"one": 4, "two": 6}
    assert len({question.id for question in found}) == 10
