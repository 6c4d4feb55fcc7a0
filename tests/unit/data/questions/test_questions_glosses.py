"""Words: the answer stands in the one item that the question's word heads."""

import itertools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from manual_files import prose
from rzen.data.bench.language.concepts import SPLITS, Split, concept, split_of
from rzen.data.bench.workshop import Workshop
from rzen.data.questions import glosses as module
from rzen.data.questions.glosses import glosses
from rzen.data.questions.question_set import QuestionSet, says
from wordnet_files import Sense, write_wordnet

KINDS = ("beetle", "vessel", "garment", "officer")
PER_SPLIT = 60


def nouns(split: Split) -> Iterator[str]:
    """Words that nobody knows, and that belong to a split."""
    dice = np.random.default_rng(7)
    while True:
        word = "".join(dice.choice(list("bdfgklmnprtv")) + dice.choice(list("aou")) for _ in "1234")
        if split_of(concept(word)) == split:
            yield word


def shop_with(folder: Path) -> Workshop:
    """Nouns of all splits, of four kinds that their definitions name; a third has two nouns."""
    senses = [Sense(nouns=[kind], gloss="what everyone knows very well") for kind in KINDS]
    words = {split: nouns(split) for split in SPLITS}
    for number, split in itertools.product(range(PER_SPLIT), SPLITS):
        names = [next(words[split]) for _ in range(2 if number % 3 == 0 else 1)]
        said = " ".join(prose(len(senses), 60))
        gloss = f'a {KINDS[number % 4]} of {said}; "it is here"'
        senses.append(Sense(nouns=names, gloss=gloss, above=[number % 4]))
    write_wordnet(folder / "wordnet-base", senses)
    return Workshop(folder / "home", folder.joinpath)


@pytest.fixture
def shop(tmp_path: Path) -> Workshop:
    return shop_with(tmp_path)


def of(shop: Workshop, split: Split) -> QuestionSet:
    return glosses(shop, split)


def test_the_answer_stands_in_the_gold_item_and_not_in_the_question(shop: Workshop) -> None:
    made = of(shop, "test")
    texts = {item.id: item.text for item in made.corpus}
    assert {question.template for question in made.questions} == {"gap", "kind", "synonym", "word"}
    for question in made.questions:
        assert says(texts[question.gold[0]], question.answer)
        assert not says(question.text, question.answer)


def test_a_word_heads_one_item(shop: Workshop) -> None:
    made = of(shop, "test")
    heads = Counter(
        noun for item in made.corpus for noun in item.text.partition(":")[0].split(", ")
    )
    for question in made.questions:
        if found := re.search("\u201c(.+?)\u201d", question.text):
            assert heads[found[1]] == 1
    definitions = [item.text.partition(": ")[2] for item in made.corpus]
    assert len(set(definitions)) == len(definitions)


def test_answers_are_balanced(shop: Workshop) -> None:
    made = of(shop, "train")
    for template in {question.template for question in made.questions}:
        found = Counter(q.answer for q in made.questions if q.template == template)
        assert max(found.values()) - min(found.values()) <= 1
    kinds = Counter(q.answer for q in made.questions if q.template == "kind")
    assert {*kinds} == {*KINDS}


def test_no_item_and_no_noun_is_in_two_splits(shop: Workshop) -> None:
    made = [of(shop, split) for split in SPLITS]
    for one, other in itertools.combinations(made, 2):
        heads = [
            {noun for item in each.corpus for noun in item.text.partition(":")[0].split(", ")}
            for each in (one, other)
        ]
        assert heads[0].isdisjoint(heads[1])
        assert {i.id for i in one.corpus}.isdisjoint({i.id for i in other.corpus})


def test_it_is_the_same_each_time(tmp_path: Path) -> None:
    one, other = (of(shop_with(tmp_path / name), "test") for name in ("one", "other"))
    assert one.questions == other.questions
    assert [item.text for item in one.corpus] == [item.text for item in other.corpus]


def test_a_corpus_is_no_larger_than_it_may_be(
    shop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CORPUS", dict.fromkeys(SPLITS, 10))
    assert len(of(shop, "test").corpus) <= 10
