"""Questions about pictures of which no word is known: one has to see them.

Shapes and their colours (easy-VQA), kinds and names of things ask with the picture itself, which is
in the corpus too; cards and scenes are named by the things on them.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from rzen.data.bench import suite
from rzen.data.bench.language.concepts import Split, stable_number
from rzen.data.bench.language.noun_kinds import PACKAGE, NounKinds
from rzen.data.bench.pictures.classes import class_of
from rzen.data.bench.pictures.collection import Picture, on_paper
from rzen.data.bench.pictures.question_tasks import ANSWERS
from rzen.data.bench.workshop import Workshop
from rzen.data.questions.balance import Draft, asked
from rzen.data.questions.cards import cards
from rzen.data.questions.question_set import Item, QuestionSet
from rzen.data.questions.scene_questions import scenes
from rzen.data.questions.things import Thing, named_thing, roles
from rzen.types import Content, Image, Text

FAMILY: Final = "pictures"

_SHAPES = "easy-vqa"
_TASK = "image qa"
_SIDE = 192  # of a plain picture, in pixels
_MOST: Final[Mapping[Split, int]] = {"train": 3_000, "validation": 120, "test": 240}
# Classes of one package that are called otherwise in another.
_SAME_CLASS: Final[Mapping[str, str]] = {
    "music": "musical instrument",
    "weather or sky": "weather",
    "sweet food": "dessert",
    "person doing sport": "person",
}
_KIND = {answer: kind for kind, answers in ANSWERS.items() for answer in answers}


def pictures(shop: Workshop, folder: Path, split: Split) -> QuestionSet:
    """Shapes, kinds and names of things, cards, scenes.

    Args:
        shop: where pictures are stored that the suite has not.
        folder: of the built suite.
        split: which one.

    Raises:
        DataError: if the suite or a package is not there or damaged.
    """
    dealt = roles(shop, split)
    items, drafts = _shapes(folder, split)
    plain = [*_plain(shop, dealt.plain, NounKinds(shop.fetch(PACKAGE)))]
    for item, about in (*plain, *cards(shop, dealt.cards)):
        items.append(item)
        drafts += about
    scene_items, about_scenes = scenes(shop, split, dealt.scenes)
    return QuestionSet(
        name=f"{FAMILY}-{split}",
        split=split,
        corpus=(*items, *scene_items),
        questions=tuple(asked(FAMILY, [*drafts, *about_scenes], _MOST[split])),
    )


def _shapes(folder: Path, split: Split) -> tuple[list[Item], list[Draft]]:
    """The suite's pictures of one shape, with what its own questions tell of them."""
    facts: dict[Path, dict[str, str]] = defaultdict(dict)
    for content, answer in _asked_of_shapes(folder, split):
        image, question = content.parts
        assert isinstance(image, Image)
        assert isinstance(image.source, Path)
        assert isinstance(question, Text)
        if answer not in ANSWERS["yes or no"]:
            said = (*question.text.rstrip("?").split(), answer)
            facts[image.source] |= {_KIND[word]: word for word in said if word in _KIND}
    items, drafts = [], []
    for file, known in facts.items():
        item = Item(id=f"shape-{file.stem}", content=Content(Image(file)))
        items.append(item)
        drafts += [*_about_shape(item.id, file, known)]
    return items, drafts


def _asked_of_shapes(folder: Path, split: Split) -> Iterator[tuple[Content, str]]:
    if split != "train":
        for query in suite.load(folder, split, _SHAPES).queries:
            yield query.content, query.labels[0]
        return
    for example in suite.train_examples(folder):
        if example.task == _TASK:
            yield example.query, example.positives[0].text


def _about_shape(item: str, file: Path, known: Mapping[str, str]) -> Iterator[Draft]:
    wordings = {
        "shape": "Which shape is in this picture?",
        "colour": "What is the colour of the shape in this picture?",
    }
    for kind, text in wordings.items():
        if kind in known:
            yield Draft(template=kind, text=text, answer=known[kind], picture=file, gold=(item,))


def _plain(
    shop: Workshop, found: Sequence[Picture], kinds: NounKinds
) -> Iterator[tuple[Item, list[Draft]]]:
    shown: set[Path] = set()
    concepts: set[str] = set()
    for picture in found:
        image = shop.picture(on_paper(picture, _SIDE))
        assert isinstance(image.source, Path)
        if image.source in shown:
            continue
        shown.add(image.source)
        item = Item(id=f"picture-{stable_number(picture.id):016x}", content=Content(image))
        thing = None if picture.concept in concepts else named_thing(picture, kinds)
        if thing is not None:
            concepts.add(picture.concept)
        yield item, [*_about_plain(item.id, picture, image.source, thing)]


def _about_plain(item: str, picture: Picture, file: Path, thing: Thing | None) -> Iterator[Draft]:
    """Its class, and its name if it is the first picture of its concept that has one."""
    if (known := class_of(picture)) is not None:
        answer = _SAME_CLASS.get(known, known)
        text = "What kind of thing is in this picture?"
        yield Draft(template="kind", text=text, answer=answer, picture=file, gold=(item,))
    if thing is not None:
        yield Draft(
            template="name",
            text="What is this a picture of?",
            answer=thing.name,
            accepted=tuple({thing.phrase: None, thing.noun: None, picture.concept: None}),
            picture=file,
            gold=(item,),
            kin=known or picture.category,
        )
