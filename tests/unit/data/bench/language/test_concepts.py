from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rzen.data.bench.language.concept_words import COMPOUNDS, KINDS, SAME
from rzen.data.bench.language.concepts import SPLITS, concept, singular, split_of


@pytest.mark.parametrize(
    ("caption", "about"),
    [
        ("A frog.", "frog"),
        ("Some snowy owls", "owl"),
        ("snowy owl", "owl"),
        ("rabbit face", "rabbit"),
        ("A floppy-eared bunny", "rabbit"),
        ("A “Fuji” apple.", "apple"),
        ("red apple", "apple"),
        ("A knight\u2019s helmet", "helmet"),
        ("A bunch of grapes", "grape"),
        ("head of a horse", "horse"),
        ("The house of the hunter.", "house"),
        ("A walnut in its shell.", "walnut"),
        ("A hoverfly resembles a honeybee drone.", "hoverfly"),
        ("A peacock (a male peafowl).", "peacock"),
        ("Tux\u2014the Linux mascot!", "penguin"),
        ("bear sleeping under the stars", "bear"),
        ("A sleeping capybara.", "capybara"),
        ("raccoon opening a box", "raccoon"),
        ("library building", "building"),
        ("woman running", "running"),
        ("man lifting weights", "weight"),
        ("woman with headscarf", "headscarf"),
        ("An orange.", "orange"),
        ("orange slice", "orange"),
        ("A Seville orange", "orange"),
        ("orange square", "square"),
        ("orange juice box", "box"),
        ("large blue square", "square"),
        ("small square table", "table"),
        ("A hot dog", "hot dog"),
        ("hot dogs", "hot dog"),
        ("A garlic bulb.", "garlic"),
        ("A lightbulb.", "light bulb"),
        ("ice cream cone with two scoops", "ice cream"),
        ("A blue fedora", "hat"),
        ("eight o\u2019clock", "clock"),
        ("four-thirty", "clock"),
        ("A Jack-o\u2019-lantern.", "jack-o-lantern"),
        ("Mrs. Claus", "santa claus"),
        ("old man", "man"),
        ("grinning face", "face"),
        ("black and white puppy", "dog"),
        ("1st place medal", "medal"),
        ("??", "??"),
        ("", ""),
    ],
)
def test_the_head_of_the_first_noun_phrase_is_the_concept(caption: str, about: str) -> None:
    """Guards against the same thing in two splits under two names."""
    assert concept(caption) == about


@pytest.mark.parametrize(
    ("plural", "one"),
    [
        ("cherries", "cherry"),
        ("pies", "pie"),
        ("boxes", "box"),
        ("brushes", "brush"),
        ("tomatoes", "tomato"),
        ("knives", "knife"),
        ("mice", "mouse"),
        ("horses", "horse"),
        ("bus", "bus"),
        ("glass", "glass"),
        ("gas", "gas"),
        ("scissors", "scissors"),
        ("tennis", "tennis"),
        ("triceratops", "triceratops"),
    ],
)
def test_singulars(plural: str, one: str) -> None:
    """Guards against "bu" and "scissor", and against plurals of their own."""
    assert singular(plural) == one


def test_the_names_of_a_thing_lead_to_one_that_names_itself() -> None:
    """Guards against chains in the lists, such as from "fedora" to "top hat" and on to "hat"."""
    ends = {*SAME.values(), *KINDS.values(), *COMPOUNDS.values()}
    assert {end: concept(end) for end in ends} == {end: end for end in ends}


@given(st.text(max_size=60))
def test_every_text_has_a_concept_and_a_split(text: str) -> None:
    """Guards against captions that crash the building of the suite."""
    assert split_of(concept(text)) in SPLITS
    assert concept(text) or not text.strip()


def test_splits_have_their_shares_and_never_change() -> None:
    """Guards against a split that moves between versions: a trained model would have seen it."""
    shares = Counter(split_of(f"thing {number}") for number in range(4000))
    assert [round(shares[split] / 4000, 2) for split in SPLITS] == [0.54, 0.15, 0.31]
    known = {"owl": "validation", "dog": "train", "penguin": "test"}
    assert {word: split_of(word) for word in known} == known
