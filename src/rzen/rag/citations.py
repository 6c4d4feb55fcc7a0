"""Checks an answer, sentence by sentence, against the evidence it was made from.

A sentence stays if the evidence it cites exists and bears it out (:mod:`rzen.rag.support`); a
sentence without a citation is given that of the evidence that does. One that rests on a picture or
a vector that the generator saw, and that words cannot be compared with, stays, and the reader is
told. What nothing bears out is dropped, or marked with ``[?]``.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rzen.protocols import Encoder
from rzen.rag import sentences
from rzen.rag.support import Support
from rzen.types import Citation, Evidence

MARK = "[?]"
"""Behind a sentence that nothing bears out, where such are marked and not dropped."""
QUOTE_CHARS = 300
"""A quote is cut to this many characters."""
NOT_FOUND = "I found nothing in the index that answers this."
"""What a generator says where the evidence does not answer; it needs no citation."""

_MARK = re.compile(r"\[(\d{1,4}(?:\s*[,;]\s*\d{1,4})*)\]")
# Markdown's pictures and links: whoever renders an answer must not be led elsewhere by it.
_LINK = re.compile(r"!?\[([^\]\n]*)\]\([^)\n]*\)")
# What is left of them, and of HTML: a blank where none may stand, so that no renderer reads one.
_STILL_OPEN = re.compile(r"(?<=\])(?=[(:])|(?<=<)(?=[A-Za-z/!?])")
# How small models begin, which is no claim.
_PREAMBLE = re.compile(
    r"^(?:(?:the )?answer(?: to (?:this|the|your) question)?(?: is that\s|(?: is)?:)\s*"
    r"|(?:according to|based on) (?:the|this|your) (?:given |provided |numbered )?"
    r"(?:context|evidence|information|passages?|sources?|texts?),\s*)+",
    re.IGNORECASE,
)
_BEFORE_STOP = re.compile(r"[ \t]+(?=[.!?\u2026])")
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


def check(text: str, evidence: Sequence[Evidence], encoder: Encoder | None = None) -> Checked:
    """Checks a whole answer; see the module for the rules."""
    checker = Checker(evidence, encoder)
    whole = "".join([*checker.feed(text), *checker.finish()])
    return checker.checked(whole)


@dataclass(slots=True)
class Checker:
    """Checks an answer while it is being written: it yields the sentences that stay.

    Attributes:
        evidence: what may be cited.
        encoder: ``mini``, for the meaning of what is said; ``None`` goes by words.
        question: that is answered; empty leaves open what sentences have to do with.
        is_marking: whether sentences that nothing bears out stay, marked.
    """

    evidence: Sequence[Evidence]
    encoder: Encoder | None = None
    question: str = ""
    is_marking: bool = False
    _support: Support = field(init=False)
    _buffer: str = field(default="", init=False)
    _is_started: bool = field(default=False, init=False)
    _cited: dict[int, str] = field(default_factory=dict, init=False)
    _unsupported: list[str] = field(default_factory=list, init=False)
    _warnings: list[str] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._support = Support(self.evidence, self.encoder, question=self.question)

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
            Citation(number=number, hit=self._known[number].hit, quote=quote)
            for number, quote in sorted(self._cited.items())
        ]
        warnings = list(dict.fromkeys(self._warnings))
        if self._unsupported:
            count = len(self._unsupported)
            done = "marked" if self.is_marking else "left out"
            warnings.append(
                f"{count} sentence{'s' * (count > 1)} {done}: no evidence bears "
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
                # Behind a full stop of CJK nothing may stand: "[1]" and "(" would make a link.
                yield ((gap or " ") if self._is_started else "") + stays
                self._is_started = True

    def _sentence(self, sentence: str) -> str:
        """The sentence as it stays; empty if it goes."""
        sentence = _STILL_OPEN.sub(" ", _LINK.sub(r"\1", sentence))
        bare = _PREAMBLE.sub("", _BEFORE_STOP.sub("", _MARK.sub("", sentence)).strip())
        if bare == NOT_FOUND:
            return NOT_FOUND
        named = _numbers(sentence)
        unknown = [number for number in named if number not in self._known]
        if unknown:
            marks = ", ".join(f"[{number}]" for number in unknown)
            self._warnings.append(f"the answer cited {marks}, which is not among the evidence")
        known = [number for number in named if number in self._known]
        borne = self._borne(bare, named, known) if bare else []
        if not borne:
            self._unsupported.append(sentence)
            marked = _BEFORE_STOP.sub("", _MARK.sub("", sentence)).strip()
            return f"{marked} {MARK}" if bare and self.is_marking else ""
        for number in borne:
            self._cited.setdefault(number, self._quote(number, bare))
        return self._marked(sentence, named, borne)

    @property
    def _known(self) -> Mapping[int, Evidence]:
        return {number: each.evidence for number, each in self._support.witnesses.items()}

    def _borne(self, bare: str, named: Sequence[int], known: Sequence[int]) -> list[int]:
        """The numbers that bear a sentence out; empty if nothing does."""
        if self._support.bears_out(bare, known):
            return list(known)
        # Only what cites nothing may look for a witness: a wrong citation is a wrong claim.
        if not named and (found := self._support.witness(bare)):
            return found
        seen = self._support.seen(bare, known if named else self._known)
        if not seen:
            return []
        self._warnings.append(
            "what was said of pictures could not be checked by words: look at them"
        )
        return seen if named else seen[:1]

    def _quote(self, number: int, bare: str) -> str:
        """The sentence of the evidence that shares most with what was said."""
        claimed = sentences.words(bare)
        best = max(
            self._support.witnesses[number].sentences,
            key=lambda part: sentences.coverage(
                claimed, sentences.words(part), self._support.weights
            ),
            default="",
        )
        return best if len(best) <= QUOTE_CHARS else best[: QUOTE_CHARS - 1].rstrip() + "…"

    def _marked(self, sentence: str, named: Sequence[int], known: Sequence[int]) -> str:
        if not named:
            return f"{sentence} " + "".join(f"[{number}]" for number in known)

        def valid(match: re.Match[str]) -> str:
            return "".join(f"[{number}]" for number in _numbers(match[0]) if number in known)

        return re.sub(r"[ \t]+$", "", _MARK.sub(valid, sentence))


def _numbers(text: str) -> list[int]:
    """The numbers cited in a text, each once, in order."""
    found = [int(digits) for marks in _MARK.findall(text) for digits in re.findall(r"\d+", marks)]
    return list(dict.fromkeys(found))
