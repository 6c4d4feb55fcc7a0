"""The video tasks: text to clip and back, objects, motions, moments in films, questions.

The clips are composed (:mod:`rzen.data.bench.videos.motion`): what moves is in every frame, which
way it moves in none. Whoever looks at frames one by one and forgets their order finds the thing and
is right about one of two opposite motions half of the time; ``objects-t2v`` asks for no more than
the thing, the others for both.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from rzen.data.bench.language.concepts import Split
from rzen.data.bench.videos import moments as video_moments
from rzen.data.bench.videos import questions as video_questions
from rzen.data.bench.videos import real_clips
from rzen.data.bench.videos.clips import ObjectClip, object_clips, shuffled, text
from rzen.data.bench.videos.motion import MOTIONS, OPPOSITES
from rzen.data.bench.videos.moving_objects import MovingObject, objects
from rzen.data.bench.workshop import Workshop
from rzen.data.retrieval_set import Query, RetrievalSet
from rzen.types import Content, Example

_METRIC = "hit@1"


def sets(shop: Workshop, split: Split) -> list[RetrievalSet]:
    """The sets of a split; the real clips are in the test alone.

    Raises:
        DataError: if a package's files are not as expected.
    """
    moving = objects(shop, split)
    clips = object_clips(shop, moving)
    made = [
        _text_to_clip(shop, split, clips),
        _clip_to_text(shop, split, clips),
        _object_to_clip(shop, split, moving, clips),
        _motion_classification(shop, split, clips),
        video_moments.moments(shop, split, moving),
        video_questions.video_qa(shop, split, moving, clips),
    ]
    if split == "test":
        made.append(real_clips.made(shop, clips))
    return made


def examples(shop: Workshop) -> Iterator[Example]:
    """Training examples; a thing's other motions, its opposite among them, are the negatives."""
    moving = objects(shop, "train")
    clips = object_clips(shop, moving)
    for clip in clips:
        others = [each for each in clips if each.moving is clip.moving and each is not clip]
        yield Example(
            task="video retrieval",
            query=text(clip.caption),
            positives=(clip.content,),
            negatives=tuple(each.content for each in others),
        )
        yield Example(
            task="video retrieval",
            query=clip.content,
            positives=(text(clip.caption),),
            negatives=tuple(text(each.caption) for each in others),
        )
        yield Example(
            task="video classification",
            query=clip.content,
            positives=(text(MOTIONS[clip.motion]),),
            negatives=tuple(text(MOTIONS[name]) for name in MOTIONS if name != clip.motion),
        )
    yield from video_moments.examples(shop, moving)
    yield from video_questions.examples(shop, moving, clips)


def _text_to_clip(shop: Workshop, split: Split, clips: Sequence[ObjectClip]) -> RetrievalSet:
    name = "clips-t2v"
    queries = [Query(id=clip.id, content=text(clip.caption), labels=(clip.id,)) for clip in clips]
    return RetrievalSet(
        name=name,
        group="video",
        family="retrieval",
        metric=_METRIC,
        scope="global",
        queries=tuple(shuffled(shop, queries, name, split)),
        documents=_by_id(shop, split, clips),
        instruction="Find the video that shows what the text describes.",
        about=(
            "A thing and its motion to the clip. Each thing has two or three clips: an encoder "
            "that forgets the order of frames cannot tell a motion from its opposite, and is right "
            f"at best {_order_blind(clips):.0%} of the time."
        ),
    )


def _clip_to_text(shop: Workshop, split: Split, clips: Sequence[ObjectClip]) -> RetrievalSet:
    name = "clips-v2t"
    queries = [Query(id=clip.id, content=clip.content, labels=(clip.id,)) for clip in clips]
    return RetrievalSet(
        name=name,
        group="video",
        family="retrieval",
        metric=_METRIC,
        scope="global",
        queries=tuple(shuffled(shop, queries, name, split)),
        documents={clip.id: text(clip.caption) for clip in shuffled(shop, clips, name, split)},
        instruction="Find the text that tells what happens in the video.",
        about=(
            "A clip to its caption, among captions of the same thing in other motions; at best "
            f"{_order_blind(clips):.0%} for an encoder that forgets the order of frames."
        ),
    )


def _object_to_clip(
    shop: Workshop, split: Split, moving: Sequence[MovingObject], clips: Sequence[ObjectClip]
) -> RetrievalSet:
    name = "objects-t2v"
    found: dict[str, list[str]] = defaultdict(list)
    for clip in clips:
        found[clip.moving.id].append(clip.id)
    queries = [
        Query(id=each.id, content=text(each.phrase), labels=tuple(found[each.id]))
        for each in moving
    ]
    return RetrievalSet(
        name=name,
        group="video",
        family="retrieval",
        metric=_METRIC,
        scope="global",
        queries=tuple(shuffled(shop, queries, name, split)),
        documents=_by_id(shop, split, clips),
        instruction="Find a video of what the text names.",
        about="A thing to any of its clips, whatever it does there: no frame's place matters.",
    )


def _motion_classification(
    shop: Workshop, split: Split, clips: Sequence[ObjectClip]
) -> RetrievalSet:
    name = "motion-classification"
    queries = [
        Query(
            id=clip.id,
            content=clip.content,
            labels=(clip.motion,),
            candidates=tuple(shuffled(shop, list(MOTIONS), name, clip.id)),
        )
        for clip in clips
    ]
    return RetrievalSet(
        name=name,
        group="video",
        family="classification",
        metric=_METRIC,
        scope="local",
        queries=tuple(shuffled(shop, queries, name, split)),
        documents={motion: text(phrase) for motion, phrase in MOTIONS.items()},
        instruction="Tell which motion the video shows.",
        about=(
            f"Which of {len(MOTIONS)} motions, whatever it is that moves; at best "
            f"{_order_blind(clips):.0%} for an encoder that forgets the order of frames."
        ),
    )


def _order_blind(clips: Sequence[ObjectClip]) -> float:
    """How often one is right who cannot tell a motion from its opposite, and all else."""
    return sum(0.5 if clip.motion in OPPOSITES else 1.0 for clip in clips) / len(clips)


def _by_id(shop: Workshop, split: Split, clips: Sequence[ObjectClip]) -> dict[str, Content]:
    order = shuffled(shop, clips, "clips of things", split)
    return {clip.id: clip.content for clip in order}
