"""How well evidence bears out what was said: by words, by numbers, and by meaning.

Words: the share of a claim's telling words that the evidence has, rare ones weighing more. Numbers:
each one in the claim must stand in the evidence. Meaning: the cosine of the claim to the nearest
sentence of the evidence, by the text encoder of ``mini``. Words and meaning make a probability by
a logistic function that was fitted on labelled claims (``python -m benchmarks citation_check`` fits
and measures it). Without an encoder, words alone decide.

What it cannot see: a "not" that was added or dropped, and who did what to whom.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rzen.protocols import Encoder
from rzen.rag import sentences
from rzen.rag.context import describe
from rzen.types import Content, Evidence, Text

SUPPORTED = 0.6
"""Share of a claim's words that its evidence must have, where no encoder is at hand."""
LIKELY = 0.5
"""Probability from which a claim counts as borne out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A logistic function of words and meaning.

    Attributes:
        words: weight of the share of words.
        meaning: weight of the cosine.
        bias: added.
    """

    words: float
    meaning: float
    bias: float

    def probability(self, words: float, meaning: float) -> float:
        """That a careful reader would agree, in (0, 1).

        >>> round(Fit(words=4.0, meaning=4.0, bias=-4.0).probability(0.5, 0.5), 2)
        0.5
        """
        return 1 / (1 + math.exp(-(self.words * words + self.meaning * meaning + self.bias)))


FITTED = Fit(words=6.0, meaning=6.0, bias=-7.0)
"""On the claims of tests/unit/rag/labelled_claims.py whose split is "fit"."""


class Witness:
    """One piece of evidence, asked whether it bears a claim out.

    Args:
        evidence: with its text; names and places count as words, too.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        whole = f"{describe(evidence.hit)}\n{evidence.text}"
        self.words = frozenset(sentences.words(whole))
        self.numbers = sentences.numbers(whole)
        self.sentences = [part.flat for part in sentences.split(evidence.text)]
        self._vector_SD: NDArray[np.float32] | None = None

    @property
    def is_seen(self) -> bool:
        """Whether the generator saw more of it than words: its picture, or its vector."""
        return self.evidence.frames is not None or self.evidence.vector is not None

    def nearness(self, claim_D: NDArray[np.float32], encoder: Encoder) -> float:
        """Cosine of the claim to the nearest sentence; 0 where there is none."""
        if self._vector_SD is None:
            contents = [Content(Text(part)) for part in self.sentences]
            made = encoder.encode(contents, role="document") if contents else None
            self._vector_SD = made.vectors if made else np.zeros((0, len(claim_D)), np.float32)
        return float((self._vector_SD @ claim_D).max(initial=0.0))


class Support:
    """Judges claims against numbered evidence.

    Args:
        evidence: what may be cited.
        encoder: ``mini``, for the meaning; ``None`` goes by words.
        fit: of words and meaning.
    """

    def __init__(
        self, evidence: Sequence[Evidence], encoder: Encoder | None = None, fit: Fit = FITTED
    ) -> None:
        self.witnesses = {one.number: Witness(one) for one in evidence}
        self.weights = sentences.rarity(each.words for each in self.witnesses.values())
        self._encoder = encoder
        self._fit = fit

    def features(self, claim: str, numbers: Iterable[int]) -> tuple[float, float, bool]:
        """Share of words, cosine (0 without an encoder), and whether all numbers are there."""
        asked = [self.witnesses[number] for number in numbers]
        claimed = sentences.words(claim)
        words = {word for each in asked for word in each.words}
        share = sentences.coverage(claimed, words, self.weights) if claimed else 0.0
        figures = {figure for each in asked for figure in each.numbers}
        nearness = 0.0
        if self._encoder is not None and asked:
            made = self._encoder.encode([Content(Text(claim))], role="document")
            if not made.failed:
                nearness = max(each.nearness(made.vectors[0], self._encoder) for each in asked)
        return share, nearness, sentences.numbers(claim) <= figures

    def bears_out(self, claim: str, numbers: Sequence[int]) -> bool:
        """Whether the evidence of these numbers, taken together, bears a claim out."""
        if not numbers or not sentences.words(claim):
            return False
        share, nearness, has_numbers = self.features(claim, numbers)
        if not has_numbers:
            return False
        if self._encoder is None:
            return share >= SUPPORTED
        return self._fit.probability(share, nearness) >= LIKELY

    def witness(self, claim: str) -> list[int]:
        """The first evidence that bears a claim out alone, if any does."""
        borne = (number for number in self.witnesses if self.bears_out(claim, [number]))
        return list(borne)[:1]

    def seen(self, numbers: Iterable[int]) -> list[int]:
        """Those of the numbers whose picture or vector the generator saw."""
        return [number for number in numbers if self.witnesses[number].is_seen]
