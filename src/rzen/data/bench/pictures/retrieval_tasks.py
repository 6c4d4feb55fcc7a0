"""Finding pictures by captions, captions by pictures, the same thing in another style, classes.

Validation and test ask for Google's emoji, which no training example shows: a model that has only
learnt the style of its training pictures does not do well there.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from rzen.data.bench.language.caption_meaning import Meaning, entails, kinds_of, may_mean, meaning
from rzen.data.bench.language.concepts import Split
from rzen.data.bench.pictures.classes import Package, class_of, classes
from rzen.data.bench.pictures.collection import Picture, Style, of_split, on_paper
from rzen.data.bench.pictures.sources import NOUNS
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.types import Content, Example, Image, Text

_IsKindOf: TypeAlias = Callable[[str, str], bool]
_Alike: TypeAlias = Mapping[str, frozenset[str]]

# The style that is measured, and what the names of its sets begin with.
_MEASURED: Final[tuple[tuple[Package, Style], ...]] = (
    ("stamps", "stamps"),
    ("clipart", "clipart"),
    ("emoji", "google"),
)
_TRAINED: Final[tuple[tuple[Package, Style], ...]] = (
    ("stamps", "stamps"),
    ("clipart", "clipart"),
    ("emoji", "twitter"),
)
_WHAT: Final[Mapping[Package, str]] = {
    "stamps": "photographs and drawings of Tux Paint",
    "clipart": "clip art",
    "emoji": "emoji in a style that was held out of training",
}
_SIDE: Final[Mapping[Style, int]] = {"stamps": 256, "clipart": 256, "twitter": 128, "google": 128}
_MOST_QUERIES: Final[Mapping[Split, int]] = {"validation": 200, "test": 400}
_METRIC = "hit@1"
_WRONG_CLASSES = 7  # that stand beside the right one in a training example

# An emoji of a person comes in up to nine variants: man, woman, either; left, right. One is used.
_VARIANT: Final = re.compile(r"1f46[89]-200d|.*-200d-(?:2640|2642|27a1)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shelf:
    """The pictures of one package that are measured together.

    Attributes:
        package: the sets' names begin with it.
        split: that the pictures are of.
        pictures: sorted by id.
        shown: id -> the picture on paper.
        names: caption -> captions, of these pictures, that are also true of what it shows.
        unclear: caption -> captions that may be true of what it shows, for all one knows.
    """

    package: Package
    split: Split
    pictures: Sequence[Picture]
    shown: Mapping[str, Content]
    names: _Alike
    unclear: _Alike

    def name(self, picture: Picture) -> str:
        """A short id."""
        return picture.id.partition("/")[2]


def sets(shop: Workshop, split: Split) -> list[RetrievalSet]:
    """The sets of a split."""
    is_kind_of = kinds_of(shop.fetch(NOUNS))
    made = []
    for package, style in _MEASURED:
        shelf = _shelf(shop, package, style, split, is_kind_of)
        made.append(_caption_to_picture(shop, shelf))
        if package == "emoji":
            made.append(_style_to_style(shop, shelf))
        else:
            made.append(_picture_to_caption(shop, shelf))
        made.append(_classification(shop, shelf))
    return made


def examples(shop: Workshop) -> Iterator[Example]:
    """Training pairs in both directions, between styles, and with classes."""
    by_meaning: dict[Meaning, list[tuple[Style, Content]]] = defaultdict(list)
    for package, style in _TRAINED:
        for picture in _usable(shop, style, "train"):
            shown, caption = _shown(shop, picture), Content(Text(picture.caption))
            yield Example(task="image retrieval", query=caption, positives=(shown,))
            yield Example(task="image retrieval", query=shown, positives=(caption,))
            yield from _class_example(shop, package, picture, shown)
            by_meaning[meaning(picture.caption)].append((style, shown))
    for alike in by_meaning.values():
        for style, shown in alike:
            others = tuple(other for of_style, other in alike if of_style != style)
            if others:
                yield Example(task="image retrieval", query=shown, positives=others)


def _class_example(
    shop: Workshop, package: Package, picture: Picture, shown: Content
) -> Iterator[Example]:
    right = class_of(picture)
    if right is None:
        return
    wrong = [each for each in classes(package) if each != right]
    drawn = shop.dice("wrong classes", picture.id).permutation(len(wrong))[:_WRONG_CLASSES]
    yield Example(
        task="image classification",
        query=shown,
        positives=(Content(Text(right)),),
        negatives=tuple(Content(Text(wrong[at])) for at in drawn),
    )


def _shelf(
    shop: Workshop, package: Package, style: Style, split: Split, is_kind_of: _IsKindOf
) -> _Shelf:
    pictures = _usable(shop, style, split)
    captions = sorted({picture.caption for picture in pictures})
    names = {
        one: frozenset(other for other in captions if entails(one, other, is_kind_of))
        for one in captions
    }
    # The names of emoji are a vocabulary: what "snowman" leaves unsaid is not there.
    unclear = {
        one: frozenset(
            other
            for other in captions
            if package != "emoji" and other not in names[one] and may_mean(one, other)
        )
        for one in captions
    }
    return _Shelf(
        package=package,
        split=split,
        pictures=pictures,
        shown={picture.id: _shown(shop, picture) for picture in pictures},
        names=names,
        unclear=unclear,
    )


def _usable(shop: Workshop, style: Style, split: Split) -> list[Picture]:
    pictures = of_split(shop, style, split)
    kept = [picture for picture in pictures if not (_is_variant(picture) or _has_letters(picture))]
    if len(kept) < len(pictures):
        reason = f"pictures, {style}, {split}: variants of one person, and letters"
        shop.tallies[reason] = len(pictures) - len(kept)
    return sorted(kept, key=lambda picture: picture.id)


def _is_variant(picture: Picture) -> bool:
    if picture.style not in {"twitter", "google"}:
        return False
    return _VARIANT.match(picture.id.partition("/")[2]) is not None


def _has_letters(picture: Picture) -> bool:
    """Arrows with words, such as "BACK arrow"."""
    return picture.category == "arrow" and any(
        word.isupper() and len(word) > 1 for word in picture.caption.split()
    )


def _shown(shop: Workshop, picture: Picture) -> Content:
    return Content(_image(shop, picture))


def _image(shop: Workshop, picture: Picture) -> Image:
    return shop.picture(on_paper(picture, _SIDE[picture.style]))


def _caption_to_picture(shop: Workshop, shelf: _Shelf) -> RetrievalSet:
    name = f"{shelf.package}-t2i"
    # Captions that say the same are asked once.
    wordings = {meaning(picture.caption): picture.caption for picture in reversed(shelf.pictures)}
    queries, dropped = [], 0
    for caption in sorted(wordings.values()):
        if any(caption in shelf.unclear[picture.caption] for picture in shelf.pictures):
            dropped += 1
            continue
        labels = [each for each in shelf.pictures if caption in shelf.names[each.caption]]
        queries.append(
            Query(
                id=caption,
                content=Content(Text(caption)),
                labels=tuple(shelf.name(picture) for picture in labels),
            )
        )
    shop.tallies[f"{name}, {shelf.split}: captions that may mean another picture too"] = dropped
    return RetrievalSet(
        name=name,
        group="image",
        family="retrieval",
        metric=_METRIC,
        scope="global",
        queries=_drawn(shop, name, shelf.split, queries),
        documents={shelf.name(picture): shelf.shown[picture.id] for picture in shelf.pictures},
        instruction="Find a picture that matches the caption.",
        about=f"A caption finds its picture among {_WHAT[shelf.package]}.",
    )


def _picture_to_caption(shop: Workshop, shelf: _Shelf) -> RetrievalSet:
    name = f"{shelf.package}-i2t"
    clear = [picture for picture in shelf.pictures if not shelf.unclear[picture.caption]]
    reason = f"{name}, {shelf.split}: pictures that another caption may fit too"
    shop.tallies[reason] = len(shelf.pictures) - len(clear)
    queries = [
        Query(
            id=shelf.name(picture),
            content=shelf.shown[picture.id],
            labels=tuple(sorted(shelf.names[picture.caption])),
        )
        for picture in clear
    ]
    return RetrievalSet(
        name=name,
        group="image",
        family="retrieval",
        metric=_METRIC,
        scope="global",
        queries=_drawn(shop, name, shelf.split, queries),
        documents={caption: Content(Text(caption)) for caption in sorted(shelf.names)},
        instruction="Find a caption that matches the picture.",
        about=f"A picture finds its caption: {_WHAT[shelf.package]}.",
    )


def _style_to_style(shop: Workshop, shelf: _Shelf) -> RetrievalSet:
    name = "style-i2i"
    documents = {shelf.name(picture): shelf.shown[picture.id] for picture in shelf.pictures}
    queries = [
        Query(id=same, content=_shown(shop, picture), labels=(same,))
        for picture in _usable(shop, "twitter", shelf.split)
        if (same := shelf.name(picture)) in documents
    ]
    return RetrievalSet(
        name=name,
        group="image",
        family="retrieval",
        metric=_METRIC,
        scope="global",
        queries=_drawn(shop, name, shelf.split, queries),
        documents=documents,
        instruction="Find the same thing drawn in another style.",
        about="An emoji of Twitter finds the same one among those of Google.",
    )


def _classification(shop: Workshop, shelf: _Shelf) -> RetrievalSet:
    name = f"{shelf.package}-classification"
    known = classes(shelf.package)
    queries = []
    for picture in shelf.pictures:
        right, own = class_of(picture), shelf.name(picture)
        if right is not None:
            order = shop.dice(name, own).permutation(len(known))
            queries.append(
                Query(
                    id=own,
                    content=shelf.shown[picture.id],
                    labels=(right,),
                    candidates=tuple(known[at] for at in order),
                )
            )
    return RetrievalSet(
        name=name,
        group="image",
        family="classification",
        metric=_METRIC,
        scope="local",
        queries=_drawn(shop, name, shelf.split, queries),
        documents={each: Content(Text(each)) for each in known},
        instruction="Say what kind of thing the picture shows.",
        about=(
            f"The kind of thing in a picture, one of {len(known)}: {_WHAT[shelf.package]}; the "
            "kinds are those of training, the things are not."
        ),
    )


def _drawn(shop: Workshop, name: str, split: Split, queries: Iterable[Query]) -> tuple[Query, ...]:
    found = list(queries)
    order = shop.dice(name, split).permutation(len(found))
    return tuple(found[at] for at in order[: _MOST_QUERIES[split]])
