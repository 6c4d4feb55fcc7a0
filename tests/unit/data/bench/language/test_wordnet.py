from pathlib import Path

import pytest

from rzen.data.bench.language.wordnet import NounSense, noun_senses
from wordnet_files import Sense, write_wordnet


def by_noun(package: Path) -> dict[str, NounSense]:
    return {noun: sense for sense in noun_senses(package) for noun in sense.nouns}


def test_nouns_with_several_senses_are_left_out(tmp_path: Path) -> None:
    """Guards against "bank" as a question: each of its meanings would be right."""
    senses = [Sense(nouns=["bank", "shore_side"]), Sense(nouns=["bank"]), Sense(nouns=["otter"])]
    found = by_noun(write_wordnet(tmp_path / "w", senses))
    assert found.keys() == {"shore side", "otter"}
    assert found["shore side"].nouns == ("shore side",)


@pytest.mark.parametrize("kind", ["verb", "adj", "adv"])
def test_nouns_that_are_other_words_too_are_left_out(tmp_path: Path, kind: str) -> None:
    """Guards against "bark", whose other meaning no definition of a noun gives."""
    senses = [Sense(nouns=["bark"]), Sense(nouns=["otter"])]
    package = write_wordnet(tmp_path / "w", senses, others=[(kind, "bark")])
    assert by_noun(package).keys() == {"otter"}


def test_names_and_numbers_are_left_out(tmp_path: Path) -> None:
    """Guards against questions about people, places and species, which only ask for facts."""
    senses = [
        Sense(nouns=["planet"]),
        Sense(nouns=["evening_star"], above=[0], pointer="@i"),
        Sense(nouns=["Lutra", "genus_Lutra"]),
        Sense(nouns=["1st_gear"]),
        Sense(nouns=["jack-o'-lantern"]),
    ]
    found = by_noun(write_wordnet(tmp_path / "w", senses))
    assert found.keys() == {"planet", "jack-o'-lantern"}


def test_definitions_come_without_examples(tmp_path: Path) -> None:
    """Guards against examples that use the noun, and against half a definition."""
    gloss = 'play for pleasure; refreshes "body" and mind; "days of recreation"; "a time for it"'
    (sense,) = noun_senses(write_wordnet(tmp_path / "w", [Sense(nouns=["rest"], gloss=gloss)]))
    assert sense.definition == 'play for pleasure; refreshes "body" and mind'


def test_kinds_are_what_it_is_a_kind_of(tmp_path: Path) -> None:
    """Guards against pointers of other sorts, or of the wrong line, as what a thing is."""
    senses = [
        Sense(nouns=["animal"]),
        Sense(nouns=["swimmer"]),
        Sense(nouns=["otter"], above=[0, 1]),
        Sense(nouns=["paw"], above=[2], pointer="#p"),
    ]
    found = by_noun(write_wordnet(tmp_path / "w", senses))
    assert found["otter"].kinds == (found["animal"].id, found["swimmer"].id)
    assert found["paw"].kinds == found["animal"].kinds == ()


def test_many_nouns_are_counted_in_sixteens(tmp_path: Path) -> None:
    """Guards against a count of words that is read as a decimal number."""
    nouns = [f"word{letter}" for letter in "abcdefghijkl"]
    senses = [Sense(nouns=["animal"]), Sense(nouns=nouns, above=[0])]
    found = by_noun(write_wordnet(tmp_path / "w", senses))
    assert found["worda"].nouns == tuple(nouns)
    assert found["worda"].kinds == (found["animal"].id,)


def test_familiar_is_what_the_tagged_texts_have(tmp_path: Path) -> None:
    """Guards against questions about words that hardly anybody knows."""
    senses = [Sense(nouns=["otter", "river_dog"]), Sense(nouns=["quoll"])]
    found = by_noun(write_wordnet(tmp_path / "w", senses, tagged=["river_dog"]))
    assert (found["otter"].familiar, found["quoll"].familiar) == (True, False)


def test_the_licence_is_no_noun(tmp_path: Path) -> None:
    """Guards against the first lines of the files, which hold no data."""
    assert noun_senses(write_wordnet(tmp_path / "w", [])) == ()
