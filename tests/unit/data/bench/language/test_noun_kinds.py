from pathlib import Path

import pytest

from rzen.data.bench.language.noun_kinds import NounKinds
from rzen.errors import DataError
from wordnet_files import Sense, write_wordnet


@pytest.fixture
def kinds(tmp_path: Path) -> NounKinds:
    senses = [
        Sense(nouns=["animal"]),
        Sense(nouns=["bird"], above=[0]),
        Sense(nouns=["heron"], above=[1]),
        Sense(nouns=["great_blue_heron"], above=[2]),
        Sense(nouns=["crane"], above=[1]),
        Sense(nouns=["crane"], file=6),
        Sense(nouns=["keeper"], file=18),
        Sense(nouns=["Lutra"]),
        Sense(nouns=["bird_house"], file=6, above=[1], pointer="#p"),
    ]
    return NounKinds(write_wordnet(tmp_path / "w", senses))


def test_kinds_are_followed_all_the_way_up(kinds: NounKinds) -> None:
    """Guards against a heron that is no animal, and an animal that is a heron."""
    assert kinds.is_kind_of("great blue heron", "animal")
    assert kinds.is_kind_of("Heron", "heron")
    assert not kinds.is_kind_of("animal", "heron")
    assert not kinds.is_kind_of("heron", "crane")


def test_parts_are_no_kinds(kinds: NounKinds) -> None:
    """Guards against a bird house that is a bird."""
    assert not kinds.is_kind_of("bird house", "bird")


def test_the_first_sense_counts(kinds: NounKinds) -> None:
    """Guards against a crane that is no bird because there are others on building sites."""
    assert kinds.is_kind_of("crane", "bird")


def test_unknown_words_are_of_no_kind(kinds: NounKinds) -> None:
    """Guards against a lookup that breaks off, and unknown things that are all alike."""
    assert not kinds.is_kind_of("quoll", "animal")
    assert not kinds.is_kind_of("quoll", "quoll")
    assert not kinds.is_thing("quoll")


@pytest.mark.parametrize(
    ("name", "thing"),
    [("heron", True), ("bird house", True), ("keeper", False), ("lutra", False)],
)
def test_things_can_be_seen(kinds: NounKinds, name: str, thing: bool) -> None:
    """Guards against persons and names of their own among the pictures of things."""
    assert kinds.is_thing(name) == thing


def test_the_longest_known_end_is_the_noun(kinds: NounKinds) -> None:
    """Guards against "heron" where the whole name is known, and against its beginning."""
    assert kinds.known_end("great blue heron") == "great blue heron"
    assert kinds.known_end("happy heron") == "heron"
    assert kinds.known_end("heron food") == ""


def test_a_package_without_its_files_is_an_error(tmp_path: Path) -> None:
    """Guards against a suite that is built from half a download."""
    with pytest.raises(DataError, match="fetch the package again"):
        NounKinds(tmp_path)
    package = write_wordnet(tmp_path / "w", [Sense(nouns=["otter"])])
    (package / "usr/share/wordnet/index.noun").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="fetch the package again"):
        NounKinds(package)
