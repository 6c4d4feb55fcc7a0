"""Checks an answer, sentence by sentence, against the evidence it was made from.

A sentence stays if the evidence it cites exists and bears it out; a sentence without a citation
is given that of the evidence that does. What "bears out" means here is lexical: at least
:data:`SUPPORTED` of the sentence's telling words, weighted by how rare they are in the evidence,
and every number in it, occur in the evidence cited. It catches inventions, wrong numbers and
wrong citations; it does not catch a "not" that was added or dropped, or who did what to whom.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rzen.rag import sentences
from rzen.rag.context import describe
from rzen.types import Citation, Evidence

SUPPORTED = 0.6
"""Share of a sentence's words that its evidence must have."""
QUOTE_CHARS = 300
"""A quote is cut to this many characters."""
NOT_FOUND = "I found nothing in the index that answers this."
"""What a generator says where the evidence does not answer; it needs no citation."""

_MARK = re.compile(r"\[(\d{1,4}(?:\s*[,;]\s*\d{1,4})*)\]")
_UNFINISHED = re.compile(r"[\s\[\]\d,;]*")


@dataclass(frozen=True, slots=True)
class Checked:
    """An answer after the check.

    Attributes:
        text: what is borne out; its sentences carry ``[n]``.
        citations: each number in the text, once, rising.
        unsupported: sentences that were left out.
        warnings: what was wrong.
    """

    text: str
    citations: tuple[Citation, ...]
    unsupported: tuple[str, ...]
    warnings: tuple[str, ...]


def escape(text: str) -> str:
    """Evidence as it may be quoted: its own ``[3]`` becomes ``(3)``, so that it cites nothing.

    >>> escape("as shown in [3] and [4, 5]")
    'as shown in (3) and (4, 5)'
    """
    return _MARK.sub(r"(\1)", text)


def check(text: str, evidence: Sequence[Evidence]) -> Checked:
    """Checks a whole answer; see the module for the rules."""
    checker = Checker(evidence)
    whole = "".join([*checker.feed(text), *checker.finish()])
    return checker.checked(whole)


@dataclass(slots=True)
class Checker:
    """Checks an answer while it is being written: it yields the sentences that stay.

    Attributes:
        evidence: what may be cited.
    """

    evidence: Sequence[Evidence]
    _weights: Mapping[str, float] = field(default_factory=dict, init=False)
    _known: dict[int, "_Known"] = field(default_factory=dict, init=False)
    _buffer: str = field(default="", init=False)
    _is_started: bool = field(default=False, init=False)
    _cited: dict[int, str] = field(default_factory=dict, init=False)
    _unsupported: list[str] = field(default_factory=list, init=False)
    _warnings: list[str] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._known = {one.number: _Known(one) for one in self.evidence}
        self._weights = sentences.rarity(known.words for known in self._known.values())

    def feed(self, piece: str) -> Iterator[str]:
        """Takes a piece of the answer; yields what is complete and borne out."""
        self._buffer += piece
        parts = sentences.split(self._buffer)
        # The last sentence may go on, and behind it its citation may still come.
        held = 2 if parts and _UNFINISHED.fullmatch(parts[-1].text) else 1
        complete = parts[:-held]
        if complete:
            end = complete[-1].end
            yield from self._released(self._buffer[:end], complete)
            self._buffer = self._buffer[end:]

    def finish(self) -> Iterator[str]:
        """Yields what is left when the answer is at its end."""
        yield from self._released(self._buffer, sentences.split(self._buffer))
        self._buffer = ""

    def checked(self, text: str) -> Checked:
        """What was found, for the text made of all that was yielded."""
        citations = [
            Citation(number=number, hit=self._known[number].evidence.hit, quote=quote)
            for number, quote in sorted(self._cited.items())
        ]
        warnings = list(dict.fromkeys(self._warnings))
        if self._unsupported:
            count = len(self._unsupported)
            warnings.append(
                f"{count} sentence{'s' * (count > 1)} left out: no evidence bears "
                f"{'them' if count > 1 else 'it'} out"
            )
        return Checked(text, tuple(citations), tuple(self._unsupported), tuple(warnings))

    def _released(self, text: str, parts: Sequence[sentences.Sentence]) -> Iterator[str]:
        position = 0
        for part in parts:
            gap = text[position : part.start]
            position = part.end
            stays = self._sentence(part.text)
            if stays:
                yield (gap if self._is_started else "") + stays
                self._is_started = True

    def _sentence(self, sentence: str) -> str:
        """The sentence as it stays; empty if it goes."""
        bare = _MARK.sub("", sentence).strip()
        if bare == NOT_FOUND:
            return NOT_FOUND
        named = _numbers(sentence)
        unknown = [number for number in named if number not in self._known]
        if unknown:
            marks = ", ".join(f"[{number}]" for number in unknown)
            self._warnings.append(f"the answer cited {marks}, which is not among the evidence")
        known = [number for number in named if number in self._known]
        if not self._is_borne_out(bare, known):
            # Only what cites nothing may look for a witness: a wrong citation is a wrong claim.
            known = [] if named else self._witness(bare)
        if not known or not bare:
            self._unsupported.append(sentence)
            return ""
        for number in known:
            self._cited.setdefault(number, self._known[number].quote(bare, self._weights))
        return self._marked(sentence, named, known)

    def _is_borne_out(self, bare: str, numbers: Iterable[int]) -> bool:
        witnesses = [self._known[number] for number in numbers]
        claimed = sentences.words(bare)
        if not witnesses or not claimed:
            return False
        words = {word for witness in witnesses for word in witness.words}
        figures = {figure for witness in witnesses for figure in witness.numbers}
        is_covered = sentences.coverage(claimed, words, self._weights) >= SUPPORTED
        return is_covered and sentences.numbers(bare) <= figures

    def _witness(self, bare: str) -> list[int]:
        """The first evidence that bears a sentence out alone, if any does."""
        borne = (number for number in self._known if self._is_borne_out(bare, [number]))
        return list(borne)[:1]

    def _marked(self, sentence: str, named: Sequence[int], known: Sequence[int]) -> str:
        if not named:
            return f"{sentence} " + "".join(f"[{number}]" for number in known)

        def valid(match: re.Match[str]) -> str:
            return "".join(f"[{number}]" for number in _numbers(match[0]) if number in known)

        return re.sub(r"[ \t]+$", "", _MARK.sub(valid, sentence))


class _Known:
    """Evidence, with its words."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        whole = f"{describe(evidence.hit)}\n{evidence.text}"
        self.words = set(sentences.words(whole))
        self.numbers = sentences.numbers(whole)

    def quote(self, bare: str, weights: Mapping[str, float]) -> str:
        """The sentence of the evidence that shares most with what was said."""
        claimed = sentences.words(bare)
        parts = [part.flat for part in sentences.split(self.evidence.text)]
        best = max(
            parts,
            key=lambda part: sentences.coverage(claimed, sentences.words(part), weights),
            default="",
        )
        return best if len(best) <= QUOTE_CHARS else best[: QUOTE_CHARS - 1].rstrip() + "…"


def _numbers(text: str) -> list[int]:
    """The numbers cited in a text, each once, in order."""
    found = [int(digits) for marks in _MARK.findall(text) for digits in re.findall(r"\d+", marks)]
    return list(dict.fromkeys(found))
