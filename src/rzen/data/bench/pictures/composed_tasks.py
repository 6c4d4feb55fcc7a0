"""A picture and a few words about a change to it: find the changed picture.

``composed-edit`` holds pictures that were edited here ("upside down", "with a red cross over it"),
several edits of each and the unedited one, so that neither the picture nor the words alone find the
right one. ``composed-emoji`` holds emoji that differ by one thing ("the same, but a man", "half an
hour later") among all emoji of the split. Validation and test ask with other words than training.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rzen.data.bench.language.concepts import Split, split_of
from rzen.data.bench.pictures.collection import Picture, Style, emoji, of_split
from rzen.data.bench.pictures.edits import (
    EDITS,
    Edit,
    Pixels,
    coarse,
    difference,
    flat,
    square,
)
from rzen.data.bench.pictures.emoji_pairs import Pair, emoji_pairs
from rzen.data.bench.pictures.near_duplicates import pairs, thumbnail
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.types import Content, Example, Text

Vendor: TypeAlias = Literal["twitter", "google"]

EDIT_SET: Final = "composed-edit"
EMOJI_SET: Final = "composed-emoji"

_TASK = "image retrieval"
_INSTRUCTION = "Find a picture that looks like the given picture with the described change."
_SIDE = 192  # pixels
_EMOJI_SIDE = 128
_EDITS_PER_PICTURE = 5
_ASKED_PER_PICTURE = 2
_NEGATIVES = 4
# How many pictures are edited: stamps, then emoji.
_EDITED: dict[Split, tuple[int, int]] = {
    "train": (220, 180),
    "validation": (50, 30),
    "test": (100, 60),
}
# Apart by this share of the picture's own contrast with its paper, and by this much of 255.
_PLAINLY, _VISIBLY = 0.3, 10.0
_SAME_THING = 0.995  # correlation of thumbnails: two emoji that cannot be told apart
_PER_EMOJI = 2  # questions that start from one emoji, so that hours and hearts do not outweigh all


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Edited:
    """A picture and what was made of it."""

    picture: Picture
    unedited: Pixels
    edits: tuple[tuple[Edit, Pixels], ...]

    def id(self, edit: Edit | None = None) -> str:
        return f"{self.picture.id} {edit.name if edit else 'unedited'}"


def sets(shop: Workshop, split: Split) -> list[RetrievalSet]:
    """The sets of edits and of emoji."""
    return [_edit_set(shop, split), _emoji_set(shop, split)]


def examples(shop: Workshop) -> Iterator[Example]:
    """Training pairs; among the negatives is the unchanged picture."""
    yield from _edit_examples(shop)
    yield from _emoji_examples(shop)


def _edit_set(shop: Workshop, split: Split) -> RetrievalSet:
    documents: dict[str, Content] = {}
    queries = []
    for edited in _edited(shop, split):
        unedited = Content(shop.picture(edited.unedited))
        documents[edited.id()] = unedited
        documents |= {
            edited.id(edit): Content(shop.picture(pixels)) for edit, pixels in edited.edits
        }
        queries += [
            Query(
                id=edited.id(edit),
                content=Content(*unedited.parts, Text(edit.held_out)),
                labels=(edited.id(edit),),
            )
            for edit, _ in edited.edits[:_ASKED_PER_PICTURE]
        ]
    return RetrievalSet(
        name=EDIT_SET,
        group="image",
        family="composed retrieval",
        metric="hit@1",
        scope="global",
        queries=_shuffled(shop, EDIT_SET, split, queries),
        documents=documents,
        instruction=_INSTRUCTION,
        about=(
            "A picture and an edit in words; the edited picture among other edits of it, the "
            "unedited one and the same of other pictures."
        ),
    )


def _edit_examples(shop: Workshop) -> Iterator[Example]:
    for edited in _edited(shop, "train"):
        unedited = Content(shop.picture(edited.unedited))
        made = [(edit, Content(shop.picture(pixels))) for edit, pixels in edited.edits]
        for edit, content in made:
            wordings = edit.wordings
            said = wordings[shop.dice(EDIT_SET, "words", edited.id(edit)).integers(len(wordings))]
            others = [other for another, other in made if another is not edit]
            yield Example(
                task=_TASK,
                query=Content(*unedited.parts, Text(said)),
                positives=(content,),
                negatives=(unedited, *others[: _NEGATIVES - 1]),
            )


def _edited(shop: Workshop, split: Split) -> Iterator[_Edited]:
    """Pictures of a split, one of each concept, with edits that can be seen and told apart."""
    empty = np.zeros((_SIDE, _SIDE, 4), np.uint8)
    of_nothing = {edit.name: coarse(edit.apply(empty)) for edit in EDITS}
    left_out: Counter[str] = Counter()
    concepts: set[str] = set()
    seen: list[NDArray[np.float32]] = []
    styles: tuple[Style, Style] = ("stamps", _vendor(split))
    for style, count in zip(styles, _EDITED[split], strict=True):
        pictures = of_split(shop, style, split)
        made = 0
        for at in shop.dice(EDIT_SET, split, style).permutation(len(pictures)):
            picture = pictures[at]
            if made == count or picture.concept in concepts:
                continue
            cut_out = square(picture.cut_out(), _SIDE)
            small = coarse(flat(cut_out))
            chosen = _choose(shop, picture, cut_out, of_nothing)
            if min((difference(small, other) for other in seen), default=255.0) < _VISIBLY:
                left_out["pictures that look like another"] += 1
            elif len(chosen) < _EDITS_PER_PICTURE:
                left_out["pictures of which too few edits can be told apart"] += 1
            else:
                made += 1
                concepts.add(picture.concept)
                seen.append(small)
                yield _Edited(picture=picture, unedited=flat(cut_out), edits=tuple(chosen))
    for reason, number in left_out.items():
        shop.tallies[f"{EDIT_SET}, {split}: {reason}"] = number


def _choose(
    shop: Workshop,
    picture: Picture,
    cut_out: Pixels,
    of_nothing: Mapping[str, NDArray[np.float32]],
) -> list[tuple[Edit, Pixels]]:
    """Draws edits; none that hides the thing or leaves it as it was, or as another edit does.

    Args:
        shop: for the dice.
        picture: that is edited.
        cut_out: (S, S, 4) RGBA of it.
        of_nothing: what each edit makes of an empty square, coarse.
    """
    seen = [coarse(flat(cut_out))]
    contrast = difference(seen[0], coarse(flat(np.zeros_like(cut_out))))
    apart = max(_VISIBLY, _PLAINLY * contrast)
    free = float((cut_out[..., 3] == 0).mean())
    chosen: list[tuple[Edit, Pixels]] = []
    for at in shop.dice(EDIT_SET, picture.id).permutation(len(EDITS)):
        edit = EDITS[at]
        if len(chosen) == _EDITS_PER_PICTURE or contrast < _VISIBLY or free < edit.paper:
            continue
        pixels = edit.apply(cut_out)
        small = coarse(pixels)
        least = apart if edit.moves else _VISIBLY
        if (
            difference(small, of_nothing[edit.name]) >= _VISIBLY
            and min(difference(small, other) for other in seen) >= least
        ):
            chosen.append((edit, pixels))
            seen.append(small)
    return chosen


def _vendor(split: Split) -> Vendor:
    """Google's style has no part in training."""
    return "twitter" if split == "train" else "google"


