"""Questions about clips of which no word is known: what moves, which way, and what comes when.

The corpus has clips of one thing from rzen-bench, one of each thing, and what is composed here of
the same things: clips of two, of which each moves to a side or stays
(:mod:`rzen.data.questions.pair_clips`), and films of three shots
(:mod:`rzen.data.questions.films`). No two things are together in two items.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from rzen.data.bench import suite
from rzen.data.bench.language.concepts import Split, stable_number
from rzen.data.bench.videos.motion import MOTIONS
from rzen.data.bench.videos.moving_objects import objects
from rzen.data.bench.workshop import Workshop
from rzen.data.questions.balance import Draft, asked
from rzen.data.questions.casting import Together
from rzen.data.questions.films import films
from rzen.data.questions.pair_clips import pair_clips
from rzen.data.questions.question_set import Item, QuestionSet
from rzen.types import Content, Video

FAMILY: Final = "moments"

_SET = "clips-t2v"
_TASK = "video retrieval"
_MOST: Final[Mapping[Split, int]] = {"train": 3_000, "validation": 120, "test": 240}


def moments(shop: Workshop, folder: Path, split: Split) -> QuestionSet:
    """Clips of one thing, of two, and films.

    Args:
        shop: where clips are stored that the suite has not.
        folder: of the built suite.
        split: which one.

    Raises:
        DataError: if the suite or a package is not there or damaged.
    """
    moving = objects(shop, split)
    together: Together = set()
    made = [
        *_singles(folder, split),
        *pair_clips(shop, split, moving, together),
        *films(shop, split, moving, together),
    ]
    drafts = [draft for _, about in made for draft in about]
    return QuestionSet(
        name=f"{FAMILY}-{split}",
        split=split,
        corpus=tuple(item for item, _ in made),
        questions=tuple(asked(FAMILY, drafts, _MOST[split])),
    )


def _singles(folder: Path, split: Split) -> Iterator[tuple[Item, list[Draft]]]:
    """One clip of each thing, its motion the one that came least so far."""
    found: dict[str, dict[str, Content]] = {}
    for caption, clip in _captioned(folder, split):
        for words in MOTIONS.values():
            if caption.endswith(f" {words}"):
                found.setdefault(caption.removesuffix(f" {words}"), {})[words] = clip
    used: Counter[str] = Counter()
    for phrase, clips in sorted(found.items(), key=lambda each: stable_number(f"clip {each[0]}")):
        motion = min(sorted(clips), key=lambda words: used[words])
        used[motion] += 1
        item = Item(id=f"alone-{phrase.replace(' ', '-')}", content=clips[motion])
        name = phrase.partition(" ")[2]
        draft = Draft(
            template="motion",
            text=f"What happens to the {name} in the clip that shows it alone?",
            answer=f"it {motion}",
            accepted=(motion,),
            gold=(item.id,),
        )
        yield item, [draft]


def _captioned(folder: Path, split: Split) -> Iterator[tuple[str, Content]]:
    if split != "train":
        known = suite.load(folder, split, _SET)
        for query in known.queries:
            yield query.content.text, known.documents[query.labels[0]]
        return
    for example in suite.train_examples(folder):
        if example.task == _TASK and not isinstance(example.query.parts[0], Video):
            yield example.query.text, example.positives[0]
