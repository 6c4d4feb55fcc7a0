"""Answers without a model: the sentences that fit the question best, word for word.

A sentence's score adds up three things: the share of the question's words in it (rare ones weigh
more), its cosine to the question where an encoder is at hand, and a little for the rank of the
evidence it stands in. Where neither words nor a calibrated cosine speak for any sentence, it says
that there is no answer and names what came nearest.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rzen.protocols import Encoder
from rzen.rag import sentences
from rzen.rag.citations import NOT_FOUND, escape
from rzen.rag.context import describe
from rzen.rag.language_model import guessed_tokens
from rzen.types import Content, Evidence, Text, Turn

EXTRACTIVE = "extractive"
SENTENCES = 3
"""Sentences in an answer, at most."""
LEAST_COVERAGE = 0.35
"""Share of the question's words below which a sentence alone is no answer."""
LEAST_PROBABILITY = 0.5
"""Calibrated probability from which a sentence is an answer whatever its words."""

_SHARE_OF_BEST = 0.8  # what a further sentence must score, of the first one's
_COSINE = 1.0
_RANK = 0.1
_SAME = 0.7  # share of common words from which two sentences say the same
_ENCODED = 128  # sentences; the others are judged by their words
_LEAST_WORDS = 2  # a heading is no answer
_NEAREST = 3


@dataclass(slots=True)
class _Candidate:
    sentence: sentences.Sentence
    number: int
    words: list[str]
    coverage: float
    score: float
    cosine: float = 0.0


class ExtractiveGenerator:
    """Quotes the best supporting sentences with ``[n]``.

    Args:
        encoder: finds sentences that say the same in other words; ``None`` goes by words alone.
    """

    name = EXTRACTIVE
    wants: frozenset[Literal["frames", "vectors"]] = frozenset()

    def __init__(self, encoder: Encoder | None = None) -> None:
        self._encoder = encoder

    def count(self, text: str) -> int:
        """See :class:`rzen.protocols.Generator`."""
        return guessed_tokens(text)

    def generate(
        self, question: str, evidence: Sequence[Evidence], history: Sequence[Turn] = ()
    ) -> Iterator[str]:
        """See :class:`rzen.protocols.Generator`; yields one sentence a line."""
        del history  # a follow-up was made a question of its own before
        candidates = _candidates(question, evidence)
        if self._encoder is not None:
            _add_cosines(question, candidates, self._encoder)
        candidates.sort(key=lambda one: (-one.score, one.number, one.sentence.start))
        if not candidates or not self._is_answer(candidates[0]):
            yield NOT_FOUND
            yield from _nearest(evidence)
            return
        for place, one in enumerate(_ordered(_chosen(candidates))):
            yield ("\n" if place else "") + f"{escape(one.sentence.flat)} [{one.number}]"

    def _is_answer(self, best: _Candidate) -> bool:
        if best.coverage >= LEAST_COVERAGE:
            return True
        fitted = self._encoder.calibration.get("text") if self._encoder is not None else None
        if fitted is None:
            return False
        return float(fitted.score(np.array([best.cosine], np.float32))[0]) >= LEAST_PROBABILITY


def _candidates(question: str, evidence: Sequence[Evidence]) -> list[_Candidate]:
    wanted = sentences.words(question)
    texts = [(one.number, sentences.split(one.text)) for one in evidence]
    names = {(number, part) for number, text in texts for part in sentences.column_names(text)}
    split = [(number, part) for number, text in texts for part in text]
    found = [sentences.words(part.text) for _, part in split]
    weights = sentences.rarity(found)
    candidates = []
    for (number, part), words in zip(split, found, strict=True):
        is_asking = part.text.endswith("?")
        if len(set(words)) < _LEAST_WORDS or is_asking or (number, part) in names:
            continue
        covered = sentences.coverage(wanted, words, weights)
        score = covered + _RANK / number
        candidates.append(_Candidate(part, number, words, covered, score))
    return candidates


def _add_cosines(question: str, candidates: list[_Candidate], encoder: Encoder) -> None:
    chosen = sorted(candidates, key=lambda one: -one.score)[:_ENCODED]
    if not chosen:
        return
    asked = encoder.encode([Content(Text(question))], role="query")
    contents = [Content(Text(one.sentence.flat)) for one in chosen]
    read = encoder.encode(contents, role="document")
    for row, (one, cosine) in enumerate(zip(chosen, read.vectors @ asked.vectors[0], strict=True)):
        if row not in read.failed and not asked.failed:
            one.cosine = float(cosine)
            one.score += _COSINE * one.cosine


def _chosen(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """The best, and what scores nearly as much and says something else."""
    chosen: list[_Candidate] = []
    for one in candidates:
        if one.score < _SHARE_OF_BEST * candidates[0].score or len(chosen) == SENTENCES:
            break
        if not any(_same(one, other) for other in chosen):
            chosen.append(one)
    return chosen


def _same(one: _Candidate, other: _Candidate) -> bool:
    own, others = set(one.words), set(other.words)
    return len(own & others) >= _SAME * min(len(own), len(others))


def _ordered(chosen: Sequence[_Candidate]) -> list[_Candidate]:
    """By evidence, that of the best sentence first, and in each as the text has them."""
    first = {one.number: place for place, one in reversed(list(enumerate(chosen)))}
    return sorted(chosen, key=lambda one: (first[one.number], one.sentence.start))


def _nearest(evidence: Sequence[Evidence]) -> Iterator[str]:
    for one in evidence[:_NEAREST]:
        yield f"\n- {escape(describe(one.hit))} [{one.number}]"
