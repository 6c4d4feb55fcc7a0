"""Hits to numbered evidence within a budget of characters."""

from collections.abc import Sequence
from pathlib import PurePath

import numpy as np

from rzen.protocols import Encoder
from rzen.rag import sentences
from rzen.types import Content, Evidence, Hit, Text

LARGEST_SHARE = 4
"""A single hit gets no more than this fraction (one in four) of the budget if there are others."""
LEAST_CHARS = 200
"""A text that is cut to less than this is left out."""

_SAME_SPAN = 0.6  # share of a passage that other evidence shows already
_SAME_WORDS = 0.9
_ENCODED_SENTENCES = 64  # of one text; scoring them must not take longer than the search


def gather(
    hits: Sequence[Hit],
    max_chars: int,
    question: str = "",
    encoder: Encoder | None = None,
) -> list[Evidence]:
    """Chooses what a generator gets to see.

    Further hits in the same file (``Hit.others``) count as hits of their own. What repeats earlier
    evidence is left out. A long text is cut to the run of sentences that fits the question best.
    Pictures and videos without a text come with an empty one; :func:`describe` says what they are.

    Args:
        hits: best first.
        max_chars: length of all texts and descriptions together, at most.
        question: what the cut looks for; without one it takes the beginning.
        encoder: finds the sentences that fit in other words than the question's, too.

    Returns:
        evidence numbered from 1 in the order of the scores.
    """
    flat = [one for hit in hits for one in (hit, *hit.others)]
    flat.sort(key=lambda hit: -hit.score)
    share = max_chars if len(flat) < 2 else max(max_chars // LARGEST_SHARE, LEAST_CHARS)
    chosen: list[Evidence] = []
    left = max_chars
    for hit in flat:
        if _repeats(hit, chosen):
            continue
        text = hit.text.strip()
        room = min(share, left)
        if len(text) > room:
            text = _best_run(text, room, question, encoder) if room >= LEAST_CHARS else ""
            if not text:
                continue
        cost = len(text) or len(describe(hit))
        if cost > left:
            continue
        left -= cost
        chosen.append(Evidence(number=len(chosen) + 1, hit=hit, text=text))
    return chosen


def readable_first(hits: Sequence[Hit]) -> list[Hit]:
    """Hits with a text before those without, each kind in its order.

    No generator here sees pictures yet: one without a text can be named and not read.
    """
    return sorted(hits, key=lambda hit: not hit.text.strip())


def describe(hit: Hit) -> str:
    """What a hit is and where, in a few words that claim nothing about what it shows.

    >>> describe(Hit(id="a", modality="video", uri="/x/boat.mp4", score=1, t_start=61, t_end=70))
    'video boat.mp4, 1:01 to 1:10'
    """
    name = PurePath(hit.uri).name or hit.id
    # A file's name may hold line breaks; it must not look like text around it.
    name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    kind = {"image": "picture", "text": "text", "page": "document", "video": "video"}[hit.modality]
    parts = [f"{kind} {name}"]
    if hit.page is not None:
        parts.append(f"page {hit.page}")
    if hit.t_start is not None and hit.t_end is not None:
        parts.append(f"{_clock(hit.t_start)} to {_clock(hit.t_end)}")
    return ", ".join(parts)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _repeats(hit: Hit, chosen: Sequence[Evidence]) -> bool:
    if any(one.hit.id == hit.id for one in chosen):
        return True
    if not hit.text.strip():
        return False
    own = set(sentences.words(hit.text))
    for one in chosen:
        shared = own & set(sentences.words(one.hit.text))
        if own and len(shared) >= _SAME_WORDS * len(own) and _flat(hit.text) in _flat(one.hit.text):
            return True
        if one.hit.uri == hit.uri and _overlap(hit, one.hit) >= _SAME_SPAN:
            return True
    return False


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


def _best_run(text: str, room: int, question: str, encoder: Encoder | None) -> str:
    """The run of whole sentences that fits the question best; the earliest among equals."""
    parts = sentences.split(text)
    scores = _scores([part.text for part in parts], question, encoder)
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


def _scores(parts: Sequence[str], question: str, encoder: Encoder | None) -> list[float]:
    wanted = sentences.words(question)
    found = [sentences.words(part) for part in parts]
    weights = sentences.rarity(found)
    lexical = np.array([sentences.coverage(wanted, part, weights) for part in found])
    if encoder is None or not question.strip():
        return [float(score) for score in lexical]
    # The best by words, and the first of the others.
    chosen = np.sort(np.argsort(-lexical, kind="stable")[:_ENCODED_SENTENCES])
    asked = encoder.encode([Content(Text(question))], role="query")
    read = encoder.encode([Content(Text(parts[at])) for at in chosen], role="document")
    cosines = np.zeros(len(parts))
    cosines[chosen] = np.maximum(read.vectors @ asked.vectors[0], 0.0)
    # Squared, so that one sentence that fits outweighs several that fit a little.
    return [float(score) for score in (lexical + cosines) ** 2]
