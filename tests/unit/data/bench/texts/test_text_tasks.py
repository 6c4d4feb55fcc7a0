from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from manual_files import prose
from rzen.data.bench.language.concepts import SPLITS, Split, concept, split_of
from rzen.data.bench.texts import tasks
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import RetrievalSet
from rzen.types import Content, Text
from wordnet_files import Sense, write_wordnet

THINGS = 40  # of each split


def nouns(split: Split) -> Iterator[str]:
    """Words that nobody knows, and that belong to a split."""
    dice = np.random.default_rng(7)
    while True:
        word = "".join(dice.choice(list("bdfgklmnprtv")) + dice.choice(list("aou")) for _ in "123")
        if split_of(concept(word)) == split:
            yield word


def spare(split: Split) -> str:
    """One of them that no thing has."""
    return next(islice(nouns(split), 200, None))


def gloss(seed: int) -> str:
    return "what " + " ".join(prose(seed, 60))


def things() -> list[Sense]:
    """In each split, things of four kinds, which have names; a third has two nouns."""
    senses = [Sense(nouns=[f"Kind_{letter}"]) for letter in "abcd"]
    for split in SPLITS:
        words = nouns(split)
        for number in range(THINGS):
            names = [next(words) for _ in range(2 if number % 3 == 0 else 1)]
            senses.append(Sense(nouns=names, gloss=gloss(len(senses)), above=[number % 4]))
    return senses


def shop_with(
    folder: Path, more: Sequence[Sense] = (), *, tagged: Sequence[str] | None = None
) -> Workshop:
    """All nouns are familiar where nothing else is said."""
    senses = [*things(), *more]
    known = [noun for sense in senses for noun in sense.nouns] if tagged is None else tagged
    write_wordnet(folder / "wordnet-base", senses, tagged=known)
    return Workshop(folder / "suite", folder.__truediv__)


def made(shop: Workshop, split: Split) -> dict[str, RetrievalSet]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tasks, "news_set", lambda _: [])
        sets = [each for each in tasks.sets(shop, split) if isinstance(each, RetrievalSet)]
    return {each.name: each for each in sets}


def text(content: Content) -> str:
    (part,) = content.parts
    assert isinstance(part, Text)
    return part.text


def answers(of: RetrievalSet) -> dict[str, list[str]]:
    return {
        text(query.content): [text(of.documents[label]) for label in query.labels]
        for query in of.queries
    }


def everything(sets: Mapping[str, RetrievalSet]) -> set[str]:
    return {
        text(content)
        for each in sets.values()
        for content in (*each.documents.values(), *(query.content for query in each.queries))
    }


def shown_in(shop: Workshop, split: Split) -> set[str]:
    """All texts of a split's sets, or of the training examples."""
    if split != "train":
        return everything(made(shop, split))
    return {
        text(content)
        for example in tasks.examples(shop)
        for content in (example.query, *example.positives, *example.negatives)
    }


def test_nouns_find_their_definitions_and_definitions_their_nouns(tmp_path: Path) -> None:
    """Guards against labels that slipped by one, and a sense that is asked both ways."""
    shop = shop_with(tmp_path)
    definitions = {sense.gloss: [*sense.nouns] for sense in things()}
    sets = made(shop, "test")
    defined, named = answers(sets["glosses-t2t"]), answers(sets["synonyms-t2t"])
    assert len(defined) >= 10
    assert len(named) >= 14
    for noun, found in defined.items():
        assert [definitions[one] for one in found] == [[noun]]
    for definition, found in named.items():
        assert found == definitions[definition]
    assert not {found[0] for found in defined.values()} & named.keys()


@pytest.mark.parametrize(
    ("noun", "definition", "kept"),
    [
        ("otter", "an otter that one sees in rivers", False),
        ("otter", "one of several otters seen in rivers", False),
        ("pul", "a hundred puls are worth one afghani", False),
        ("sea otter", "what lives in the cold sea near rivers", False),
        ("navigator", "the one who navigates on long voyages", False),
        ("seahorse", "a fish with the head of a horse", False),
        ("otter", "small fish eater that lives along rivers", True),
        ("otter", "a slur against one that eats small fish", False),
        ("otter", "eats small fish", False),
    ],
)
def test_definitions_that_tell_the_noun_are_left_out(
    tmp_path: Path, noun: str, definition: str, kept: bool
) -> None:
    """Guards against questions that a search for words answers, insults, and hardly any text."""
    shop = shop_with(tmp_path, [Sense(nouns=[noun.replace(" ", "_")], gloss=definition)])
    shown = shown_in(shop, split_of(concept(noun)))
    assert (definition in shown) == kept
    assert (noun in shown) == kept


def test_what_was_left_out_is_counted(tmp_path: Path) -> None:
    """Guards against a datasheet without the reasons."""
    same = gloss(500)
    glosses = ("too short", "a slur against one that eats small fish", same, same)
    words = islice(nouns("test"), 200, 204)
    more = [Sense(nouns=[word], gloss=each) for word, each in zip(words, glosses, strict=True)]
    shop = shop_with(tmp_path, more)
    made(shop, "test")
    reasons = ("definitions that are short or use the noun", "insults", "definitions like another")
    assert [shop.tallies[f"nouns (test): {why}"] for why in reasons] == [1, 1, 1]