def _emoji_set(shop: Workshop, split: Split) -> RetrievalSet:
    known, changes = _emoji(shop, split)
    documents = {
        name: Content(shop.picture(_emoji_pixels(picture))) for name, picture in known.items()
    }
    asked: Counter[str] = Counter()
    queries = []
    for at in shop.dice(EMOJI_SET, split, "choice").permutation(len(changes)):
        pair = changes[at]
        if asked[pair.before] == _PER_EMOJI:
            continue
        asked[pair.before] += 1
        queries.append(
            Query(
                id=f"{pair.before} to {pair.after}",
                content=Content(*documents[pair.before].parts, Text(pair.wordings[1])),
                labels=(pair.after,),
            )
        )
    return RetrievalSet(
        name=EMOJI_SET,
        group="image",
        family="composed retrieval",
        metric="hit@1",
        scope="global",
        queries=tuple(queries),
        documents=documents,
        instruction=_INSTRUCTION,
        about=(
            "An emoji and one difference in words (a man instead of a woman, an hour later, "
            "another colour); the other emoji among all of the split."
        ),
    )


def _emoji_examples(shop: Workshop) -> Iterator[Example]:
    known, changes = _emoji(shop, "train")
    related: dict[str, list[str]] = defaultdict(list)
    for pair in changes:
        related[pair.before].append(pair.after)
    content = {
        name: Content(shop.picture(_emoji_pixels(known[name])))
        for name in {name: None for pair in changes for name in (pair.before, pair.after)}
    }
    for pair in changes:
        others = [name for name in related[pair.before] if name != pair.after]
        drawn = shop.dice(EMOJI_SET, pair.before, pair.after).permutation(len(others))
        yield Example(
            task=_TASK,
            query=Content(*content[pair.before].parts, Text(pair.wordings[0])),
            positives=(content[pair.after],),
            negatives=(
                content[pair.before],
                *(content[others[at]] for at in drawn[: _NEGATIVES - 1]),
            ),
        )


def _emoji(shop: Workshop, split: Split) -> tuple[dict[str, Picture], list[Pair]]:
    """The emoji of a split by name, and the pairs among them.

    All of a split's concepts are there, also those that look much alike: a man and a woman in one
    role do. Of emoji that cannot be told apart, one stays.
    """
    found = [each for each in emoji(shop, _vendor(split)) if split_of(each.concept) == split]
    later = [
        each
        for vendor in ("twitter", "google")
        for each in emoji(shop, vendor)
        if split == "train" and split_of(each.concept) != split
    ]
    changes = emoji_pairs([each.caption for each in found])
    wanted = {name for pair in changes for name in (pair.before, pair.after)}
    found.sort(key=lambda each: (each.caption not in wanted, each.caption))
    alike = _alike([*later, *found])
    known = {each.caption: each for each in found if each.id not in alike}
    shop.tallies[f"{EMOJI_SET}, {split}: emoji that look like another"] = len(found) - len(known)
    kept = [pair for pair in changes if pair.before in known and pair.after in known]
    return known, kept


def _alike(pictures: Sequence[Picture]) -> set[str]:
    """Ids of the pictures that look like one further in front."""
    thumbnail_ND = np.stack([thumbnail(_emoji_pixels(picture)) for picture in pictures])
    return {pictures[second].id for _, second in pairs(thumbnail_ND, _SAME_THING).tolist()}


def _emoji_pixels(picture: Picture) -> Pixels:
    """The emoji with its own margin, which is what tells a small square from a large one."""
    from PIL import Image

    with Image.open(picture.file) as opened:
        size = (_EMOJI_SIDE, _EMOJI_SIDE)
        larger = opened.convert("RGBA").convert("RGBa").resize(size, Image.Resampling.LANCZOS)
    return flat(np.asarray(larger.convert("RGBA")))


def _shuffled(
    shop: Workshop, name: str, split: Split, queries: Sequence[Query]
) -> tuple[Query, ...]:
    return tuple(queries[at] for at in shop.dice(name, split, "order").permutation(len(queries)))
