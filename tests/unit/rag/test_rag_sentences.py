import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rzen.rag.sentences import coverage, numbers, rarity, split, words


@settings(deadline=None)
@given(st.text(alphabet=st.sampled_from("aB1 .!?\n[]-\u3002\uff01\"'"), max_size=60))
def test_sentences_are_stretches_of_the_text_and_lose_nothing(text: str) -> None:
    """Guards against quotes that are not verbatim and text that falls between two sentences."""
    parts = split(text)
    rest, position = "", 0
    for part in parts:
        assert text[part.start : part.end] == part.text != ""
        assert part.start >= position
        rest += text[position : part.start]
        position = part.end
    assert not (rest + text[position:]).strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Dr. Ito left. He paid 3.50 euros.", ["Dr. Ito left.", "He paid 3.50 euros."]),
        ("See fig. 3 and no. 4. It rained.", ["See fig. 3 and no. 4.", "It rained."]),
        ("It is red. [1] It is old [2]. Yes!", ["It is red. [1]", "It is old [2].", "Yes!"]),
        ("A line [1]\nanother line [2]", ["A line [1]", "another line [2]"]),
        ("broken in the middle of a rather long sentence that\nGoes on here.", None),
        ("Total\nDue 30 euros\nPaid 0", ["Total", "Due 30 euros", "Paid 0"]),
        ("List:\n- one\n- two", ["List:", "- one", "- two"]),
        (
            "number,customer,due,status\n2042,Lindqvist Architects,2025-02-14,paid\n2043,An,2,open",
            [
                "number,customer,due,status",
                "2042,Lindqvist Architects,2025-02-14,paid",
                "2043,An,2,open",
            ],
        ),
        ("Mr.\n\nNext paragraph", ["Mr.", "Next paragraph"]),
        ("船は赤い\u3002港は静か\uff01はい", ["船は赤い\u3002", "港は静か\uff01", "はい"]),
        ("   ", []),
    ],
)
def test_split(text: str, expected: list[str] | None) -> None:
    """Guards against sentences cut at abbreviations, decimals and wrapped lines."""
    found = [part.text for part in split(text)]
    assert found == ([text] if expected is None else expected)


def test_words_meet_across_forms() -> None:
    """Guards against plurals, accents, quotes and scripts without blanks that never match."""
    assert words("boats") == words("Boat")
    assert words("treated") == words("treats")
    assert words("café\u2019s") == words("cafe")
    assert words("the of and") == []
    assert set(words("赤い船")) & set(words("船は赤い"))


def test_numbers_are_compared_by_value() -> None:
    """Guards against 4,310 and 4310 being different sums, and 3.5 and 35 the same."""
    assert numbers("4,310 euros") == numbers("4310")
    assert numbers("3.5") != numbers("35")
    assert numbers("1,5") == numbers("1.5")


def test_rare_words_weigh_more() -> None:
    """Guards against a coverage that common words decide."""
    weights = rarity([["boat", "red"], ["boat"], ["boat"]])
    assert weights["red"] > weights["boat"]
    assert coverage(["boat", "red"], ["red"], weights) > 0.5
    assert coverage(["boat", "zebra"], ["boat"], weights) < 0.5
    assert coverage([], ["boat"], weights) == 0.0
