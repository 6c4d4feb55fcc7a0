"""Questions about composed clips, with few possible answers that are equally often right.

Two kinds are about one thing (which way it moves, whether it grows), two about a pair of things:
which of them moves at all, and which of them moves to a given side while the other goes the
opposite way. A pair is asked about twice, with either of them as the answer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rzen.data.bench.language.concepts import Split
from rzen.data.bench.videos import motion
from rzen.data.bench.videos.clips import ObjectClip, shuffled, text
from rzen.data.bench.videos.moving_objects import MovingObject
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.types import Content, Example, Text, Video

NAME: Final = "video-qa"

_WAYS: Final[Mapping[str, str]] = {
    "left": "to the left",
    "right": "to the right",
    "up": "up",
    "down": "down",
    "grow": "it stays in its place",
    "shrink": "it stays in its place",
    "spin": "it stays in its place",
}
_SIZES: Final[Mapping[str, str]] = {
    "grow": "it grows",
    "shrink": "it shrinks",
    "left": "it keeps its size",
    "right": "it keeps its size",
    "up": "it keeps its size",
    "down": "it keeps its size",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Amounts:
    """How many questions have each way, each size as the answer, and how many pairs are asked."""

    ways: int
    sizes: int
    pairs: int


_AMOUNTS: Final[Mapping[Split, _Amounts]] = {
    "train": _Amounts(ways=24, sizes=24, pairs=16),
    "validation": _Amounts(ways=6, sizes=6, pairs=10),
    "test": _Amounts(ways=12, sizes=14, pairs=20),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VideoQuestion:
    """A question, what it is about, and its answers.

    Attributes:
        kind: what all questions of this wording are called.
        words: the question.
        video: the clip.
        answer: the right one of the candidates.
        candidates: all possible answers.
    """

    kind: str
    words: str
    video: Video
    answer: str
    candidates: tuple[str, ...]

    @property
    def content(self) -> Content:
        """Clip and question."""
        return Content(self.video, Text(self.words))


def video_qa(
    shop: Workshop, split: Split, moving: Sequence[MovingObject], clips: Sequence[ObjectClip]
) -> RetrievalSet:
    """The set of a split."""
    asked = questions(shop, split, moving, clips)
    queries = [
        Query(
            id=f"{each.kind} {number}",
            content=each.content,
            labels=(each.answer,),
            candidates=tuple(shuffled(shop, each.candidates, NAME, split, number)),
        )
        for number, each in enumerate(asked, start=1)
    ]
    return RetrievalSet(
        name=NAME,
        group="video",
        family="qa",
        metric="hit@1",
        scope="local",
        queries=tuple(shuffled(shop, queries, NAME, split)),
        documents={answer: text(answer) for each in asked for answer in each.candidates},
        instruction="Watch the video and answer the question.",
        about=(
            "Which way a thing moves (5 answers), whether it grows (3), which of two things moves "
            "and which moves to a given side (4 each, two of them seen). Answers are equally often "
            "right for each wording, so that the question alone gives no more than chance."
        ),
    )


def examples(
    shop: Workshop, moving: Sequence[MovingObject], clips: Sequence[ObjectClip]
) -> Iterator[Example]:
    """Training examples; the negatives are the other possible answers."""
    for each in questions(shop, "train", moving, clips):
        yield Example(
            task="video qa",
            query=each.content,
            positives=(text(each.answer),),
            negatives=tuple(text(other) for other in each.candidates if other != each.answer),
        )


def questions(
    shop: Workshop, split: Split, moving: Sequence[MovingObject], clips: Sequence[ObjectClip]
) -> list[VideoQuestion]:
    """All questions of a split, kind by kind."""
    amounts = _AMOUNTS[split]
    in_order = shuffled(shop, clips, NAME, split, "clips")
    asked = _about_one("which way", "Which way does the {} move?", _WAYS, in_order, amounts.ways)
    asked += _about_one(
        "size", "Does the {} grow or shrink?", _SIZES, in_order[::-1], amounts.sizes
    )
    asked += _what_moves(shop, _pairs(shop, split, moving, amounts.pairs, "what moves"))
    asked += _what_moves_where(shop, _pairs(shop, split, moving, amounts.pairs, "what moves where"))
    return asked


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Two things in one clip, and the names among which the answer is to be found."""

    key: tuple[str, str, int]
    both: tuple[MovingObject, MovingObject]
    candidates: tuple[str, ...]


def _about_one(
    kind: str, wording: str, answers: Mapping[str, str], clips: Sequence[ObjectClip], most: int
) -> list[VideoQuestion]:
    """As many clips for each answer, ``most`` if there are enough."""
    fitting: dict[str, list[ObjectClip]] = {answer: [] for answer in answers.values()}
    for clip in clips:
        if clip.motion in answers:
            fitting[answers[clip.motion]].append(clip)
    each = min(most, *map(len, fitting.values()))
    return [
        VideoQuestion(
            kind=kind,
            words=wording.format(clip.moving.name),
            video=clip.video,
            answer=answer,
            candidates=tuple(fitting),
        )
        for answer, found in fitting.items()
        for clip in found[:each]
    ]


def _pairs(
    shop: Workshop, split: Split, moving: Sequence[MovingObject], most: int, kind: str
) -> list[_Pair]:
    """Pairs of things; two pairs share their candidates, so that each name is right as often."""
    order = shuffled(shop, moving, NAME, split, kind)
    made = []
    for start in range(0, min(2 * most, len(order) // 4 * 4), 4):
        four = order[start : start + 4]
        names = tuple(each.phrase for each in four)
        for first in (0, 2):
            both = (four[first], four[first + 1])
            made.append(_Pair(key=(split, kind, start + first), both=both, candidates=names))
    return made


def _what_moves(shop: Workshop, pairs: Sequence[_Pair]) -> list[VideoQuestion]:
    asked = []
    for pair in pairs:
        side = ("left", "right")[shop.dice(*pair.key, "side").integers(2)]
        for mover, motions in zip(
            pair.both, ((side, motion.STILL), (motion.STILL, side)), strict=True
        ):
            asked.append(
                VideoQuestion(
                    kind="what moves",
                    words="What moves?",
                    video=_clip_of_two(shop, pair, motions),
                    answer=mover.phrase,
                    candidates=pair.candidates,
                )
            )
    return asked


def _what_moves_where(shop: Workshop, pairs: Sequence[_Pair]) -> list[VideoQuestion]:
    asked = []
    for pair in pairs:
        turned = bool(shop.dice(*pair.key, "side").integers(2))
        motions = ("right", "left") if turned else ("left", "right")
        video = _clip_of_two(shop, pair, motions)
        asked += [
            VideoQuestion(
                kind="what moves where",
                words=f"What {motion.MOTIONS[side]}?",
                video=video,
                answer=mover.phrase,
                candidates=pair.candidates,
            )
            for mover, side in zip(pair.both, motions, strict=True)
        ]
    return asked


def _clip_of_two(shop: Workshop, pair: _Pair, motions: tuple[str, str]) -> Video:
    dice = shop.dice("clip of two", *pair.key)
    cut_outs = (pair.both[0].cut_out, pair.both[1].cut_out)
    background_HWC = motion.background_for(cut_outs, dice)
    return shop.clip(motion.frames_of_two(cut_outs, motions, background_HWC, dice), fps=motion.FPS)
