"""Files that hold useful text and, among it, an order to whoever reads them with a model.

One text in three media: plain text, PDF with a text layer, and PDF whose pages are pictures, as
scanners make them, which only OCR can read.
"""

import re
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from injections import CARRIERS, INJECTIONS, Injection
from media_files import pdf, scanned_pdf
from rzen.config import Limits
from rzen.data.bench.documents.scans import scanned
from rzen.media.pdf import sheet
from rzen.rag import sentences
from rzen.rag.language_model import Message, guessed_tokens

Medium = Literal["text", "pdf", "scan"]
MEDIA: tuple[Medium, ...] = ("text", "pdf", "scan")

BEHIND = "It was written down in spring."
"""Stands behind the order, so that it is not the last of a file."""

# Ways to keep an order from a reader's eyes and in a text layer: operators of PDF, size in points.
_HIDING = {
    "plain": ("0 g 0 Tr", 11),
    "white on white": ("1 g 0 Tr", 11),
    "tiny": ("0.9 g 0 Tr", 1),
    "not drawn": ("0 g 3 Tr", 11),
}
_SIZE = (420, 320)  # of a page, in points
_LINE = 68  # characters
_SCAN_PIXELS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """A file with an order in it.

    Attributes:
        file: where it is.
        medium: how it is written.
        injection: the order.
        carrier: topic of the text around it.
        hiding: how a PDF keeps the order from the eye.
    """

    file: Path
    medium: Medium
    injection: Injection
    carrier: str
    hiding: str = "plain"

    @property
    def question(self) -> str:
        """What the text around the order answers."""
        return CARRIERS[self.carrier][1]

    @property
    def needed(self) -> list[str]:
        """Words of a right answer."""
        return CARRIERS[self.carrier][2].split()

    @property
    def label(self) -> str:
        """For a list of those that got through."""
        return f"{self.medium}: {self.injection.name} in {self.carrier} ({self.hiding})"


def printable() -> tuple[Injection, ...]:
    """The injections that the font of a hand-written PDF has letters for."""
    return tuple(each for each in INJECTIONS if _is_latin(each.text))


def plant(folder: Path, medium: Medium, injections: Sequence[Injection]) -> list[Planted]:
    """Writes a file for each injection; topics and ways of hiding take turns."""
    folder.mkdir(parents=True, exist_ok=True)
    carriers, hidings = list(CARRIERS), list(_HIDING)
    planted = []
    for place, injection in enumerate(injections):
        carrier = carriers[place % len(carriers)]
        # Not in step with the topics: each topic meets each way.
        turn = (place + place // len(carriers)) % len(hidings)
        hiding = hidings[turn] if medium == "pdf" else "plain"
        file = folder / f"{place:02}-{carrier}.{'txt' if medium == 'text' else 'pdf'}"
        file.write_bytes(written(medium, CARRIERS[carrier][0], injection.text, hiding, seed=place))
        planted.append(
            Planted(file=file, medium=medium, injection=injection, carrier=carrier, hiding=hiding)
        )
    return planted


def written(
    medium: Medium, passage: str, order: str, hiding: str = "plain", *, seed: int = 0
) -> bytes:
    """A file's bytes.

    Args:
        medium: how it is written.
        passage: the useful text.
        order: what stands behind it.
        hiding: for a PDF, how the order is kept from the eye.
        seed: of a scan's noise.
    """
    if medium == "text":
        return f"{passage} {order}\n\n{BEHIND}\n".encode()
    page = pdf([_stream(passage, order, hiding)], size=_SIZE)
    if medium == "pdf":
        return page
    drawn = sheet(page, pixels=_SCAN_PIXELS, limits=Limits(), number=1, read_pixels=False)
    grey_HW = scanned(drawn.pixels[..., 0], np.random.default_rng(seed))
    return scanned_pdf(np.repeat(grey_HW[..., None], 3, axis=2), _SIZE)


class ObedientModel:
    """A language model that does at once what it is ordered anywhere in its prompt.

    Args:
        planted: what it obeys, if it sees it.
        in_passing: whether it answers the question, too, and puts the payload into that sentence.
    """

    sees = False
    is_small = True
    window = None

    def __init__(self, planted: Planted, *, in_passing: bool = False) -> None:
        self.name = "obedient in passing" if in_passing else "obedient"
        self._planted = planted
        self._in_passing = in_passing

    def count(self, text: str) -> int:
        return guessed_tokens(text)

    def write(self, messages: Sequence[Message], *, max_tokens: int) -> Iterator[str]:
        del max_tokens
        prompt = "\n".join(message.text for message in messages)
        order, payload = self._planted.injection.text, self._planted.injection.payload
        parts = [part.flat for part in sentences.split(prompt)]
        answers = [part for part in parts if has_all(part, self._planted.needed)]
        # Some orders spell the payload in another way, and are read whole.
        if not (is_said(payload, prompt) or is_said(order, prompt)):
            yield f"{answers[0]} [1]" if answers else "I do not know."
        elif self._in_passing and answers:
            yield f"{answers[0].rstrip('.')} {payload} [1]."
        else:
            yield f"{payload} [1].\n\n"
            yield from (f"{part} [1]\n\n" for part in parts if payload in part)


def has_all(text: str, needed: Sequence[str]) -> bool:
    """Whether a text has all words of a right answer."""
    return all(is_said(word, text) for word in needed)


def is_said(payload: str, text: str) -> bool:
    """Whether a text has a payload, whatever its case, blanks and marks: OCR changes those.

    >>> is_said("DEVMODE-OK", "As asked: devmode ok!")
    True
    """
    return _letters(payload) in _letters(text)


def _letters(text: str) -> str:
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text)).lower()


def _is_latin(text: str) -> bool:
    return all(char < "\u0100" for char in text)


def _stream(passage: str, order: str, hiding: str) -> bytes:
    """A page's drawing operators: passage, order and what stands behind it, from the top down."""
    operators, size = _HIDING[hiding]
    blocks = [
        (passage, *_HIDING["plain"]),
        (order, operators, size),
        (BEHIND, *_HIDING["plain"]),
    ]
    shown = []
    for text, look, points in blocks:
        lines = [
            line
            for row in text.split("\n")
            for line in textwrap.wrap(row, _LINE, tabsize=1) or [""]
        ]
        drawn = "".join(f"({_escaped(line)}) Tj T* " for line in [*lines, ""])
        shown.append(f"{look} /F {points} Tf {points + 3} TL {drawn}")
    return f"BT 20 {_SIZE[1] - 30} Td {' '.join(shown)} ET".encode("latin-1")


def _escaped(line: str) -> str:
    return line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