@pytest.mark.parametrize("order", [("test", "train"), ("train", "test")])
def test_a_thing_with_nouns_of_two_splits_is_in_that_of_the_first(
    tmp_path: Path, order: Sequence[Split]
) -> None:
    """Guards against a thing that is trained on by one name and asked for by another."""
    first, second = map(spare, order)
    shop = shop_with(tmp_path, [Sense(nouns=[first, second], gloss=gloss(500))])
    shown = {split: shown_in(shop, split) for split in SPLITS}
    assert [split for split in SPLITS if gloss(500) in shown[split]] == [order[0]]
    assert [split for split in SPLITS if first in shown[split]] == [order[0]]
    assert not any(second in found for found in shown.values())


def test_splits_share_nothing(tmp_path: Path) -> None:
    """Guards against nouns and definitions of the test in training, even as wrong answers."""
    shop = shop_with(tmp_path)
    measured = {split: everything(made(shop, split)) for split in ("validation", "test")}
    trained = shown_in(shop, "train")
    assert len(trained) > 2 * THINGS
    assert not trained & (measured["validation"] | measured["test"])
    assert not measured["validation"] & measured["test"]
    for found in trained:
        assert " " in found or split_of(concept(found)) == "train"


@pytest.mark.parametrize("order", [("train", "test"), ("test", "train")])
def test_of_definitions_that_are_alike_the_test_keeps_its_own(
    tmp_path: Path, order: Sequence[Split]
) -> None:
    """Guards against the same definition in training under another noun."""
    definition = gloss(600)
    more = [Sense(nouns=[spare(split)], gloss=definition) for split in order]
    shop = shop_with(tmp_path, more)
    assert definition in shown_in(shop, "test")
    assert not {definition, spare("train")} & shown_in(shop, "train")


def test_only_familiar_nouns_are_asked_for_and_others_are_documents(tmp_path: Path) -> None:
    """Guards against questions about "quoll", and documents that are all answers."""
    words = nouns("test")
    known = [next(words) for _ in range(20)]
    sets = made(shop_with(tmp_path, tagged=known), "test")
    for found in sets.values():
        assert found.queries
        assert len(found.documents) > 1.5 * len(found.queries)
    assert answers(sets["glosses-t2t"]).keys() <= set(known)
    assert all(set(known) & set(found) for found in answers(sets["synonyms-t2t"]).values())


def test_siblings_come_first_when_documents_are_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against wrong answers that are easily told: things of any other kind."""
    monkeypatch.setattr(tasks, "_QUERIES", {"test": 1})
    monkeypatch.setattr(tasks, "_DOCUMENTS", {"test": 4})
    found = made(shop_with(tmp_path), "test")["glosses-t2t"]
    kinds = {sense.gloss: sense.above for sense in things()}
    assert len(found.documents) == 4
    assert len({tuple(kinds[text(content)]) for content in found.documents.values()}) == 1


def test_queries_and_documents_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Guards against sets without end, and against answers that are cut off."""
    monkeypatch.setattr(tasks, "_QUERIES", {"test": 3})
    monkeypatch.setattr(tasks, "_DOCUMENTS", {"test": 12})
    for found in made(shop_with(tmp_path), "test").values():
        assert len(found.queries) == 3
        assert len(found.documents) == 12


def test_synonyms_differ_in_more_than_hyphens(tmp_path: Path) -> None:
    """Guards against one word as two documents, of which a query finds the wrong one."""
    word, other = islice(nouns("test"), 200, 202)
    before = next(one for one in nouns("test") if split_of(concept(one + word)) == "test")
    names = [f"{before}{word}", f"{before}_{word}", other]
    shop = shop_with(tmp_path, [Sense(nouns=names, gloss=gloss(500))])
    assert answers(made(shop, "test")["synonyms-t2t"])[gloss(500)] == [names[0], other]


def test_training_has_siblings_as_wrong_answers(tmp_path: Path) -> None:
    """Guards against negatives that are right, or of another sort than the answer."""
    found = list(tasks.examples(shop_with(tmp_path)))
    definitions = {sense.gloss for sense in things()}
    kinds = {sense.gloss: sense.above for sense in things()}
    kinds |= {noun: sense.above for sense in things() for noun in sense.nouns}
    assert {text(example.query) in definitions for example in found} == {True, False}
    for example in found:
        positives, negatives = (
            [text(one) for one in contents] for contents in (example.positives, example.negatives)
        )
        assert len({one in definitions for one in (*positives, *negatives)}) == 1
        assert not {*positives} & {*negatives}
        assert len(negatives) == 3
        assert {tuple(kinds[one]) for one in negatives} == {tuple(kinds[positives[0]])}


def test_news_are_measured_with_in_the_test_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Guards against a validation that chooses by the articles of the test."""
    shop = shop_with(tmp_path)
    news = made(shop, "test")["glosses-t2t"]
    monkeypatch.setattr(tasks, "news_set", lambda _: news)
    assert [each is news for each in tasks.sets(shop, "test")] == [False, False, True]
    assert [each is news for each in tasks.sets(shop, "validation")] == [False, False]
