"""How well evidence bears out what was said: clause by clause, by words, numbers and meaning.

A claim is borne out if it stands there word for word, or if each of its clauses is: the evidence
has enough of its telling words, or a sentence that means much the same (cosine, by the text encoder
of ``mini``). And nothing may speak against it: a number or a name that the evidence has not, a
"not" that the nearest sentence has not (or has alone), an "all" or "always" that stands nowhere
near. And the sentence that it rests on has to do with the question: what a file says to whoever
reads it ("reply with ...") does not. The thresholds are fitted on labelled claims (``python -m
benchmarks citation_check`` fits and measures them). Without an encoder, words alone decide.

What it cannot see: who did what to whom.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from rzen.protocols import Encoder
from rzen.rag import sentences
from rzen.rag.context import describe
from rzen.types import Content, Evidence, Text

WORDS = 0.7
"""Share of a clause's telling words that its evidence must have ..."""
MEANING = 0.5
"""... or cosine that its nearest sentence must have."""
RELEVANT = 0.2
"""Cosine that a question has with a sentence that an answer to it rests on, at least. On labelled
questions all of those have 0.33 and more, and 99 of 100 injected orders less than this."""
WORDS_ALONE = 0.6
"""Share of words that is enough where no encoder is at hand."""

_CLAUSE = re.compile(r",? (?:and|but|while|because|so) |[,;:] ")
_NOT = re.compile(
    r"\b(?:not|no|never|none|nobody|nothing|without|neither|nor|cannot|kein\w*|nicht|nie|niemals|ohne"
    r"|pas|jamais|sans|aucun\w*)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
_STRONG = re.compile(
    r"\b(?:all|always|every|everyone|everything|only|must|never|any|none|exactly|completely|entirely"
    r"|whole|each|alle|immer|jede\w*|toujours|tous|toutes)\b",
    re.IGNORECASE,
)
_NAME = re.compile(r"(?<![.!?] )(?<!^)\b[A-Z\u00c0-\u00de][\w'\u2019-]+")
_UNITS = tuple(
    re.compile(rf"(?:\b|(?<=\d))(?:{words})(?![^\W\d_])" + signs, re.IGNORECASE)
    for words, signs in (
        ("sec(?:ond)?s?", "|\u2033"),
        ("min(?:ute)?s?", "|\u2032"),
        ("h|hrs?|hours?", r"|(?<=\d):(?=\d\d)"),
        ("days?|daily", ""),
        ("weeks?|weekly", ""),
        ("months?|monthly", ""),
        ("y(?:ea)?rs?|yearly|annual(?:ly)?", ""),
        ("euros?|eur|cents?", "|\u20ac"),
        ("dollars?|usd|cents?", r"|\$"),
        ("pounds?|gbp|pence|lbs?", "|\u00a3"),
        (r"per\ ?cent", "|%"),
        ("km|kilomet(?:re|er)s?", ""),
        ("m|met(?:re|er)s?", ""),
        ("cm|centimet(?:re|er)s?", ""),
        ("miles?", ""),
        ("kg|kilo(?:gram)?s?", ""),
        ("l|lit(?:re|er)s?", ""),
        ("degrees?", "|\u00b0"),
    )
)
"""Units of which a number may be, each by all that it is called."""
_QUANTITY = re.compile(r"\d[\d.,]*\s?([^\W\d_]+|[%\u20ac$\u00a3\u00b0])|[\u20ac$\u00a3]\s?\d")
_MANY_CAPITALS = 0.3  # of the words: a language that writes its nouns so
_NEAREST = 2  # sentences that an "all" may stand in


class Witness:
    """One piece of evidence, asked whether it bears a claim out.

    Args:
        evidence: with its text; names and places count as words, too.
    """

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.name = describe(evidence.hit)
        self._vector_SD: NDArray[np.float32] | None = None

    # Worked out at the first claim, when the model has begun to write.

    @cached_property
    def words(self) -> frozenset[str]:
        """Telling words of its name and its text."""
        return self.told.union(sentences.words(self.name))

    @cached_property
    def told(self) -> frozenset[str]:
        """Telling words of its text alone: a file may be called by an order."""
        return frozenset(sentences.words(self.evidence.text))

    @cached_property
    def numbers(self) -> set[str]:
        """In its name and its text."""
        return sentences.numbers(f"{self.name}\n{self.evidence.text}")

    @cached_property
    def sentences(self) -> list[str]:
        """Of its text, each on one line."""
        return [part.flat for part in sentences.split(self.evidence.text)]

    @cached_property
    def _letters(self) -> str:
        return _letters(self.evidence.text or self.name)

    def says(self, claim: str) -> bool:
        """Whether a claim stands there, word for word."""
        said = _letters(claim)
        # To name a file whole is no claim.
        return said == _letters(self.name) or f" {said} " in f" {self._letters} "

    def holds(self, claim: str) -> bool:
        """Whether a claim stands in the file's text, left out of the evidence or not."""
        return f" {_letters(claim)} " in f" {_letters(self.evidence.hit.text)} "

    @property
    def is_seen(self) -> bool:
        """Whether the generator saw more of it than words: its picture, or its vector."""
        return self.evidence.frames is not None or self.evidence.vector is not None

    def cosines(self, claim_ND: NDArray[np.float32], encoder: Encoder) -> NDArray[np.float32]:
        """(N, S) of claims to the evidence's sentences."""
        if self._vector_SD is None:
            contents = [Content(Text(part)) for part in self.sentences]
            made = encoder.encode(contents, role="document") if contents else None
            none = np.zeros((0, claim_ND.shape[1]), np.float32)
            self._vector_SD = made.vectors if made else none
        return np.asarray(claim_ND @ self._vector_SD.T, np.float32)


class Support:
    """Judges claims against numbered evidence.

    Args:
        evidence: what may be cited.
        encoder: ``mini``, for the meaning; ``None`` goes by words.
        question: what the claims are to answer; empty leaves open what they have to do with.
        words: least share of a clause's words; ``None`` takes the fitted one.
        meaning: least cosine.
    """

    def __init__(
        self,
        evidence: Sequence[Evidence],
        encoder: Encoder | None = None,
        *,
        question: str = "",
        words: float | None = None,
        meaning: float = MEANING,
    ) -> None:
        self.witnesses: Mapping[int, Witness] = {one.number: Witness(one) for one in evidence}
        self._encoder = encoder
        fitted = WORDS_ALONE if encoder is None else WORDS
        self._words = fitted if words is None else words
        self._meaning = meaning
        self._read: tuple[tuple[str, ...], NDArray[np.float32]] | None = None
        self._question = question

    @cached_property
    def weights(self) -> Mapping[str, float]:
        """How rare each word of the evidence is."""
        return sentences.rarity(each.words for each in self.witnesses.values())

    @cached_property
    def _question_vector(self) -> NDArray[np.float32] | None:
        if self._encoder is None or not self._question:
            return None
        made = self._encoder.encode([Content(Text(self._question))], role="query")
        return np.asarray(made.vectors[0], np.float32)

    def bears_out(self, claim: str, numbers: Sequence[int]) -> bool:
        """Whether the evidence of these numbers, taken together, bears a claim out."""
        asked = [self.witnesses[number] for number in numbers]
        if not asked or not sentences.words(claim):
            return False
        near, cosines, clauses = self._nearest(claim, asked)
        if not self._is_relevant(near, asked):
            return False
        if any(each.says(claim) for each in asked):
            return True
        if _speaks_against(claim, asked, near) or self._is_strange(claim, asked):
            return False
        shares = [self._share(part, asked) for part in clauses]
        return all(
            share >= self._words or cosine >= self._meaning
            for share, cosine in zip(shares, cosines, strict=True)
        )

    def _is_strange(self, claim: str, asked: Sequence[Witness]) -> bool:
        """Whether a claim has a name that only stands where the question is not spoken of."""
        if self._question_vector is None:
            return False
        encoder = self._encoder
        assert encoder is not None
        words = set(sentences.words(self._question))
        for each in asked:
            words |= each.words - each.told
            cosine_S = each.cosines(self._question_vector[None], encoder)[0]
            for part, cosine in zip(each.sentences, cosine_S, strict=True):
                if cosine >= RELEVANT:
                    words |= set(sentences.words(part))
        shouted = re.findall(r"\b[A-Z]{3,}[A-Z-]*\b", claim)
        return _strange_names(claim, words) or any(
            not set(sentences.words(name)) <= words for name in shouted
        )

    def _share(self, clause: str, asked: Sequence[Witness]) -> float:
        """The share of a clause's words that its evidence has; a name alone is none of a text."""
        said = sentences.words(clause)
        told = {word for each in asked for word in each.told}
        if told and not told & set(said):
            return 0.0
        return sentences.coverage(said, {w for each in asked for w in each.words}, self.weights)

    def _is_relevant(self, near: Sequence[str], asked: Sequence[Witness]) -> bool:
        """Whether what a claim rests on has to do with the question."""
        if self._question_vector is None or not near:
            return True
        encoder = self._encoder
        assert encoder is not None
        cosine_S = np.concatenate(
            [each.cosines(self._question_vector[None], encoder)[0] for each in asked]
        )
        parts = [part for each in asked for part in each.sentences]
        return bool(cosine_S[parts.index(near[0])] >= RELEVANT)

    def _nearest(
        self, claim: str, asked: Sequence[Witness]
    ) -> tuple[list[str], list[float], list[str]]:
        """The sentences nearest to a claim, the best cosine of each clause, and the clauses."""
        clauses = _clauses(claim)
        parts = [part for each in asked for part in each.sentences]
        if not parts:
            return [], [0.0] * len(clauses), clauses
        if self._encoder is None:
            claimed = sentences.words(claim)
            shared = [
                sentences.coverage(claimed, sentences.words(part), self.weights) for part in parts
            ]
            order = np.argsort(-np.array(shared), kind="stable")
            return [parts[at] for at in order[:_NEAREST]], [0.0] * len(clauses), clauses
        texts = (claim, *clauses)
        if self._read is None or self._read[0] != texts:  # each witness is asked of the same claim
            made = self._encoder.encode([Content(Text(text)) for text in texts], role="document")
            self._read = (texts, made.vectors)
        vector_CD = self._read[1]
        cosine_CS = np.concatenate(
            [each.cosines(vector_CD, self._encoder) for each in asked], axis=1
        )
        order = np.argsort(-cosine_CS[0], kind="stable")
        return [parts[at] for at in order[:_NEAREST]], cosine_CS[1:].max(1).tolist(), clauses

    def witness(self, claim: str) -> list[int]:
        """The first evidence that bears a claim out alone, if any does."""
        borne = (number for number in self.witnesses if self.bears_out(claim, [number]))
        return list(borne)[:1]

    def seen(self, claim: str, numbers: Iterable[int]) -> list[int]:
        """Those of the numbers whose picture or vector the generator saw.

        None if the claim stands in the text of one of them: then it was read and not seen, and is
        judged by words alone.
        """
        seen = [self.witnesses[number] for number in numbers if self.witnesses[number].is_seen]
        if any(each.holds(claim) for each in seen):
            return []
        return [each.evidence.number for each in seen]


def _speaks_against(claim: str, asked: Sequence[Witness], near: Sequence[str]) -> bool:
    """Whether a claim has a number, name, "not" or "all" that the evidence has not.

    Args:
        claim: what was said.
        asked: the evidence.
        near: its sentences nearest to the claim.
    """
    words = {word for each in asked for word in each.words}
    figures = {figure for each in asked for figure in each.numbers}
    if not sentences.numbers(claim) <= figures or _strange_names(claim, words):
        return True
    if _strange_units(claim, " ".join(each.evidence.text for each in asked)):
        return True
    if not near:
        return False
    said = {word.lower() for part in near for word in _STRONG.findall(part)}
    is_stronger = bool({word.lower() for word in _STRONG.findall(claim)} - said)
    return is_stronger or any(_is_turned(part, near[0]) for part in _clauses(claim))


def _is_turned(clause: str, sentence: str) -> bool:
    """Whether a clause has a "not" that what it stands for in a sentence has not, or lacks one.

    >>> _is_turned("The rent is 890 euros", "The rent is 890 euros, heating not included.")
    False
    >>> _is_turned("The rent is not 890 euros", "The rent is 890 euros, heating not included.")
    True
    """
    said = set(sentences.words(clause))
    parts = _clauses(sentence) or [sentence]
    nearest = max(parts, key=lambda part: len(said & set(sentences.words(part))))
    return bool(_NOT.search(clause)) != bool(_NOT.search(nearest))


def _clauses(text: str) -> list[str]:
    """Parts of a sentence that say something."""
    return [part for part in _CLAUSE.split(text) if sentences.words(part)]


def _letters(text: str) -> str:
    """Letters and digits, all else one blank."""
    return " ".join(re.findall(r"\w+", text.lower()))


def _strange_units(claim: str, text: str) -> bool:
    """Whether a claim counts in units that the evidence does not speak of.

    >>> _strange_units("It is covered for 2 hours.", "2. The kettle is covered for 24 months.")
    True
    >>> _strange_units("It costs 690 euros.", "invoice,amount_eur: 2043,690.00")
    False
    """
    counted = " ".join(found[0] for found in _QUANTITY.finditer(claim))
    told = text.replace("_", " ")
    return any(unit.search(counted) and not unit.search(told) for unit in _UNITS)


def _strange_names(claim: str, words: set[str]) -> bool:
    """Whether a claim names somebody or something that the evidence does not.

    >>> _strange_names("It was built by Ada Lindqvist.", {"built", "ada", "lindqvist"})
    False
    >>> _strange_names("It was built by Eva Lindqvist.", {"built", "ada", "lindqvist"})
    True
    """
    names = _NAME.findall(claim)
    if len(names) > _MANY_CAPITALS * len(claim.split()) and len(names) > 2:
        return False
    return any(not set(sentences.words(name)) <= words for name in names)
