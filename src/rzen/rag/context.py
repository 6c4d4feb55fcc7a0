"""Hits to numbered evidence within a budget of tokens and pixels."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np

from rzen import media
from rzen.config import Limits
from rzen.errors import RzenError
from rzen.rag import sentences
from rzen.rag.language_model import cut_to
from rzen.rag.orders import without_orders
from rzen.types import (
    Evidence,
    Frames,
    Hit,
    Image,
    MediaBudget,
    Modality,
    Page,
    Part,
    Text,
    Video,
    clock,
)

LARGEST_SHARE = 4
"""A single hit gets no more than this fraction (one in four) of the budget if there are others."""
LEAST_TOKENS = 50
"""A text that is cut to less than this is left out."""
LEAST_PIXELS = 50_000
"""A picture that would be shown smaller than this is left out."""
LEAST_GAIN = 0.25
"""Share of the question's words that a neighbour has and its hit has not, for it to come along."""

KINDS: Mapping[Modality, str] = {
    "image": "picture",
    "text": "text",
    "page": "document",
    "video": "video",
}
"""What a modality is called in a prompt."""

_SAME_SPAN = 0.6  # share of a passage that other evidence shows already
_SAME_WORDS = 0.9
_WITH_NEIGHBOURS = 3  # hits whose neighbours are looked at
_BEFORE = frozenset({"before", "previous", "previously", "earlier", "prior"})
_AFTER = frozenset({"after", "afterwards", "next", "then", "later", "following", "continue"})
_ENDS = frozenset('.!?:;\u2026\u3002\uff01\uff1f"\u201d)]')


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much evidence a generator gets.

    Attributes:
        tokens: of all texts and descriptions together, at most.
        count: tokens of a text.
        pixels: of all pictures together, at most; 0 for a generator that does not see.
        frames: of one video, at most.
    """

    tokens: int
    count: Callable[[str], int]
    pixels: int = 0
    frames: int = 4


def for_reading(found: "Gathered") -> "Gathered":
    """Evidence as a language model gets it: without sentences that give it orders."""
    evidence, warnings = [], list(found.warnings)
    for one in found.evidence:
        kept = without_orders(one.text)
        if kept.left_out:
            name = describe(one.hit)
            warnings.append(
                f"{name}: left out {len(kept.left_out)} sentence"
                f"{'s' * (len(kept.left_out) > 1)} that gave orders to the language model"
            )
        evidence.append(replace(one, text=kept.text))
    return Gathered(evidence, warnings)


class Gathered(NamedTuple):
    """Evidence numbered from 1, and what the reader should know of it."""

    evidence: list[Evidence]
    warnings: list[str]


class Beside(NamedTuple):
    """What lies before and behind a hit in its file, where something does."""

    before: Hit | None
    after: Hit | None


def gather(
    hits: Sequence[Hit],
    budget: Budget,
    question: str = "",
    beside: Callable[[Hit], Beside] | None = None,
) -> Gathered:
    """Chooses what a generator gets to see.

    Further hits in the same file (``Hit.others``) count as hits of their own. What repeats earlier
    evidence is left out. A long text is cut to the run of sentences that fits the question best.
    Pictures and videos without a text come with an empty one; :func:`describe` says what they are.
    What lies beside a hit in its file comes along behind it where it helps: it has words of the
    question that the hit has not, the hit breaks off in a sentence, or the question asks what was
    before or after a stretch of video.

    Args:
        hits: best first.
        budget: what all of it may take.
        question: what the cut looks for; without one it takes the beginning.
        beside: the neighbours of a hit.
    """
    flat = [one for hit in hits for one in (hit, *hit.others)]
    flat.sort(key=lambda hit: -hit.score)
    picked = _Picked(budget, share=_share(budget, len(flat)), question=question)
    for hit in flat:
        picked.take(hit)
    if beside is not None:
        for one in picked.chosen[:_WITH_NEIGHBOURS]:
            for neighbour in reversed(_helpful(one.hit, beside(one.hit), question)):
                picked.take(neighbour, behind=one)
    warnings: list[str] = []
    if budget.pixels:
        _show(picked.chosen, budget, warnings)
    evidence = [replace(one, number=place) for place, one in enumerate(picked.chosen, 1)]
    return Gathered(evidence, warnings)


class _Picked:
    """Evidence that was chosen so far, and what is left of the budget."""

    def __init__(self, budget: Budget, *, share: int, question: str) -> None:
        self.chosen: list[Evidence] = []
        self._budget, self._share, self._question = budget, share, question
        self._left = budget.tokens

    def take(self, hit: Hit, *, behind: Evidence | None = None) -> None:
        """Takes a hit if it says something new and there is room for it."""
        if _repeats(hit, self.chosen):
            return
        named = self._budget.count(describe(hit))
        text, tokens = self._fitted(hit.text.strip(), min(self._share, self._left) - named)
        if (hit.text.strip() and not text) or named + tokens > self._left:
            return
        self._left -= named + tokens
        place = len(self.chosen) if behind is None else self.chosen.index(behind) + 1
        self.chosen.insert(place, Evidence(number=0, hit=hit, text=text))

    def _fitted(self, text: str, room: int) -> tuple[str, int]:
        """A text as it fits, and its tokens; empty if hardly any of it does."""
        count = self._budget.count
        has = count(text) if text else 0
        if has <= room:
            return text, has
        if room < LEAST_TOKENS:
            return "", 0
        chars = max(1, int(len(text) * room / has))
        text = cut_to(_best_run(text, chars, self._question), room, count)
        return text, count(text)


def _share(budget: Budget, hits: int) -> int:
    if hits < 2:
        return budget.tokens
    return max(budget.tokens // LARGEST_SHARE, LEAST_TOKENS)


def _helpful(hit: Hit, beside: Beside, question: str) -> list[Hit]:
    """Those of the neighbours that help to answer, the one before first."""
    asked = set(sentences.words(question))
    plain = set(re.findall(r"[^\W\d_]+", question.lower()))
    own = set(sentences.words(hit.text))
    text = hit.text.rstrip()
    found = []
    for neighbour, words, breaks_off in (
        (beside.before, _BEFORE, bool(text) and text.lstrip()[0].islower()),
        (beside.after, _AFTER, bool(text) and text[-1] not in _ENDS),
    ):
        if neighbour is None:
            continue
        gained = (asked - own) & set(sentences.words(neighbour.text))
        in_time = hit.modality == "video" and bool(plain & words)
        if breaks_off or in_time or (asked and len(gained) >= LEAST_GAIN * len(asked)):
            found.append(neighbour)
    return found


def _show(chosen: list[Evidence], budget: Budget, warnings: list[str]) -> None:
    """Opens the pictures of the evidence, each as large as its share of the budget allows."""
    seen = [place for place, one in enumerate(chosen) if one.hit.modality != "text"]
    seen = seen[: max(1, budget.pixels // LEAST_PIXELS)]
    if not seen:
        return
    share = budget.pixels // len(seen)
    frames = max(1, min(budget.frames, share // LEAST_PIXELS))
    size = MediaBudget(
        image_pixels=share,
        page_pixels=share,
        frame_pixels=share // frames,
        frames=frames,
        fps=2.0,
    )
    for place in seen:
        try:
            opened = media.open(shown_part(chosen[place].hit), budget=size, limits=Limits())
        except RzenError as error:
            warnings.append(f"a picture could not be shown to the model: {error}")
            continue
        chosen[place] = replace(chosen[place], frames=_few(opened.frames, frames))


def _few(frames: Frames | None, most: int) -> Frames | None:
    """So many frames at most, evenly over the time."""
    if frames is None or len(frames.pixels) <= most:
        return frames
    places = np.linspace(0, len(frames.pixels) - 1, most).round().astype(int)
    return Frames(
        pixels=tuple(frames.pixels[place] for place in places),
        times=tuple(frames.times[place] for place in places) if frames.times else (),
    )


def shown_part(hit: Hit) -> Part:
    """What a hit shows: its picture, page, or stretch of video; a text as it is."""
    path = Path(hit.uri)
    match hit.modality:
        case "image":
            return Image(path)
        case "page":
            # Its text is known, and reading a scan again takes seconds.
            return Page(path, hit.page or 1, hit.text)
        case "video":
            return Video(path, hit.t_start, hit.t_end)
        case "text":
            return Text(hit.text)


def readable_first(hits: Sequence[Hit]) -> list[Hit]:
    """Hits with a text before those without, each kind in its order.

    For a generator that reads texts alone: what has none can be named and not read.
    """
    return sorted(hits, key=lambda hit: not hit.text.strip())


def with_names(hits: Sequence[Hit]) -> list[Hit]:
    """Hits where pictures and clips without a text say what they seemed to show when indexed."""
    return [
        replace(hit, text=seems(str(hit.metadata.get("seen", "")), hit.modality))
        if hit.modality in ("image", "video") and not hit.text.strip()
        else hit
        for hit in hits
    ]


def seems(names: str, modality: Modality) -> str:
    """What was named, as a sentence; empty for nothing.

    >>> seems("race car (at 1:03)", "video")
    'This video seems to show: race car (at 1:03).'
    """
    return f"This {KINDS[modality]} seems to show: {names}." if names else ""


def describe(hit: Hit) -> str:
    """What a hit is and where, in a few words that claim nothing about what it shows.

    >>> describe(Hit(id="a", modality="video", uri="/x/boat.mp4", score=1, t_start=61, t_end=70))
    'video boat.mp4, 1:01 to 1:10'
    """
    name = PurePath(hit.uri).name or hit.id
    # A file's name may hold line breaks; it must not look like text around it.
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    parts = [f"{KINDS[hit.modality]} {name}"]
    if hit.page is not None:
        parts.append(f"page {hit.page}")
    if hit.t_start is not None and hit.t_end is not None:
        parts.append(f"{clock(hit.t_start)} to {clock(hit.t_end)}")
    return ", ".join(parts)


def _repeats(hit: Hit, chosen: Sequence[Evidence]) -> bool:
    if any(one.hit.id == hit.id for one in chosen):
        return True
    # Two pictures that seem to show the same are two pictures.
    if not hit.text.strip() or hit.modality in ("image", "video"):
        return False
    flat = _flat(hit.text)
    for one in chosen:
        if flat in _flat(one.hit.text) and _same_words(hit, one.hit):
            return True
        if one.hit.uri == hit.uri and _overlap(hit, one.hit) >= _SAME_SPAN:
            return True
    return False


def _same_words(hit: Hit, other: Hit) -> bool:
    """Whether nearly all words of a hit are words of another: "art" is not one of "party"."""
    own = set(sentences.words(hit.text))
    shared = own & set(sentences.words(other.text))
    return bool(own) and len(shared) >= _SAME_WORDS * len(own)


def _flat(text: str) -> str:
    return " ".join(text.split()).lower()


def _overlap(hit: Hit, other: Hit) -> float:
    """The share of a passage's characters that another passage of its file has, too."""
    if None in (hit.char_start, hit.char_end, other.char_start, other.char_end):
        return 0.0
    assert hit.char_start is not None
    assert hit.char_end is not None
    assert other.char_start is not None
    assert other.char_end is not None
    shared = min(hit.char_end, other.char_end) - max(hit.char_start, other.char_start)
    return shared / max(hit.char_end - hit.char_start, 1)


def _best_run(text: str, room: int, question: str) -> str:
    """The run of whole sentences that fits the question best; the earliest among equals.

    By words: they find the answer's sentence about as often as MiniLM does, in a hundredth of its
    time (docs/LOG.md).
    """
    parts = sentences.split(text)
    wanted = sentences.words(question)
    found = [sentences.words(part.text) for part in parts]
    weights = sentences.rarity(found)
    scores = [sentences.coverage(wanted, part, weights) for part in found]
    best: tuple[float, int, int] = (-1.0, 0, min(room, parts[0].end))
    end, total = 0, 0.0
    for start, part in enumerate(parts):
        if end <= start:
            end, total = start, 0.0
        while end < len(parts) and parts[end].end - part.start <= room:
            total += scores[end]
            end += 1
        if end == start:  # a single sentence beyond the budget: its beginning must do
            best = max(best, (scores[start], part.start, part.start + room), key=lambda b: b[0])
            continue
        best = max(best, (total, part.start, parts[end - 1].end), key=lambda b: b[0])
        total -= scores[start]
    return text[best[1] : best[2]]
